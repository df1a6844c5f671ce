"""Which of several pages holds which key: a key is down while any page holds it."""

from __future__ import annotations

from collections.abc import Hashable

from tinyworlds.keys import KeyEvent

MAX_HELD = 32  # keys that one page can hold at once; no keyboard reports more


class SharedKeys:
    """Merges the keys of all pages into the events of one player."""

    def __init__(self) -> None:
        self._holders: dict[str, set[Hashable]] = {}

    def take(self, page: Hashable, event: KeyEvent) -> KeyEvent | None:
        """Note a page's event; return it if the session has to know, else None."""
        holders = self._holders.get(event.key, set())
        if event.down:
            if page in holders or self._num_held(page) >= MAX_HELD:
                return None
            self._holders[event.key] = holders | {page}
            return event
        return self._release(page, event.key) if page in holders else None

    def leave(self, page: Hashable) -> list[KeyEvent]:
        """Let go of all keys of a page that is gone; return the releases that the session has to know."""
        held = [key for key, holders in self._holders.items() if page in holders]
        return [event for key in held if (event := self._release(page, key)) is not None]

    def _release(self, page: Hashable, key: str) -> KeyEvent | None:
        self._holders[key] -= {page}
        if self._holders[key]:
            return None
        del self._holders[key]
        return KeyEvent(key, down=False)

    def _num_held(self, page: Hashable) -> int:
        return sum(page in holders for holders in self._holders.values())
