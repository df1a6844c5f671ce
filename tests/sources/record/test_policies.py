"""Who plays while we record: sticky, random, scripted, agents."""

import numpy as np
import pytest
import toy_games  # registers the toy environments

from tinyworlds.commands import cli
from tinyworlds.data.reader import FrameFile
from tinyworlds.errors import ConfigError, MissingFileError
from tinyworlds.sources.record.action_keys import action_keys, idle_action
from tinyworlds.sources.record.policies import (
    PolicyChoice,
    ScriptedPolicy,
    StickyPolicy,
    load_agent,
    make_policy,
    script_actions,
    script_length,
)
from tinyworlds.sources.record.record import record

TOY = "toy_games:TinyWandering-v0"  # noop, left, right, fire, leftfire
NAMES = ["noop", "left", "right", "fire", "leftfire"]


def test_the_sticky_policy_holds_actions():
    policy = StickyPolicy(4, hold=6.0, seed=1)
    actions = np.array([policy(None) for _ in range(6000)])
    changes = (np.diff(actions) != 0).mean()
    assert changes == pytest.approx(1 / 6 * 3 / 4, rel=0.15)  # a quarter of the draws repeat the action
    assert (np.bincount(actions) / 6000).min() > 0.2
    fresh = make_policy(PolicyChoice("random", hold=6.0), list("abcd"), seed=1)
    assert (np.diff([fresh(None) for _ in range(2000)]) != 0).mean() == pytest.approx(0.75, abs=0.05)


# ---- keys and scripts


@pytest.mark.parametrize(
    ("names", "keys"),
    [
        (NAMES, {"left": 1, "a": 1, "right": 2, "d": 2, "space": 3, "left+space": 4, "4": 4}),
        (["noop", "attack", "move_right", "turn_left"], {"space": 1, "right": 2, "left": 3}),
        (["noop", "up", "upright", "downleftfire"], {"up": 1, "right+up": 2, "down+left+space": 3}),
        (["noop", "left", "right+b", "c"], {"right+space": 2, "c": 3}),
        (["action_0", "action_1"], {"0": 0, "1": 1}),
    ],
)
def test_keys_are_guessed_from_names(names, keys):
    assert keys.items() <= action_keys(names).items()


def test_the_action_that_does_nothing():
    assert idle_action(["fire", "noop"]) == 1
    assert idle_action(["action_0", "action_1"]) == 0


def test_a_script_names_keys_actions_and_numbers():
    wanted = [2] * 3 + [3] + [0] * 2 + [4] * 2 + [1] + [2]
    assert script_actions("d*3 space, idle*2 leftfire*2 Left 2", NAMES) == wanted
    assert script_length("d*3 space, idle*2 leftfire*2 Left 2") == len(wanted)
    policy = ScriptedPolicy("left right*2", NAMES)
    assert [policy(None) for _ in range(7)] == [1, 2, 2, 1, 2, 2, 1]


@pytest.mark.parametrize(
    ("script", "told"),
    [("z*3", "its keys are"), ("left*0", "count above 0"), ("up*2", "means nothing"), ("  ", "empty"),
     ("lefft", "no key")],
)  # fmt: skip
def test_a_wrong_script_is_one_line(tmp_path, capsys, script, told):
    assert cli.main(["record", TOY, "--out", str(tmp_path / "a.h5"), "--keys", script]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_command_records_a_script_as_long_as_it_is(tmp_path, capsys):
    out = tmp_path / "a.h5"
    words = ["record", TOY, "--out", str(out), "--keys", "left*20 space*10", "--size", "8"]
    assert cli.main(words) == 0
    assert "30 frames" in capsys.readouterr().out
    assert FrameFile(out).actions.tolist() == [1] * 20 + [3] * 10
    assert cli.main([*words, "--frames", "45", "--overwrite"]) == 0
    assert FrameFile(out).actions.tolist() == [1] * 20 + [3] * 10 + [1] * 15


# ---- agents


def test_an_agent_is_a_function_of_a_module(tmp_path):
    for processes in (1, 2):
        out = tmp_path / f"{processes}.h5"
        record(TOY, out, 60, "toy_games:first_pixel", 8, progress=False, processes=processes)
        file = FrameFile(out)
        np.testing.assert_array_equal(file.actions, file.frames(0, 60)[:, 0, 0, 0] % 5)


def test_an_agent_may_look_at_the_games_own_observation(tmp_path):
    record(TOY, tmp_path / "a.h5", 60, "toy_games:from_observation", 8, progress=False)
    file = FrameFile(tmp_path / "a.h5")
    np.testing.assert_array_equal(file.actions, file.frames(0, 60)[:, 0, 0, 0] % 5)


@pytest.mark.parametrize("function", ["", ":always"])
def test_an_agent_is_a_file(tmp_path, function):
    agent = tmp_path / "my agent.py"
    agent.write_text("def act(frame):\n    return 3\n\ndef always(frame):\n    return 3\n", encoding="utf-8")
    record(TOY, tmp_path / "a.h5", 20, f"{agent}{function}", 8, progress=False)
    assert set(FrameFile(tmp_path / "a.h5").actions) == {3}


@pytest.mark.parametrize(
    ("name", "error", "told"),
    [
        ("no_such_module:act", ConfigError, "cannot be imported"),
        ("toy_games:first_pixl", ConfigError, "Did you mean 'first_pixel'"),
        ("gone.py", MissingFileError, "No such agent"),
        ("gone.py:act", MissingFileError, "No such agent"),
    ],
)
def test_an_agent_that_is_not_there(name, error, told):
    with pytest.raises(error, match=told):
        load_agent(name)


def test_what_an_agent_returns_is_checked(tmp_path):
    with pytest.raises(ConfigError, match=r"returned 0\.5 as action; .*, 0 to 4"):
        record(TOY, tmp_path / "a.h5", 20, toy_games.half_an_action, 8, progress=False)


def test_keys_need_the_scripted_policy():
    with pytest.raises(ConfigError, match="belong together"):
        PolicyChoice("sticky", keys="d*3")
    with pytest.raises(ConfigError, match="belong together"):
        PolicyChoice("scripted")
