"""Going back, forking, single steps, real frames, and keys that the player gives another action."""

import numpy as np
import pytest
from fake_world import FakeWorld

from tinyworlds.keys import KeyBinding, KeyEvent
from tinyworlds.play.session import REWIND_S, Session


@pytest.fixture
def session():
    session = Session(FakeWorld(), seed=0)
    session.tick()
    return session


def press(session, *keys):
    session.handle([KeyEvent(key) for key in keys])


def release(session, *keys):
    session.handle([KeyEvent(key, down=False) for key in keys])


def test_backspace_goes_back_while_it_is_held(session):
    shown = [session.tick() for _ in range(6)]
    press(session, "backspace")
    back = [session.tick() for _ in range(4)]
    assert [frame.number for frame in back] == [5, 4, 3, 2]
    assert all(np.array_equal(frame.image, shown[frame.number - 1].image) for frame in back)
    release(session, "backspace")
    press(session, "left")
    onward = session.tick()
    assert (onward.number, onward.action) == (3, 1)
    assert onward.image[0, 0, 1] == 3  # the world itself went back


def test_the_past_has_an_end():
    session = Session(FakeWorld(), fps=2)
    for _ in range(round(2 * REWIND_S) + 10):
        session.tick()
    press(session, "backspace")
    frames = [session.tick() for _ in range(round(2 * REWIND_S) + 2)]
    assert frames[-1].number == frames[-2].number == 9
    assert "as far back" in frames[-1].message


def test_a_rewound_world_takes_the_same_way_again(session):
    first = [session.tick().image for _ in range(5)]
    press(session, "backspace")
    for _ in range(5):
        session.tick()
    release(session, "backspace")
    assert all(np.array_equal(session.tick().image, image) for image in first)


def test_a_fork_is_come_back_to(session):
    press(session, "left")
    session.tick()
    press(session, "f")
    release(session, "left")
    forked = session.tick()  # the fork is made before this frame
    assert "fork at frame 1" in forked.message
    session.tick()
    press(session, "f", "p")
    at_fork = session.tick()
    assert (at_fork.number, at_fork.paused) == (1, True)
    press(session, "f")
    assert "taken away" in session.tick().message
    press(session, "p")
    assert session.tick().number == 2


def test_a_single_step_pauses_and_steps(session):
    press(session, ".")
    assert [session.tick().number for _ in range(2)] == [0, 0]
    press(session, ".")
    frames = [session.tick() for _ in range(2)]
    assert [frame.number for frame in frames] == [1, 1]
    assert frames[0].paused


def test_back_to_a_real_frame(session):
    for _ in range(5):
        before = session.tick()
    press(session, "b")
    frame = session.tick()
    assert (frame.number, frame.action) == (6, None)
    assert frame.image[0, 0, 1] == 0
    press(session, "backspace")
    assert np.array_equal(session.tick().image, before.image)


def test_truth_is_shown_while_the_clip_lasts(session):
    press(session, "g")
    frames = [session.tick() for _ in range(5)]
    seen = [None if frame.truth is None else int(frame.truth[0, 0, 0]) for frame in frames]
    assert seen == [0, 1, 2, None, None]
    press(session, "b")
    assert session.tick().truth is None  # a real frame itself
    assert int(session.tick().truth[0, 0, 0]) == 0
    press(session, "g")
    assert session.tick().truth is None


def test_a_missing_truth_is_explained_only_where_it_is_missing(session):
    press(session, "r", "g")
    assert session.tick().message == ""  # the start frame is true itself
    press(session, "g", "g")
    assert session.tick().message == ""
    for _ in range(3):
        session.tick()
    press(session, "g", "g")
    assert "the start clip has ended" in session.tick().message
    session.world.truth = None
    press(session, "g", "g")
    assert "no true frames are known in this world" in session.tick().message


def test_the_player_gives_keys_another_action(session):
    session.handle([KeyBinding("X", 2), KeyBinding("left", 99), KeyBinding("esc", 1)])
    press(session, "x")
    assert session.tick().action == 2
    assert session.key_map["left"] == 1
    assert session.running


def test_keys_held_together():
    world = FakeWorld(num_actions=4)
    world.key_map = {"left": 1, "space": 2, "left+space": 3}
    session = Session(world)
    session.tick()
    press(session, "space", "left")
    assert session.tick().action == 3
    assert session.tick().action == 3
    release(session, "space")
    assert session.tick().action == 1
    press(session, "a")  # stands in for left, alone and in chords
    release(session, "left")
    press(session, "space")
    assert session.tick().action == 3


def test_worlds_that_cannot_go_back_say_so(monkeypatch):
    for name in ("state", "reset_near"):
        monkeypatch.delattr(FakeWorld, name)
    session = Session(FakeWorld())
    session.tick()
    for key in ("backspace", "f", "b"):
        press(session, key)
        assert "not possible" in session.tick().message
    assert session.tick().number == 4
