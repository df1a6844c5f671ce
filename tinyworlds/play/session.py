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

from tinyworlds.keys import (
    KeyBinding,
    KeyEvent,
    KeyHint,
    complete_key_map,
    held_action,
    key_hints,
    normalise_key,
    session_commands,
)
from tinyworlds.play.pace import Pace
from tinyworlds.play.recorder import Recorder, Recordings
from tinyworlds.play.timeline import Timeline
from tinyworlds.play.view import WHAT_FOLLOWED, Event, PlayableWorld, PlayFrame, View

__all__ = ["Event", "PlayFrame", "PlayableWorld", "Session", "View"]

MESSAGE_S, LETTER_S = 2.5, 0.06  # how long a message stays in sight, and longer for each of its letters
REWIND_S = 30.0  # how far back a player can go
DREAM, REAL_GAME = "dream", "real game"


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
        self._beside = hasattr(world, "beside")  # a real game runs beside it
        self._chooser: Any = getattr(world, "choose", None)  # an agent that lives in it
        self._agent_plays = False
        self.commands = session_commands(self.key_map, self._beside, self._chooser is not None)
        self._command_of = {command.key: command.name for command in self.commands}
        self.rebound: dict[str, int] = {}  # keys that the player gave another action
        self.pace = Pace(clock)
        self._clock, self._on_events = clock, on_events
        self._recordings = Recordings(new_recorder, self.say)
        self._waiting: deque[tuple[float, Event]] = deque()  # events for the next tick, and when they came
        self._held: dict[str, None] = {}  # ordered: the key pressed last comes last
        self._tapped: dict[str, None] = {}
        self._message, self._message_until = "", 0.0
        self._ticks = 0
        self._rewinding = self._single = self._wants_real = self._shows_help = self._shows_game = False
        self._shows_truth = self._beside
        self._timeline = Timeline(world, seed, round(REWIND_S * self.fps), self.say, self._recordings.add)

    @property
    def hints(self) -> list[KeyHint]:
        """The keys of this game, grouped by action."""
        return key_hints(self.key_map, self.world.action_names)

    @property
    def notes(self) -> list[str]:
        """What the world says a player should know, one line each."""
        return list(getattr(self.world, "notes", ()))

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
            if isinstance(event, KeyEvent) and self._command_of.get(normalise_key(event.key)) == "quit":
                self.running = self.running and not event.down

    def tick(self) -> PlayFrame:
        """Advance by one frame (a paused world stays where it is) and return what to show."""
        pressed_at = self._take_events()
        if self._timeline.now is None:
            self._timeline.start()
        elif self._rewinding:
            self._timeline.back()
        elif self._wants_real:
            self._timeline.real()
        elif not self.paused or self._single:
            self._timeline.forward(self._next_action())
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
        self._message, self._message_until = message, self._clock() + MESSAGE_S + LETTER_S * len(message)

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
        elif key in self._command_of:
            if not event.repeat:
                self._command(self._command_of[key], event.down)
        elif self._has_meaning(key) and not (event.repeat and key in self._held):
            self._held.pop(key, None)
            if event.down:
                self._held[key] = self._tapped[key] = None
            return event.down
        return False

    def _has_meaning(self, key: str) -> bool:
        return any(key in entry.split("+") for entry in self.key_map)

    def _bind(self, key: str, action: int) -> None:
        if key in self._command_of or not key.isprintable() or not 0 <= action < self.world.num_actions:
            return
        self.key_map = {**self.key_map, key: action}
        self.rebound[key] = action
        self.say(f"{key} = {self.world.action_names[action]}")

    def _command(self, command: str, down: bool) -> None:
        if command == "rewind":
            self._rewinding = down and self._timeline.can("state", "going back")
        elif not down or command == "quit":
            return
        elif command == "pause":
            self.paused = not self.paused
        elif command == "step":
            self._single, self.paused = self.paused, True
        elif command == "reset":
            self._timeline.now = None  # the next tick shows the start frame
        elif command == "fork":
            self._timeline.fork()
        elif command == "real":
            self._wants_real = self._timeline.can("reset_near", "going back to a real frame")
        elif command == "switch":
            self._shows_game, self._shows_truth = self._shows_truth or not self._shows_game, False
        elif command in ("truth", "both"):
            self._shows_truth = not self._shows_truth
            if self._shows_truth:
                self._timeline.explain_truth()
        elif command == "agent":
            self._agent_plays = not self._agent_plays
            self.say("the agent plays" if self._agent_plays else "you play")
        elif command == "help":
            self._shows_help = not self._shows_help
        elif command == "record":
            now = self._timeline.now
            self._recordings.toggle(None if now is None else now.image)

    # Frames.

    def _next_action(self) -> int:
        if self._agent_plays:
            return self._chooser()
        released = [key for key in self._tapped if key not in self._held]
        action = held_action([*released, *self._held], self.key_map)
        return self.world.idle_action if action is None else action

    def _frame(self, pressed_at: float | None) -> PlayFrame:
        now = self._timeline.present
        sampling: Any = getattr(self.world, "sampling", None)
        self._recordings.collect()
        alone = self._shows_game and not self._shows_truth and now.truth is not None
        return PlayFrame(
            image=now.truth if alone and now.truth is not None else now.image,
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
            sure=None if alone else self._sure(),
            label=(REAL_GAME if alone else DREAM) if self._beside else "",
            truth_label=REAL_GAME if self._beside else WHAT_FOLLOWED,
        )

    def _sure(self) -> float | None:
        """The share of true seconds of which the world was less sure than of this one."""
        usual = getattr(self.world, "usual_sureness", None)
        return None if usual is None else usual.share(self._timeline.sureness(usual.num_frames))
