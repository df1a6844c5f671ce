"""What a play test shows of itself."""

from tinyworlds.evaluation.play_test.result import KeyResult, PlayTest


def test_a_play_test_says_its_keys_in_a_line() -> None:
    keys = [
        KeyResult(name, 0, (share, share), (1.0, 1.0), (1.0, 1.0), 0.9, (1.0, 1.0))
        for name, share in (("left", 0.75), ("fire\n", 0.5))
    ]
    play = PlayTest(((1, 4), (5, 16)), tuple(keys), (), (), "true actions", 16)
    assert repr(play) == "PlayTest of 2 keys from 16 starts, read back: left 0.75, fire\\x0a 0.50"
