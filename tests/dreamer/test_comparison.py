"""Worlds and agents on the same held-out clips."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from gameplay_files import ACTION_NAMES, write_gameplay
from small_agents import fit
from tiny_worlds import tiny_world
from toy_games import WanderingEnv

from tinyworlds.checkpoints.run_folder import is_of_stage
from tinyworlds.commands.cli import main
from tinyworlds.data import H5DataModule
from tinyworlds.data.held_out import held_out_clips
from tinyworlds.dreamer.agent import Agent
from tinyworlds.dreamer.comparison import Contest, pooled
from tinyworlds.dreamer.contenders import AgentContender, resized
from tinyworlds.dreamer.trained import Trained
from tinyworlds.errors import ConfigError
from tinyworlds.evaluation.play_test.preparing import find_examples
from tinyworlds.world.file import save_world

SIZE, CONTEXT, HORIZON = 32, 6, 10


class Sprite:
    """It knows the rules of `gameplay_files`; with `late` it mistakes which action leads where."""

    name, kind, frame_size, context, num_parameters = "sprite", "rules", SIZE, CONTEXT, 0

    def __init__(self, late=0):
        self.late = late

    def dream(self, frames, before, sent):
        background = np.random.default_rng(0).integers(0, 90, (SIZE, SIZE, 3), dtype=np.uint8)
        side, shown = SIZE // 4, [frames[:, -2], frames[:, -1]]
        places = [np.argwhere((frame.numpy() == (250, 200, 40)).all(-1))[0] for frame in frames[:, -1]]
        sent = torch.roll(sent, self.late, dims=1)
        for actions in sent.unbind(1):
            drawn = np.repeat(background[None], len(frames), axis=0)
            for place, action, picture in zip(places, actions.tolist(), drawn, strict=True):
                place += np.array([(0, 0), (0, -2), (0, 2), (-2, 0)][action])
                place[:] = place.clip(0, SIZE - side)
                picture[place[0] : place[0] + side, place[1] : place[1] + side] = (250, 200, 40)
            shown.append(torch.from_numpy(drawn))
        return torch.stack(shown, dim=1)

    def ms_a_frame(self, frames, before):
        return 1.0


@pytest.fixture(scope="module")
def contest(tmp_path_factory):
    path = write_gameplay(tmp_path_factory.mktemp("sprite") / "sprite.h5", num_episodes=40, size=SIZE)
    settings = {"files": [str(path)], "frame_size": SIZE, "num_workers": 0, "test_fraction": 0.25}
    module = H5DataModule(**settings)
    clips = held_out_clips(module, CONTEXT + HORIZON, 16)
    examples = find_examples(tiny_world(actions="labels"), settings | {"frame_size": SIZE}, module)
    return Contest(clips, CONTEXT, examples, SIZE)


def test_who_knows_the_rules_is_right_and_who_mistakes_the_actions_is_not(contest):
    result, dreamt = contest.enter(Sprite())
    assert torch.equal(dreamt, contest.truth)
    assert min(result.psnr) == pytest.approx(58.9, abs=0.1)
    assert contest.enter(Sprite(late=1))[0].psnr[0] < 40


def test_keys_are_read_back_from_who_obeys_them(contest):
    obeyed = contest.enter(Sprite())[0]
    assert obeyed.read_back[0] > 0.6  # before the sprite meets a wall, where no key can be told from another

    class Idle(Sprite):
        def dream(self, frames, before, sent):
            return super().dream(frames, before, torch.zeros_like(sent))

    assert contest.enter(Idle())[0].read_back[0] < 0.35  # chance is 0.25


def test_the_mean_error_is_pooled():
    assert pooled([20.0, 20.0]) == pytest.approx(20)
    assert pooled([10.0, 60.0]) == pytest.approx(13.01, abs=0.01)


def agent_of(names, **sees):
    torch.manual_seed(0)
    agent = Agent(num_actions=len(names), preset="cpu-tiny", **{"frame_size": 16, **sees}).eval()
    return Trained(Path("agent.ckpt"), agent, "sprite", {}, 1, 1, tuple(names))


def test_an_agent_gets_every_action_under_its_own_number(monkeypatch):
    trained = agent_of(["up", "right", "noop", "left"])
    contender, told = AgentContender(trained, ACTION_NAMES), []
    see, step = trained.agent.rssm.see, trained.agent.rssm.step
    monkeypatch.setattr(trained.agent.rssm, "see", lambda c, a, *rest: (told.append(a), see(c, a, *rest))[1])
    monkeypatch.setattr(trained.agent.rssm, "step", lambda c, a: (told.append(a), step(c, a))[1])
    frames = torch.zeros(2, 3, 16, 16, 3, dtype=torch.uint8)
    before, sent = torch.tensor([[0, 1], [2, 3]]), torch.tensor([[3, 0], [1, 2]])
    shown = contender.dream(frames, before, sent)
    assert shown.shape == (2, 4, 16, 16, 3)
    assert not told[0].any()  # nothing led to the first frame
    # noop, left, right, up of the recording are 2, 3, 1, 0 of the agent
    assert [action.argmax(1).tolist() for action in told[1:]] == [[2, 1], [3, 0], [0, 3], [2, 1]]
    assert torch.equal(contender.dream(frames, before, sent), shown)


def test_a_grey_agent_sees_grey(monkeypatch):
    trained, seen = agent_of(ACTION_NAMES, channels=1), []
    encode = trained.agent.encode
    monkeypatch.setattr(trained.agent, "encode", lambda part: (seen.append(part.picture), encode(part))[1])
    frames = torch.zeros(1, 2, 32, 32, 3, dtype=torch.uint8)
    frames[..., 0] = 100
    shown = AgentContender(trained, ACTION_NAMES).dream(frames, torch.tensor([[0]]), torch.tensor([[1]]))
    assert seen[0].shape == (1, 16, 16, 1)
    assert set(seen[0].flatten().tolist()) == {30}  # 0.299 of red
    assert shown.shape == (1, 3, 16, 16, 3)


@pytest.mark.parametrize(
    ("names", "sees", "told"),
    [
        (["jump", "duck"], {}, "knows the actions jump, duck; the recording has noop, left"),
        (ACTION_NAMES, {"vector": 3}, "sees more than pictures"),
        (ACTION_NAMES, {"frame_size": 0, "vector": 3}, "sees more than pictures"),
    ],
)
def test_who_cannot_be_compared_is_told(names, sees, told):
    with pytest.raises(ConfigError, match=told):
        AgentContender(agent_of(names, **sees), ACTION_NAMES)


def test_frames_are_shrunk_by_the_mean():
    frames = torch.tensor([[0, 100], [200, 100]], dtype=torch.uint8)[None, ..., None].repeat(1, 1, 1, 3)
    assert resized(frames, 1).tolist() == [[[[100, 100, 100]]]]


# ---- the command


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    """A run of an agent, a world and gameplay, all of one toy game."""
    folder = tmp_path_factory.mktemp("toys")
    words = ["--data.task=toy_games:TinyWandering-v0", "--data.frame_size=16", "--trainer.max_steps=3"]
    fit(folder, *words)
    names = WanderingEnv().get_action_meanings()[:4]  # as many as the world knows
    for name, fps in (("toy", 24.0), ("slow", 12.0)):
        write_gameplay(folder / f"{name}.h5", num_episodes=30, fps=fps, names=names)
        world = tiny_world(actions="labels")
        world.info = replace(world.info, fps=fps)
        save_world(folder / f"{name}.world", world)
    [run] = (folder / "lightning_logs").iterdir()
    return folder, run


@pytest.mark.slow
def test_evaluate_compares_both_kinds(toys, capsys):
    folder, run = toys
    words = [str(folder / "toy.world"), str(run), "--data", str(folder / "toy.h5"), "--num_clips=4"]
    assert main(["evaluate", *words, "--horizon=3", "--out", str(folder / "out")]) == 0
    out = capsys.readouterr().out
    assert "toy.world, world (labels)" in out
    assert "agent (cpu-tiny)" in out
    found = json.loads((folder / "out/comparison.json").read_text())
    assert [len(each["psnr"]) for each in found["results"]] == [3, 3]
    assert [len(each["read_back"]) for each in found["results"]] == [4, 4]
    assert all(0 < each["ms_a_frame"] < 1000 for each in found["results"])
    assert [each["frame_size"] for each in found["results"]] == [16, 16]
    written = {path.name for path in (folder / "out").iterdir()}
    assert written == {"comparison.json", "comparison.md", "comparison.png", "dreams.png"}
    shutil.rmtree(folder / "out")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["RUN"], "name a world to compare it with"),
        (["WORLD", "RUN", "--real", "doom"], "--real is not for worlds beside an agent"),
        (["WORLD", "RUN", "--skip_play_test"], "--skip_play_test is not for worlds beside an agent"),
        (["WORLD", "RUN", "--num_steps", "2"], "--num_steps is not for worlds beside an agent"),
        (["SLOW.world", "RUN"], "the clips have 12 frames"),
    ],
)
def test_what_cannot_be_compared_is_one_line(toys, capsys, words, told):
    folder, run = toys
    names = {"RUN": str(run), "WORLD": str(folder / "toy.world"), "SLOW.world": str(folder / "slow.world")}
    words = [names.get(word, word) for word in words]
    data = folder / ("slow.h5" if names["SLOW.world"] in words else "toy.h5")
    assert main(["evaluate", *words, "--data", str(data), "--out", str(folder / "no")]) != 0
    error = capsys.readouterr().err
    assert told in error
    assert error.strip().count("\n") <= 1  # a note about the data may stand before it
    assert not (folder / "no").exists()


def test_a_checkpoint_that_was_taken_out_of_its_run_is_known_by_what_it_holds(toys, tmp_path, capsys):
    _, run = toys
    lone = tmp_path / "mine.ckpt"
    shutil.copyfile(next(run.rglob("last.ckpt")), lone)
    assert is_of_stage(lone, "agent")
    assert not is_of_stage(lone, "dynamics")
    assert main(["evaluate", str(lone)]) != 0
    assert "mine.ckpt is an agent: name a world" in capsys.readouterr().err
    lone.write_bytes(b"no checkpoint")
    assert not is_of_stage(lone, "agent")
    assert not is_of_stage(tmp_path / "lost.ckpt", "agent")
