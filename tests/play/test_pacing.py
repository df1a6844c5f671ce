"""The frame rate: kept where the world can, counted where it cannot, and keys taken in all the while."""

import time

import pytest
from fake_world import FakeWorld

from tinyworlds.keys import KeyEvent
from tinyworlds.play.pacing import play
from tinyworlds.play.session import Session


class SlowWorld(FakeWorld):
    def __init__(self, seconds, **settings):
        super().__init__(**settings)
        self.seconds = seconds

    def step(self, action_id):
        time.sleep(self.seconds)
        return super().step(action_id)


class Player:
    """Presses a key while the third frame is computed; leaves after so many frames."""

    def __init__(self, count):
        self.count, self.frames, self.polls, self.pressed = count, [], 0, False

    def poll(self):
        self.polls += 1
        if len(self.frames) == 3 and not self.pressed:
            self.pressed = True
            return [KeyEvent("left"), KeyEvent("left", down=False)]
        return [KeyEvent("esc")] if len(self.frames) >= self.count else []

    def show(self, frame):
        self.frames.append(frame)

    def wait(self, seconds):
        time.sleep(seconds)


def test_the_rate_is_kept():
    player, session = Player(20), Session(SlowWorld(0.001, fps=50.0))
    began = time.perf_counter()
    play(session, player)
    assert time.perf_counter() - began >= 19 / 50
    assert [frame.number for frame in player.frames] == list(range(len(player.frames)))


def test_what_comes_too_late_is_counted_and_not_caught_up_with():
    player, session = Player(8), Session(SlowWorld(0.05, fps=100.0))
    play(session, player)
    assert session.pace.dropped >= 20  # 7 frames of 50 ms, each due after 10 ms
    assert [frame.number for frame in player.frames] == list(range(8))


def test_keys_are_taken_in_while_a_frame_is_computed():
    player, session = Player(8), Session(SlowWorld(0.05, fps=1000.0))
    play(session, player)
    assert player.polls > 3 * len(player.frames)
    [acted] = [frame for frame in player.frames if frame.pressed_at is not None]
    assert acted.action == 1
    assert session.pace.latencies[0] >= 0.05  # the frame that shows it is computed after the key came
    assert player.frames[-1].latency_ms == pytest.approx(1000 * session.pace.latencies[0])
    assert "key to frame" in session.pace.summary()


def test_an_error_of_the_world_reaches_the_caller(monkeypatch):
    session = Session(FakeWorld())
    monkeypatch.setattr(session.world, "step", lambda action: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        play(session, Player(5))
    assert not session.running
