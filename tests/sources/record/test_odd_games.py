"""Environments as people have them: each is recorded right, or refused in one line that says why."""

import contextlib
import re

import h5py
import numpy as np
import odd_games
import pytest
import torch

from tinyworlds.commands import cli
from tinyworlds.errors import ConfigError, DataError, TinyWorldsError
from tinyworlds.sources.record.environments import LiveGame
from tinyworlds.sources.record.habits import as_reward
from tinyworlds.sources.record.making import read_settings
from tinyworlds.sources.record.record import record


def columns(path):
    with h5py.File(path) as file:
        return {name: file[name][:] for name in file}


def recorded(tmp_path, name, **settings):
    found = record(f"{name}-v0", tmp_path / "a.h5", 4, progress=False, **settings)
    return found, columns(found.path)


def shown(name, picture=None):
    """Pictures of three frames, as the game shows them."""
    with contextlib.closing(LiveGame(f"{name}-v0", picture=picture)) as game:
        return [game.reset(), game.step(0)[0].copy(), game.step(1)[0].copy()]


def one_line_of(name, picture=None):
    with pytest.raises(TinyWorldsError) as caught:
        shown(name, picture)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---- pictures


@pytest.mark.parametrize("name", odd_games.SAME)
def test_a_picture_of_any_make_is_stored_as_it_looks(name):
    for step, frame in enumerate(shown(name)):
        np.testing.assert_array_equal(frame, odd_games.picture(step), strict=True)


@pytest.mark.parametrize("name", odd_games.GREY)
def test_a_grey_picture_has_three_channels(name):
    for step, frame in enumerate(shown(name)):
        wanted = np.repeat(odd_games.picture(step)[..., 1:2], 3, axis=2)
        np.testing.assert_array_equal(frame, wanted, strict=True)


@pytest.mark.parametrize("name", ["RenderUnit", "ObsStack", "ObsTuple"])
def test_such_pictures_are_recorded(tmp_path, name):
    frames = recorded(tmp_path, name, size=48, crop=(0, 0, 48, 48))[1]["frames"]
    assert [frame[:, :, 1].argmax() % 48 for frame in frames] == [5, 6, 7, 8]
    assert frames.max() == 255


@pytest.mark.parametrize("name", odd_games.NO_PICTURE)
def test_what_is_no_picture_is_described(name):
    assert re.search(odd_games.NO_PICTURE[name][1], one_line_of(name))


@pytest.mark.parametrize(
    ("name", "picture", "wanted"),
    [
        ("ObsSeveral", "right", 0),
        ("ObsSeveral", "left", 255),
        ("ObsInside", "eyes.left", 255),
        ("Plain", "render", 255),
        ("Observed", "observation", 255),
    ],
)
def test_the_picture_may_be_chosen(name, picture, wanted):
    assert shown(name, picture)[0].max() == wanted


def test_a_picture_that_is_not_there():
    assert "it has render, left, right. Did you mean 'left'" in one_line_of("ObsSeveral", "lft")


def test_pictures_may_change_their_size(tmp_path):
    found = record("Grows-v0", tmp_path / "a.h5", 6, size=16, progress=False)
    assert (columns(found.path)["frames"].reshape(6, -1).max(1) > 100).all()


# ---- rewards, ends, interfaces


@pytest.mark.parametrize("name", odd_games.REWARDS)
def test_a_reward_is_its_number(name):
    with contextlib.closing(LiveGame(f"Reward{name}-v0")) as game:
        game.reset()
        assert game.step(0)[1] == odd_games.REWARDS[name][1]


def test_a_reward_may_be_a_tensor():
    assert as_reward(torch.tensor([1.5]), "X-v0") == 1.5


@pytest.mark.parametrize("name", odd_games.NO_REWARDS)
def test_what_is_no_reward(name):
    assert "as reward; it must be one finite number" in one_line_of(f"NoReward{name}")


@pytest.mark.parametrize("name", odd_games.ENDS)
def test_an_end_is_an_end(name):
    with contextlib.closing(LiveGame(f"End{name}-v0")) as game:
        game.reset()
        assert game.step(0)[2] is True


