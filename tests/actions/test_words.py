"""What actions are called for players."""

import pytest

from tinyworlds.actions.words import player_words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("noop", "do nothing"),
        ("turn_right", "turn right"),
        ("attack", "shoot"),
        ("right+up", "right and up"),
        ("left+attack", "left and shoot"),
        ("upright", "up-right"),
        ("leftfire", "left and fire"),
        ("downrightfire", "down-right and fire"),
        ("fire", "fire"),
        ("left", "left"),
        ("action 3", "action 3"),
        ("MOVE_FORWARD", "go forward"),
        ("jump over it", "jump over it"),
        ("_", "_"),
        ("+", "+"),
    ],
)
def test_names_become_words(name, words):
    assert player_words(name) == words
