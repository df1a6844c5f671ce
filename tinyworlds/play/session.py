"""A session of play without any user interface: keys go in, frames come out.

A view (window, browser, key script) reports key events and shows frames; it knows nothing of worlds, and the
session nothing of views:

    session = Session(world)
    play(session, view)

One tick is one frame of the world. A key that went down since the last tick decides the action, even if it
is up again (a tap lasts one frame); then the key pressed last among those still held; without either the
world idles.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from tinyworlds.errors import TinyWorldsError
from tinyworlds.play.keys import COMMANDS, KeyEvent, KeyHint, complete_key_map, key_hints, normalise_key
from tinyworlds.play.recorder import Recorder

MESSAGE_S = 3.0  # how long a message stays in sight


class PlayableWorld(Protocol):
    """What a session needs of a world; `tinyworlds.World` is one."""

    num_actions: int
    fps: float
    key_map: dict[str, int]
    action_names: tuple[str, ...]
    idle_action: int
    game: str

    def reset(self, *, seed: int | None = None) -> np.ndarray:
        """Start anew; return the first frame, uint8 [H, W, 3]."""

    def step(self, action_id: int) -> np.ndarray:
        """Take an action; return the next frame, uint8 [H, W, 3]."""


@dataclass(frozen=True)
class PlayFrame:
    """One frame for a view: the picture and what is said about it."""

    image: np.ndarray  # uint8 [H, W, 3], RGB
    number: int  # frames since the last reset; 0 is the start frame
    action: int | None  # the action that led here, None at a start frame
    action_name: str
    fps: float  # frames per second reached lately
    paused: bool
    recording: bool
    message: str


class View(Protocol):
    """Where keys come from and frames go to."""

    def poll(self) -> Iterable[KeyEvent]:
        """Return the key events since the last call."""

    def show(self, frame: PlayFrame) -> None:
        """Show a frame."""

    def wait(self, seconds: float) -> None:
        """Let `seconds` pass (0: do not wait) while the view stays responsive."""


class Session:
    """One player in one world.

    Args:
        world: the world to play.
        fps: frames per second to play at; default the world's own.
        seed: makes the sampling and the choice of start clips repeatable.
        new_recorder: makes the recorder when `o` is pressed; without it `o` does nothing.
        clock: seconds.
    """

    def __init__(
        self,
        world: PlayableWorld,
        *,
        fps: float | None = None,
        seed: int | None = None,
        new_recorder: Callable[[], Recorder] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.world = world
        self.fps = float(fps or world.fps)
        self.running = True
        self.paused = False
        self.recordings: list[Path] = []
        self.key_map = complete_key_map(world.key_map, world.num_actions)
        self._seed = seed
        self._new_recorder = new_recorder
        self._recorder: Recorder | None = None
        self._finishing: list[Recorder] = []
        self._clock = clock
        self._tick_times: deque[float] = deque(maxlen=30)
        self._message, self._message_until = "", 0.0
        self._held: dict[str, None] = {}  # ordered: the key pressed last comes last
        self._tapped: str | None = None
        self._image: np.ndarray | None = None
        self._number, self._action = 0, None

    @property
    def hints(self) -> list[KeyHint]:
        """The keys of this game, grouped by action."""
        return key_hints(self.key_map, self.world.action_names)

    def handle(self, events: Iterable[KeyEvent]) -> None:
        """Take in key events; keys that mean nothing here are ignored."""
        for event in events:
            key = normalise_key(event.key)
            if key in COMMANDS:
                if event.down and not event.repeat:
                    self._command(COMMANDS[key])
            elif key in self.key_map and not (event.repeat and key in self._held):
                self._held.pop(key, None)
                if event.down:
                    self._held[key] = None
                    self._tapped = key

    def tick(self) -> PlayFrame:
        """Advance by one frame (a paused world stays where it is) and return what to show."""
        if self._image is None:
            self._reset()
        elif not self.paused:
            self._action = self._next_action()
            self._image = self.world.step(self._action)
            self._number += 1
        self._tick_times.append(self._clock())
        if self._recorder is not None and not self.paused:
            self._recorder.add(self._image)
        self._collect_recordings(wait=False)
        return self._frame()

    def close(self) -> list[Path]:
        """End the session, finish a running recording, and return all clips that were written."""
        self.running = False
        self._stop_recording()
        self._collect_recordings(wait=True)
        return self.recordings

    def say(self, message: str) -> None:
        """Show a message for a few seconds."""
        self._message, self._message_until = message, self._clock() + MESSAGE_S

    def _next_action(self) -> int:
        key = self._tapped or next(reversed(self._held), None)
        self._tapped = None
        return self.world.idle_action if key is None else self.key_map[key]

    def _command(self, command: str) -> None:
        if command == "quit":
            self.running = False
        elif command == "pause":
            self.paused = not self.paused
        elif command == "reset":
            self._image = None  # the next tick shows the start frame
        elif self._recorder is not None:
            self._stop_recording()
        elif self._new_recorder is not None:
            self._recorder = self._new_recorder()

    def _reset(self) -> None:
        # Only the first reset is seeded: every press of `r` then starts elsewhere, and yet repeatably.
        self._image = self.world.reset(seed=self._seed)
        self._seed, self._number, self._action, self._tapped = None, 0, None, None

    def _stop_recording(self) -> None:
        if self._recorder is not None:
            self._recorder.finish()
            self.say(f"saving {self._recorder.path}")
            self._finishing.append(self._recorder)
            self._recorder = None

    def _collect_recordings(self, wait: bool) -> None:
        for recorder in [r for r in self._finishing if wait or r.done]:
            self._finishing.remove(recorder)
            try:
                path = recorder.result()
            except (TinyWorldsError, OSError) as error:  # a failing codec or disk must not end the game
                self.say(f"recording failed: {error}")
                continue
            if path is not None:
                self.recordings.append(path)
                self.say(f"saved {path}")

    def _frame(self) -> PlayFrame:
        times = self._tick_times
        span = times[-1] - times[0]
        return PlayFrame(
            image=self._image,
            number=self._number,
            action=self._action,
            action_name="" if self._action is None else self.world.action_names[self._action],
            fps=(len(times) - 1) / span if span > 0 else 0.0,
            paused=self.paused,
            recording=self._recorder is not None,
            message=self._message if self._clock() < self._message_until else "",
        )


def play(session: Session, view: View) -> None:
    """Run a session until the player quits: fixed rate, or as fast as the world goes where that is slower."""
    due = time.perf_counter()
    try:
        while session.running:
            view.show(session.tick())
            now = time.perf_counter()
            due = max(due + 1 / session.fps, now)  # after a slow frame: no hurry to catch up
            view.wait(due - now)
            session.handle(view.poll())
    finally:
        session.close()
