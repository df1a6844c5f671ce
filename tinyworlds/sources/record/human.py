"""A person plays while we record: a window shows the game at its own speed, keys become actions."""

from __future__ import annotations

import time

import numpy as np

from tinyworlds.errors import DisplayError
from tinyworlds.keys import Command, held_action, key_hints
from tinyworlds.play.session import PlayFrame
from tinyworlds.play.window.display import has_display
from tinyworlds.play.window.view import Window
from tinyworlds.sources.record.action_keys import action_keys, idle_action
from tinyworlds.sources.record.environments import LiveGame

_COMMANDS = (Command("p", "pause", "pause"), Command("esc", "quit", "save and end"))
_REMEDY = "play where there is one, or record with --policy sticky or --keys 'd*30 space*2'"


def check_display() -> None:
    """Check that there is a display.

    Raises:
        DisplayError: there is none.
    """
    if not has_display():
        raise DisplayError(f"--policy human opens a window, and there is no display here: {_REMEDY}")


class HumanPolicy:
    """Shows the game and returns the action of the keys that are held; Esc ends the recording.

    Args:
        game: the running game.

    Raises:
        DisplayError: no window can be opened here.
    """

    def __init__(self, game: LiveGame) -> None:
        names = [action.name for action in game.actions]
        self._game, self._names = game, names
        self._keys, self._idle = action_keys(names), idle_action(names)
        hints = key_hints(self._keys, names)
        title = f"recording {game.env_id}"
        self._window = Window(title, hints, len(names), commands=_COMMANDS, menu=False)
        self._held: list[str] = []
        self._action, self._number = self._idle, 0
        self._due = time.perf_counter()

    def __call__(self, frame: np.ndarray) -> int | None:
        """Show the game, wait until the frame's time is over, and return what was pressed in it."""
        self._show()
        now = time.perf_counter()
        self._due = max(self._due, now - 1) + 1 / self._game.fps  # after a pause nothing is caught up on
        self._window.wait(max(0.0, self._due - now))
        tapped: list[str] = []
        if not self._take_keys(tapped):
            return None
        pressed = [*self._held, *(key for key in tapped if key not in self._held)]
        action = held_action(pressed, self._keys)
        self._action = self._idle if action is None else action
        self._number += 1
        return self._action

    def close(self) -> None:
        """Close the window."""
        self._window.close()

    def _take_keys(self, tapped: list[str]) -> bool:
        """Note what is held and what was pressed, wait while paused; return False to end."""
        paused = False
        while True:
            for event in self._window.poll():
                if event.key == "esc":
                    return False
                if event.key == "p" and event.down and not event.repeat:
                    paused = not paused
                    self._show(paused)
                self._note(event.key, event.down, tapped)
            if not paused:
                return True
            self._window.wait(0.05)

    def _note(self, key: str, down: bool, tapped: list[str]) -> None:
        if down and key not in self._held:
            self._held.append(key)
            tapped.append(key)
        elif not down and key in self._held:
            self._held.remove(key)

    def _show(self, paused: bool = False) -> None:
        name = self._names[self._action]
        frame = PlayFrame(
            self._game.picture, self._number, self._action, name, self._game.fps, paused, not paused, ""
        )
        self._window.show(frame)
