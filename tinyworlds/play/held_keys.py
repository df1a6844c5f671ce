"""Held keys for a toolkit that reports only presses.

``cv2.waitKey`` returns one key at a time and never says that a key went up. A press therefore comes from the
toolkit (so it is meant for our window), and whether that key is still down is asked of the system: X11 and
Windows answer. Elsewhere the auto-repeat has to do: the first event is a tap, events that follow it within
the repeat delay mean that the key is held, and silence means that it was let go.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import sys
import time
from collections.abc import Callable, Iterable

from tinyworlds.keys import KeyEvent

REPEAT_DELAY_S = 0.8  # systems start to repeat after 0.25 to 0.66 s
REPEAT_GAP_S = 0.15  # and then send 10 to 40 events per second

_X11_KEYSYMS = {
    "space": 0x20, "tab": 0xFF09, "enter": 0xFF0D, "esc": 0xFF1B, "backspace": 0xFF08,
    "left": 0xFF51, "up": 0xFF52, "right": 0xFF53, "down": 0xFF54,
}  # fmt: skip
_WINDOWS_CODES = {
    "tab": 0x09, "enter": 0x0D, "esc": 0x1B, "space": 0x20, "backspace": 0x08, ".": 0xBE,
    "left": 0x25, "up": 0x26, "right": 0x27, "down": 0x28,
}  # fmt: skip

IsDown = Callable[[str], bool]


class HeldKeys:
    """Turns bare key presses into press, repeat and release events.

    Args:
        is_down: tells whether a key is physically down; ``None`` falls back to the auto-repeat.
        clock: seconds, for the auto-repeat.
    """

    def __init__(self, is_down: IsDown | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._is_down = is_down
        self._clock = clock
        self._down: set[str] = set()
        self._last_event: dict[str, float] = {}

    def update(self, presses: Iterable[str]) -> list[KeyEvent]:
        """Return what happened since the last call, given the presses that the toolkit reported."""
        now = self._clock()
        events: list[KeyEvent] = []
        for key in dict.fromkeys(presses):
            if key not in self._down:
                repeat = self._is_down is None and now - self._last_event.get(key, -1e9) < REPEAT_DELAY_S
                events.append(KeyEvent(key, repeat=repeat))
                if self._is_down is not None or repeat:
                    self._down.add(key)
                else:
                    events.append(KeyEvent(key, down=False))
            self._last_event[key] = now
        for key in sorted(self._down):
            if not self._still_down(key, now):
                self._down.remove(key)
                events.append(KeyEvent(key, down=False))
        return events

    def _still_down(self, key: str, now: float) -> bool:
        if self._is_down is not None:
            return self._is_down(key)
        return now - self._last_event[key] < REPEAT_GAP_S


@functools.cache
def system_is_down() -> IsDown | None:
    """Return a function that asks the system for a key's state, or ``None`` where there is no way to ask.

    On X11 it opens a connection of its own, which the process keeps.
    """
    try:
        if sys.platform == "win32":
            return _windows_is_down()
        if sys.platform.startswith("linux"):
            return _x11_is_down()
    except (OSError, AttributeError):  # the library is missing or lacks the function
        pass
    return None


def _windows_is_down() -> IsDown:
    get_state = ctypes.WinDLL("user32").GetAsyncKeyState  # type: ignore[attr-defined]
    get_state.argtypes, get_state.restype = [ctypes.c_int], ctypes.c_short

    def is_down(key: str) -> bool:
        code = _WINDOWS_CODES.get(key) or (ord(key.upper()) if len(key) == 1 else 0)
        return bool(get_state(code) & 0x8000)

    return is_down


def _x11_is_down() -> IsDown | None:
    x11 = ctypes.CDLL(ctypes.util.find_library("X11") or "libX11.so.6")
    x11.XOpenDisplay.argtypes, x11.XOpenDisplay.restype = [ctypes.c_char_p], ctypes.c_void_p
    x11.XKeysymToKeycode.argtypes, x11.XKeysymToKeycode.restype = (
        [ctypes.c_void_p, ctypes.c_ulong],
        ctypes.c_ubyte,
    )
    x11.XQueryKeymap.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    display = x11.XOpenDisplay(None)
    if not display:
        return None
    keymap = ctypes.create_string_buffer(32)  # one bit per key code

    def is_down(key: str) -> bool:
        keysym = _X11_KEYSYMS.get(key) or (ord(key) if len(key) == 1 else 0)
        code = x11.XKeysymToKeycode(display, keysym)
        x11.XQueryKeymap(display, keymap)
        return bool(keymap.raw[code >> 3] >> (code & 7) & 1)

    return is_down
