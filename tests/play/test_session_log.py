"""The log of a session as it shows itself."""

from tinyworlds.play.session_log import SessionLog


def test_a_log_says_what_it_is_and_lists_no_events() -> None:
    events = [[tick, "a", True] for tick in range(1500)]
    log = SessionLog("", "doom\x1b[2J", 7, 8.75, [], {}, "cpu", events, 3000)
    assert repr(log) == (
        "SessionLog of doom\\x1b[2J: 3,000 frames at 8.75 a second, 1,500 events of keys, seed 7, on cpu"
    )
