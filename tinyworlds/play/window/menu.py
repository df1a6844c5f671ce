"""The menu behind Esc: what is on it and what is chosen, without a window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

CONTINUE, ANEW, FULLSCREEN, OTHER, BACK, QUIT = "continue", "anew", "fullscreen", "other", "back", "quit"


@dataclass(frozen=True)
class Entry:
    """A line of the menu; `action` is one of the words above, or the name of a world."""

    action: str
    text: str
    is_world: bool = False


class Menu:
    """Choosing by arrow keys, W and S, Enter, Space, Esc, or a mouse.

    Args:
        worlds: names of other worlds; the entry for them is left out where there are none.

    Attributes:
        entries: the lines to show now.
        selected: which of them is marked.
        chosen: what was decided, None until then.
    """

    def __init__(self, worlds: Sequence[str] = ()) -> None:
        self._worlds = tuple(worlds)
        self.selected = 0
        self.chosen: Entry | None = None
        self.entries = self._first()

    @property
    def title(self) -> str:
        """What stands above the lines."""
        return "Which world?" if self.entries[0].is_world else "Paused"

    def press(self, key: str) -> None:
        """Take in a key."""
        moves = {"up": -1, "w": -1, "down": 1, "s": 1, "tab": 1}
        if key in moves:
            self.selected = (self.selected + moves[key]) % len(self.entries)
        elif key in ("enter", "space"):
            self.choose(self.selected)
        elif key in ("esc", "backspace"):
            self.choose(len(self.entries) - 1 if self.entries[0].is_world else 0)

    def choose(self, number: int) -> None:
        """Decide for an entry."""
        entry = self.entries[number]
        inner: dict[str, Callable[[], tuple[Entry, ...]]] = {OTHER: self._second, BACK: self._first}
        if not entry.is_world and entry.action in inner:
            self.entries, self.selected = inner[entry.action](), 0
        else:
            self.chosen = entry

    def _first(self) -> tuple[Entry, ...]:
        other = [Entry(OTHER, "Another world")] if self._worlds else []
        return (
            Entry(CONTINUE, "Continue"),
            Entry(ANEW, "Start anew"),
            *other,
            Entry(FULLSCREEN, "Full screen on or off"),
            Entry(QUIT, "Quit"),
        )

    def _second(self) -> tuple[Entry, ...]:
        return (*(Entry(name, name, is_world=True) for name in self._worlds), Entry(BACK, "Back"))
