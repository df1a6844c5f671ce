"""The session without any view, played with posted events, and the headless front end."""

import re

import numpy as np
import pytest
from fake_world import FakeWorld

from tinyworlds.keys import KeyEvent, parse_script
from tinyworlds.play.headless import play_script
from tinyworlds.play.recorder import recording_path
from tinyworlds.play.session import Session


def press(session, *keys):
    session.handle([KeyEvent(key) for key in keys])


def release(session, *keys):
    session.handle([KeyEvent(key, down=False) for key in keys])


@pytest.fixture
def world():
    return FakeWorld()


@pytest.fixture
def session(world):
    session = Session(world, seed=0)
    session.tick()  # the start frame
    return session


def test_start_frame_has_no_action(world):
    frame = Session(world).tick()
    assert (frame.number, frame.action, frame.action_name) == (0, None, "")
    assert world.taken == []


def test_without_keys_the_world_idles(session, world):
    world.idle_action = 2
    session.tick()
    assert world.taken == [2]


def test_a_tap_lasts_one_frame(session, world):
    press(session, "left")
    release(session, "left")
    for _ in range(3):
        session.tick()
    assert world.taken == [1, 0, 0]


def test_a_held_key_lasts_until_it_is_let_go(session, world):
    press(session, "d")
    session.tick()
    session.tick()
    release(session, "d")
    session.tick()
    assert world.taken == [2, 2, 0]


def test_the_key_pressed_last_wins(session, world):
    press(session, "left")
    session.tick()
    press(session, "space")
    session.tick()
    session.handle([KeyEvent("left", repeat=True)])  # an auto-repeat changes nothing
    session.tick()
    release(session, "space")
    session.tick()
    assert world.taken == [1, 3, 3, 1]


def test_unknown_keys_are_ignored(session, world):
    press(session, "z", "f5", "[", "9", "tab", "")
    assert session.tick().action == 0
    assert session.running


def test_digits_select_actions(session, world):
    press(session, "3")
    assert session.tick().action_name == "shoot"


def test_pause_holds_the_world(session, world):
    press(session, "p")
    frames = [session.tick() for _ in range(3)]
    assert world.taken == []
    assert all(frame.paused for frame in frames)
    session.handle([KeyEvent("p", repeat=True)])  # holding p down must not flicker
    assert session.tick().paused
    press(session, "P")
    assert not session.tick().paused
    assert world.taken == [0]


def test_reset_shows_a_start_frame_even_when_paused(session):
    session.tick()
    press(session, "p", "r")
    frame = session.tick()
    assert (frame.number, frame.action, frame.paused) == (0, None, True)


def test_the_same_seed_and_keys_give_the_same_frames(world):
    script = parse_script("left*3 r idle*2 space r right")
    first, second = (play_script(Session(FakeWorld(), seed=5), script) for _ in range(2))
    other = play_script(Session(FakeWorld(), seed=6), script)
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0].image, other[0].image)
    starts = {tuple(frame.image[0, 0]) for frame in first if frame.number == 0}
    assert len(starts) == 3  # `r` starts elsewhere


def test_script_is_one_frame_a_key(world):
    frames = play_script(Session(world), parse_script("left*3 idle space*2 q*2"))
    assert world.taken == [1, 1, 1, 0, 3, 3, 0, 0]
    assert [frame.number for frame in frames] == list(range(9))


def test_a_script_holds_several_keys_together(world):
    world.key_map = {"left": 1, "space": 3, "left+space": 2}
    play_script(Session(world), parse_script("left left+space*2 space left+space idle"))
    assert world.taken == [1, 2, 2, 3, 2, 0]


def test_esc_ends_the_session(session):
    press(session, "esc")
    assert not session.running


def test_recordings_are_named_after_game_and_time(tmp_path):
    assert re.fullmatch(r"pong_\d{8}_\d{6}_\d{3}\.mp4", recording_path("pong", tmp_path).name)
