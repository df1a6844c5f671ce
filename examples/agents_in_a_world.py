"""Two agents inside a learned world, through gymnasium alone: one presses keys at random, one looks ahead.

    python examples/agents_in_a_world.py zelda.world --steps 60 --out agents.mp4

Both start from the same clip. The score of a step is how much the picture changes, the mean over all pixels
of the absolute difference (0 to 255), since a world has no reward of its own. The greedy agent tries every
action in a batch of dreams that go on from the frames it saw last, and takes the one that scores best.
"""

from __future__ import annotations

import argparse
from collections import deque
from collections.abc import Callable
from pathlib import Path

import gymnasium
import numpy as np

import tinyworlds.envs  # noqa: F401 (registers "TinyWorlds/World")
from tinyworlds.media.suffixes import check_clip_path
from tinyworlds.media.video import save_video

Agent = Callable[[np.ndarray], int]  # from the frame in sight to an action


def change(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Score frames [..., H, W, 3] by how far they are from those before them: [...], 0 to 255."""
    return np.abs(after.astype(np.int16) - before).mean(axis=(-3, -2, -1))


class RandomAgent:
    """Takes any action, as likely as every other."""

    def __init__(self, env: gymnasium.Env, seed: int) -> None:
        self.actions = env.action_space
        self.actions.seed(seed)

    def __call__(self, frame: np.ndarray) -> int:
        """Return an action."""
        return int(self.actions.sample())


class GreedyAgent:
    """Dreams one step ahead with every action and takes the one whose frame changes most.

    Args:
        world: the `.world` file.
        num_actions: how many actions there are.
        memory: how many of the last frames the dreams go on from.
    """

    def __init__(self, world: str, num_actions: int, memory: int, device: str = "auto") -> None:
        self.seen: deque[np.ndarray] = deque(maxlen=memory)
        self.ahead = gymnasium.make_vec("TinyWorlds/World", num_envs=num_actions, world=world, device=device)

    def __call__(self, frame: np.ndarray) -> int:
        """Return the action that is dreamt to change `frame` most."""
        self.seen.append(frame)
        self.ahead.reset(seed=0, options={"frames": np.stack(self.seen)})
        dreamt = self.ahead.step(np.arange(self.ahead.num_envs))[0]  # [num_actions, H, W, 3]
        return int(change(frame, dreamt).argmax())


def play(env: gymnasium.Env, agent: Agent, steps: int, seed: int) -> np.ndarray:
    """Let an agent play one episode and return its frames, uint8 [T, H, W, 3]."""
    frame, _ = env.reset(seed=seed)
    frames = [frame]
    for _ in range(steps):
        frame, _, terminated, truncated, _ = env.step(agent(frame))
        frames.append(frame)
        if terminated or truncated:
            break
    return np.stack(frames)


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Run the example; return each agent's mean score."""
    parser = argparse.ArgumentParser(description="A random and a greedy agent in a learned world.")
    parser.add_argument("world", help="a .world file")
    parser.add_argument("--steps", type=int, default=60, help="steps each agent plays (default: 60)")
    parser.add_argument("--seed", type=int, default=0, help="of the start clip and of the random agent")
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto (default: auto)")
    parser.add_argument("--out", type=Path, help="clip of both, side by side")
    args = parser.parse_args(argv)
    env = gymnasium.make("TinyWorlds/World", world=args.world, device=args.device)
    memory = env.unwrapped.world.context_frames
    if args.out:
        check_clip_path(args.out)
    agents = {
        "random": RandomAgent(env, args.seed),
        "greedy": GreedyAgent(args.world, int(env.action_space.n), memory, args.device),
    }
    played = {name: play(env, agent, args.steps, args.seed) for name, agent in agents.items()}
    scores = {name: float(change(frames[:-1], frames[1:]).mean()) for name, frames in played.items()}
    for name, score in scores.items():
        print(f"{name:>6}: the picture changes by {score:.2f} of 255 a step")
    if args.out:
        both = np.concatenate(list(played.values()), axis=2)  # [T, H, 2 W, 3]
        print(save_video(args.out, both, env.metadata["render_fps"], scale=4))
    return scores


if __name__ == "__main__":
    main()
