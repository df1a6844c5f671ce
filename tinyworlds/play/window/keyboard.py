"""Keys of a real keyboard: SDL's codes to our names, presses to events without repeats."""

from __future__ import annotations

import pygame

from tinyworlds.keys import KeyEvent

_NAMED = {
    pygame.K_LEFT: "left", pygame.K_RIGHT: "right", pygame.K_UP: "up", pygame.K_DOWN: "down",
    pygame.K_SPACE: "space", pygame.K_RETURN: "enter", pygame.K_KP_ENTER: "enter", pygame.K_ESCAPE: "esc",
    pygame.K_TAB: "tab", pygame.K_BACKSPACE: "backspace", pygame.K_PERIOD: ".", pygame.K_KP_PERIOD: ".",
}  # fmt: skip
_FIRST_LETTER, _FIRST_DIGIT = pygame.KSCAN_A, pygame.KSCAN_1


def key_name(code: int, scancode: int) -> str | None:
    """Return our name of a key, or None for one that has none.

    What is printed on the key counts; where that is no letter or digit of ours (a Cyrillic keyboard, the
    digits of a French one), the key's place counts, as on a keyboard with Latin letters.

    Args:
        code: SDL's code of what the key types.
        scancode: SDL's code of its place.
    """
    if code in _NAMED:
        return _NAMED[code]
    if pygame.K_KP_1 <= code <= pygame.K_KP_9:
        return str(code - pygame.K_KP_1 + 1)
    if code == pygame.K_KP_0:
        return "0"
    if code < 128 and (character := chr(code).lower()).isalnum():
        return character
    if 0 <= (place := scancode - _FIRST_LETTER) < 26:
        return chr(ord("a") + place)
    return str((place + 1) % 10) if 0 <= (place := scancode - _FIRST_DIGIT) < 10 else None


class Keyboard:
    """Which keys are down."""

    def __init__(self) -> None:
        self._down: dict[int, str] = {}  # place to the name that it went down with

    def take(self, event: pygame.event.Event) -> list[KeyEvent]:
        """Return what a KEYDOWN or KEYUP means to a session."""
        if event.type == pygame.KEYUP:
            name = self._down.pop(event.scancode, None)
            return [] if name is None else [KeyEvent(name, down=False)]
        name = key_name(event.key, event.scancode)
        if name is None or event.scancode in self._down:
            return []
        self._down[event.scancode] = name
        return [KeyEvent(name)]

    def release_all(self) -> list[KeyEvent]:
        """Let go of everything: the window has lost the keyboard, or a menu has taken it."""
        names = [*self._down.values()]
        self._down.clear()
        return [KeyEvent(name, down=False) for name in names]
