"""An agent's replay as a gameplay file: every frame with its action and what that earned."""

import json

import h5py
import numpy as np
import pytest
from small_agents import fit

from tinyworlds import H5DataModule
from tinyworlds.commands.cli import main


@pytest.fixture(scope="module")
def exported(whole, tmp_path_factory):
    out = tmp_path_factory.mktemp("h5") / "catch_frames.h5"
    assert main(["export", str(whole.parents[1]), str(out)]) == 0
    return out


def test_frames_actions_rewards_and_ends_belong_together(exported):
    with h5py.File(exported) as file:
        frames, actions, rewards = (file[name][:] for name in ("frames", "actions", "rewards"))
        ends, over = file["episode_ends"][:], file["terminations"][:]
        assert json.loads(file.attrs["action_names"]) == ["noop", "left", "right"]
    paddle = frames[:, -1, ::2, 0].argmax(1)  # in the lowest row, of two pixels a cell
    for step in np.flatnonzero(~ends):
        moved = paddle[step + 1] - paddle[step]
        wanted = {0: 0, 1: -1, 2: 1}[int(actions[step])]
        at_wall = paddle[step] + wanted in (-1, 8)
        assert moved == (0 if at_wall else wanted)
    assert set(np.abs(rewards[over])) == {1.0}
    assert not rewards[~over].any()
    assert (over <= ends).all()
    lengths = np.diff(np.flatnonzero(ends), prepend=-1)
    assert set(lengths[over[ends]]) == {7}


def test_other_stages_train_on_it(exported):
    data = H5DataModule([str(exported)], num_frames=4, batch_size=2, cache=False)
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert batch["frames"].shape == (2, 4, 16, 16, 3)
    assert [*data.action_names] == ["noop", "left", "right"]


def test_without_a_replay_it_is_said(whole, tmp_path, capsys):
    lone = tmp_path / "agent.ckpt"
    lone.write_bytes((whole / "checkpoints/last.ckpt").read_bytes())
    assert main(["export", str(lone), str(tmp_path / "out.h5")]) != 0
    assert "saved without a replay" in capsys.readouterr().err
    assert not (tmp_path / "out.h5").exists()


def test_an_agent_without_pictures_has_no_gameplay(tmp_path, capsys):
    fit(tmp_path, "--data.task=CartPole-v1", "--trainer.max_steps=2")
    assert main(["export", str(tmp_path / "lightning_logs/cart_pole"), str(tmp_path / "out.h5")]) != 0
    assert "sees numbers" in capsys.readouterr().err
