"""Whether this machine can open a window, found out before anything slow happens.

SDL says no where there is no display, in an exception, within milliseconds.
"""

from __future__ import annotations

import os
import sys

from tinyworlds.errors import DisplayError

_REMEDY = "play without one: --headless --keys 'w*10 d*20' --out clip.mp4"
_NO_PICTURES = ("dummy", "offscreen")
"""Drivers of SDL that draw into memory; games that run here may have asked for one (SDL_VIDEODRIVER)."""


def has_display() -> bool:
    """Whether this machine seems to have a display; quick, and sure only when it says no."""
    if sys.platform.startswith(("win", "darwin")):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def require_display() -> None:
    """Make sure that a window can be opened; SDL's video stays on.

    Raises:
        DisplayError: there is no display, or it does not answer.
    """
    if not has_display():
        raise DisplayError(f"no display to open a window on (DISPLAY is not set): {_REMEDY}")
    import pygame

    named = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or "of this machine"
    try:
        pygame.display.init()
    except pygame.error as error:
        raise DisplayError(f"the display {named} does not open a window ({error}): {_REMEDY}") from None
    driver = pygame.display.get_driver()
    if driver in _NO_PICTURES and os.environ.get("SDL_VIDEODRIVER") != driver:  # SDL's last resort
        pygame.display.quit()
        raise DisplayError(f"the display {named} does not open a window: {_REMEDY}")
