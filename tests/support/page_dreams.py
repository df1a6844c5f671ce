"""What a page dreams, beside what PyTorch dreams."""

import numpy as np

DREAM = """async ({ folder, seed, actions, kinds }) => {
  const { Dream } = await import(new URL("page/dream.js", location.href));
  const dream = await Dream.load(new URL(folder, location.href).href, seed, () => {}, kinds);
  let picture = dream.reset(0);
  const frames = [{ codes: Array.from(dream.past.ids.at(-1)) }];
  for (const action of actions) {
    picture = dream.step(action);
    frames.push({ codes: Array.from(dream.past.ids.at(-1)), sureness: dream.sureness });
  }
  return { frames, picture: Array.from(picture) };
}"""


def played_here(world, actions, seed):
    """Codes of each frame as PyTorch plays from the first clip, how sure it was, and the last picture."""
    clips, length = world.start_clips, world.context_frames
    frames, between = clips[[0]].window(length)
    picture = world.reset(frames[0], between[0], seed=seed)
    found = [(world.codes[0, -1].tolist(), None)]
    for action in actions:
        picture = world.step(action)
        found.append((world.codes[0, -1].tolist(), float(world.sureness[0])))
    return found, picture


def assert_same_dream(page, world, actions, seed=7, kinds=("_fused", "")):
    asked = {"folder": "tiny/", "seed": seed, "actions": actions, "kinds": list(kinds)}
    there = page.evaluate(DREAM, asked)
    here, picture = played_here(world, actions, seed)
    for number, (frame, (codes, sureness)) in enumerate(zip(there["frames"], here, strict=True)):
        assert frame["codes"] == codes, f"frame {number}"
        assert sureness is None or abs(frame["sureness"] - sureness) < 1e-3
    seen = np.array(there["picture"]).reshape(picture.shape)
    assert np.abs(seen - picture.astype(int)).max() <= 1  # of 255, where one rounds up and one down