@pytest.mark.parametrize("name", odd_games.OLD)
def test_other_ways_to_be_an_environment(tmp_path, name, capsys):
    found = record(f"{name}-v0", tmp_path / "a.h5", 60, progress=False, seed=3)
    data = columns(found.path)
    assert np.flatnonzero(data["episode_ends"]).tolist() == [49, 59]  # the time limit holds
    assert found.fps == (30.0 if name.endswith("Fps") else 20.0)
    assert ("takes no seed" in capsys.readouterr().err) == (name in ("OldReset", "NoSeed"))


@pytest.mark.parametrize("name", odd_games.BROKEN)
def test_whatever_fails_is_one_line(name):
    assert re.search(odd_games.BROKEN[name][1], one_line_of(name))


@pytest.mark.parametrize("name", ["ResetRaises", "StepRaises", "RenderNone"])
def test_what_fails_at_its_start_leaves_nothing(tmp_path, name):
    with pytest.raises(TinyWorldsError):
        recorded(tmp_path, name)
    assert [path.name for path in tmp_path.iterdir()] == [".cache"]  # with the lock


def test_a_game_that_breaks_keeps_what_was_recorded(tmp_path, monkeypatch):
    usual = odd_games.Rendered.step

    def step(self, action):
        if self.steps == 29:
            raise RuntimeError("the game broke")
        return usual(self, action)

    with monkeypatch.context() as patch:
        patch.setattr(odd_games.Rendered, "step", step)
        with pytest.raises(DataError, match="the game broke"):
            record("OldStep-v0", tmp_path / "a.h5", 40, progress=False)
    kept = list(tmp_path.glob(".record/*/*/*.h5"))
    assert [len(columns(path)["frames"]) for path in kept] == [29]
    assert record("OldStep-v0", tmp_path / "a.h5", 40, progress=False).num_frames == 40


# ---- settings


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        (["level=1"], {"level": 1}),
        (["level=-0.5", "name=easy mode"], {"level": -0.5, "name": "easy mode"}),
        (["a=true", "b=False", "d=None", "e="], {"a": True, "b": False, "d": None, "e": ""}),
        (["size=[64, 48]", "pair=(1,2)", "url=http://a/?b=c"], {"size": [64, 48], "pair": (1, 2), "url": "http://a/?b=c"}),
        (["a=1e3", "b=007", "c='1'", 'd="x"'], {"a": 1000.0, "b": "007", "c": "1", "d": "x"}),
        (['{"level": 1, "deep": {"x": [1]}}', "more=2"], {"level": 1, "deep": {"x": [1]}, "more": 2}),
        (["{}"], {}),
    ],
)  # fmt: skip
def test_settings_are_plain_values(words, settings):
    assert read_settings(words) == settings


@pytest.mark.parametrize(
    ("words", "told"),
    [(["level"], "not 'level'"), (["=1"], "not '=1'"), (["a b=1"], "NAME=VALUE"),
     (["a=1", "a=2"], "twice: 1, 2"),
     (["{broken"], "NAME=VALUE"), (['{"a b": 1}'], "JSON object")],
)  # fmt: skip
def test_settings_that_are_none(words, told):
    with pytest.raises(ConfigError, match=told):
        read_settings(words)


@pytest.mark.parametrize("processes", [1, 2])
def test_an_environment_gets_its_settings(tmp_path, processes):
    words = ["record", "odd_games:Level-v0", "--out", str(tmp_path / "a.h5"), "--frames", "40"]
    assert cli.main([*words, "--env_kwargs", "level=[1]", "--processes", str(processes)]) == 0
    assert set(columns(tmp_path / "a.h5")["rewards"]) == {5.0}


def test_settings_that_an_environment_does_not_take(tmp_path, capsys):
    words = ["record", "odd_games:Level-v0", "--out", str(tmp_path / "a.h5")]
    assert cli.main(words) == 2
    assert "cannot be made without level; give --env_kwargs level=VALUE" in capsys.readouterr().err
    assert cli.main([*words, "--env_kwargs", "level=1", "levl=2"]) == 2
    assert "has no setting 'levl' (--env_kwargs); it takes level" in capsys.readouterr().err
    assert cli.main([*words, "--env_kwargs", "level=bad"]) == 1
    assert "cannot be made: ValueError: no such level (odd_games.py, line" in capsys.readouterr().err
