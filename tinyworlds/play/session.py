"""A session of play without any user interface: keys go in, frames come out.

A view (window, browser, key script) reports key events and shows frames; it knows nothing of worlds, and the
session nothing of views:

    session = Session(world)
    play(session, view)

One tick is one frame of the world. Keys that went down since the last tick count as held in it, even if they
are up again (a tap lasts one frame); what the held keys mean together is the key map's business
(`keys.held_action`); without any the world idles. What a session shows depends on nothing but its world, its
seed and the events of each tick, so a log of these replays it (`session_log`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from tinyworlds.keys import (
    COMMANDS,
    KeyBinding,
    KeyEvent,
    KeyHint,
    complete_key_map,
    held_action,
    key_hints,
    normalise_key,
)
from tinyworlds.play.history import History, Moment
from tinyworlds.play.pace import Pace
from tinyworlds.play.recorder import Recorder, Recordings
from tinyworlds.play.view import Event, PlayableWorld, PlayFrame, View

__all__ = ["Event", "PlayFrame", "PlayableWorld", "Session", "View"]

MESSAGE_S = 3.0  # how long a message stays in sight
REWIND_S = 30.0  # how far back a player can go


class Session:
    """One player in one world.

    Args:
        world: the world to play.
        fps: frames per second to play at; default the world's own.
        seed: makes the sampling and the choice of start clips repeatable.
        new_recorder: makes the recorder when `v` is pressed; without it `v` does nothing.
        clock: seconds.
        on_events: told the number of the tick and the events it takes in, before it runs.
    """

    def __init__(
        self,
        world: PlayableWorld,
        *,
        fps: float | None = None,
        seed: int | None = None,
        new_recorder: Callable[[], Recorder] | None = None,
        clock: Callable[[], float] = time.perf_counter,
        on_events: Callable[[int, list[Event]], None] | None = None,
    ) -> None:
        self.world = world
        self.fps = float(fps or world.fps)
        self.running = True
        self.paused = False
        self.key_map = complete_key_map(world.key_map, world.num_actions)
        self.rebound: dict[str, int] = {}  # keys that the player gave another action
        self.pace = Pace(clock)
        self._clock, self._seed, self._on_events = clock, seed, on_events
        self._recordings = Recordings(new_recorder, self.say)
        self._waiting: deque[tuple[float, Event]] = deque()  # events for the next tick, and when they came
        self._held: dict[str, None] = {}  # ordered: the key pressed last comes last
        self._tapped: dict[str, None] = {}
        self._message, self._message_until = "", 0.0
        self._ticks = 0
        self._now: Moment | None = None
        self._moved = False  # the world stands elsewhere than at `_now`
        self._rewinding = self._single = self._wants_real = self._shows_truth = self._shows_help = False
        self._true_since = 0  # number of the last frame that was real
        self._history = History(round(REWIND_S * self.fps))
        self._fork: Moment | None = None

    @property
    def hints(self) -> list[KeyHint]:
        """The keys of this game, grouped by action."""
        return key_hints(self.key_map, self.world.action_names)

    @property
    def num_ticks(self) -> int:
        """Frames that were shown so far."""
        return self._ticks

    @property
    def recordings(self) -> list[Path]:
        """What was recorded so far."""
        return self._recordings.written

    @property
    def failures(self) -> list[str]:
        """What could not be recorded, and why."""
        return self._recordings.failed

    def handle(self, events: Iterable[Event]) -> None:
        """Take in events, for the next tick; may be called while another thread is in `tick`."""
        now = self._clock()
        for event in events:
            self._waiting.append((now, event))
            if isinstance(event, KeyEvent) and COMMANDS.get(normalise_key(event.key)) == "quit":
                self.running = self.running and not event.down

    def tick(self) -> PlayFrame:
        """Advance by one frame (a paused world stays where it is) and return what to show."""
        pressed_at = self._take_events()
        if self._now is None:
            self._reset()
        elif self._rewinding:
            self._back()
        elif self._wants_real:
            self._real()
        elif not self.paused or self._single:
            self._forward()
        self._wants_real = self._single = False
        self._tapped.clear()
        self._ticks += 1
        self.pace.ticked()
        return self._frame(pressed_at)

    def close(self) -> list[Path]:
        """End the session, finish a running recording, and return all files that were written."""
        self.running = False
        return self._recordings.close()

    def say(self, message: str) -> None:
        """Show a message for a few seconds."""
        self._message, self._message_until = message, self._clock() + MESSAGE_S

    # Events.

    def _take_events(self) -> float | None:
        """Act on the waiting events; return when the oldest key press among them came."""
        taken = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if self._on_events is not None and taken:
            self._on_events(self._ticks, [event for _, event in taken])
        pressed = [when for when, event in taken if self._act(event)]
        return min(pressed, default=None)

    def _act(self, event: Event) -> bool:
        """Act on an event; return whether it is a key of the game that went down."""
        key = normalise_key(event.key)
        if isinstance(event, KeyBinding):
            self._bind(key, event.action)
        elif key in COMMANDS:
            if not event.repeat:
                self._command(COMMANDS[key], event.down)
        elif self._has_meaning(key) and not (event.repeat and key in self._held):
            self._held.pop(key, None)
            if event.down:
                self._held[key] = self._tapped[key] = None
            return event.down
        return False

    def _has_meaning(self, key: str) -> bool:
        return any(key in entry.split("+") for entry in self.key_map)

    def _bind(self, key: str, action: int) -> None:
        if key in COMMANDS or not key.isprintable() or not 0 <= action < self.world.num_actions:
            return
        self.key_map = {**self.key_map, key: action}
        self.rebound[key] = action
        self.say(f"{key} = {self.world.action_names[action]}")

    def _command(self, command: str, down: bool) -> None:
        if command == "rewind":
            self._rewinding = down and self._can("state", "going back")
        elif not down or command == "quit":
            return
        elif command == "pause":
            self.paused = not self.paused
        elif command == "step":
            self._single, self.paused = self.paused, True
        elif command == "reset":
            self._now = None  # the next tick shows the start frame
        elif command == "fork":
            self._fork_here()
        elif command == "real":
            self._wants_real = self._can("reset_near", "going back to a real frame")
        elif command == "truth":
            self._shows_truth = not self._shows_truth
            if self._shows_truth and self._now is not None:
                self._explain_truth(self._now)
        elif command == "help":
            self._shows_help = not self._shows_help
        elif command == "record":
            self._recordings.toggle(None if self._now is None else self._now.image)

    def _explain_truth(self, now: Moment) -> None:
        """Say why no true frame appears; at a start frame, which is true itself, one will with the next."""
        truth = getattr(self.world, "truth", None)
        if truth is None or not len(truth):
            self.say("no true frames are known in this world")
        elif now.truth is None and now.action is not None:
            self.say("no true frame is known here: the start clip has ended")

    def _can(self, ability: str, what: str) -> bool:
        if hasattr(self.world, ability):
            return True
        self.say(f"{what} is not possible in this world")
        return False

    # Frames.

    def _reset(self) -> None:
        # Only the first reset is seeded: every press of `r` then starts elsewhere, and yet repeatably.
        image = self.world.reset(seed=self._seed)
        self._seed, self._fork = None, None
        self._history.clear()
        self._true_since = 0
        self._arrive(image, 0, None)

    def _forward(self) -> None:
        self._restore_if_moved()
        self._history.push(self._now)
        action = self._next_action()
        self._arrive(self.world.step(action), self._now.number + 1, action)

    def _back(self) -> None:
        moment = self._history.pop()
        if moment is None:
            self.say("this is as far back as is remembered")
        else:
            self._jump(moment)

    def _fork_here(self) -> None:
        if self._now is None or not self._can("state", "a fork"):
            return
        if self._fork is None:
            self._fork = self._now
            self.say(f"fork at frame {self._now.number}: F comes back here")
        elif self._fork is self._now:
            self._fork = None
            self.say("fork taken away")
        else:
            self._history.push(self._now)
            self._jump(self._fork)
            self.say(f"back at the fork, frame {self._now.number}; F again takes it away")

    def _real(self) -> None:
        self._restore_if_moved()
        self._history.push(self._now)
        self._true_since = self._now.number + 1
        self._arrive(self.world.reset_near(self._now.image), self._true_since, None)
        self.say("back to a real frame")

    def _arrive(self, image: np.ndarray, number: int, action: int | None) -> None:
        state = (self.world.state(), self._true_since) if hasattr(self.world, "state") else None
        truth = getattr(self.world, "truth", None)
        place = number - self._true_since - 1  # in the frames that followed the last real one
        known = truth[place] if truth is not None and 0 <= place < len(truth) else None
        self._now, self._moved = Moment(image, number, action, state, known), False
        self._recordings.add(image, action)

    def _jump(self, moment: Moment) -> None:
        self._now, self._moved = moment, True

    def _restore_if_moved(self) -> None:
        if self._moved:
            state, self._true_since = self._now.state
            self.world.restore(state)
            self._moved = False
            self._recordings.add(self._now.image, None)  # what follows is another episode

    def _next_action(self) -> int:
        released = [key for key in self._tapped if key not in self._held]
        action = held_action([*released, *self._held], self.key_map)
        return self.world.idle_action if action is None else action

    def _frame(self, pressed_at: float | None) -> PlayFrame:
        now = self._now
        sampling: Any = getattr(self.world, "sampling", None)
        self._recordings.collect()
        return PlayFrame(
            image=now.image,
            number=now.number,
            action=now.action,
            action_name="" if now.action is None else self.world.action_names[now.action],
            fps=self.pace.fps,
            paused=self.paused,
            recording=self._recordings.running,
            message=self._message if self._clock() < self._message_until else "",
            truth=now.truth if self._shows_truth else None,
            help=self._shows_help,
            latency_ms=self.pace.latency_ms,
            dropped=self.pace.dropped,
            num_steps=None if sampling is None else sampling.num_steps,
            pressed_at=pressed_at,
        )
