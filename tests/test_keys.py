"""Keys: names, scripts, key maps."""

import pytest

from tinyworlds.errors import ConfigError
from tinyworlds.keys import (
    complete_key_map,
    do_nothing,
    key_hints,
    keys_without_meaning,
    normalise_key,
    parse_script,
)


def test_script_counts_frames():
    assert parse_script("w*2 idle*2 Space, 3 .") == ["w", "w", None, None, "space", "3", None]
    assert parse_script("Space+Left*2 d+3") == ["left+space", "left+space", "3+d"]


@pytest.mark.parametrize(
    "text", ["w+", "+w", "w+idle", "w+spcae", "w*0", "w*", "w*-2", "spcae*3", "w**2", "#", "w*2.5", "", "  "]
)
def test_wrong_script_is_one_clear_line(text):
    with pytest.raises(ConfigError) as error:
        parse_script(text)
    assert "\n" not in str(error.value)
    if text.startswith("spcae"):
        assert "Did you mean 'space'?" in str(error.value)


def test_key_map_is_completed():
    keys = complete_key_map({"LEFT": 1, "d": 2, "Space": 3, "x": 9, "r": 1}, num_actions=4)
    assert keys == {"left": 1, "a": 1, "d": 2, "right": 2, "space": 3, "0": 0, "1": 1, "2": 2, "3": 3}


def test_key_map_of_the_game_wins_over_digits_and_twins():
    assert complete_key_map({"a": 0, "left": 1, "0": 1}, num_actions=2) == {"a": 0, "left": 1, "0": 1, "1": 1}


def test_keys_without_meaning_are_named():
    key_map = complete_key_map({"left+space": 1, "right": 2}, 4)
    script = parse_script("left+space left space right+x left+x p+x q 3 idle")
    assert keys_without_meaning(script, key_map) == ["left", "left+x", "q", "space"]
    assert do_nothing(["q"], {"up": 1, "a": 2}) == "q does nothing in this world; it has a, up"
    assert do_nothing(["q", "x"], {}).startswith("q, x do nothing")


def test_many_actions_leave_digits_below_ten():
    assert complete_key_map({}, num_actions=16) == {str(i): i for i in range(10)}


def test_hints_group_keys_by_action():
    hints = key_hints(complete_key_map({"left": 1, "space": 0}, 2), ["shoot", "left"])
    assert [(hint.keys, hint.name) for hint in hints] == [(("space",), "shoot"), (("left", "a"), "left")]


@pytest.mark.parametrize(("name", "ours"), [("ArrowUp", "up"), (" ", "space"), ("W", "w"), ("Escape", "esc")])
def test_names_of_keys(name, ours):
    assert normalise_key(name) == ours
