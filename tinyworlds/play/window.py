"""The play window: OpenCV, 512 x 512, held keys.

It shows what a session gives it and reports keys; it knows nothing of worlds. OpenCV ends the whole process
where it cannot open a window, so `require_display` finds out beforehand.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Sequence

import cv2

from tinyworlds.errors import DisplayError
from tinyworlds.keys import USUAL_COMMANDS, Command, KeyEvent, KeyHint
from tinyworlds.play.held_keys import HeldKeys, system_is_down
from tinyworlds.play.overlay import WINDOW_PX, draw, hint_lines
from tinyworlds.play.view import PlayFrame

_REMEDY = "play without one: --headless --keys 'w*10 d*20' --out clip.mp4"

# Key codes of cv2.waitKeyEx: X11 (Qt and GTK), Windows, macOS.
_ARROWS = {
    "left": (65361, 2424832, 63234),
    "up": (65362, 2490368, 63232),
    "right": (65363, 2555904, 63235),
    "down": (65364, 2621440, 63233),
}
_KEY_NAMES = {code: name for name, codes in _ARROWS.items() for code in codes}
_KEY_NAMES |= {32: "space", 27: "esc", 13: "enter", 10: "enter", 9: "tab", 46: "."}
_KEY_NAMES |= dict.fromkeys((8, 127, 65288), "backspace")  # macOS sends delete


def key_name(code: int) -> str | None:
    """Return our name for a code of ``cv2.waitKeyEx``, or None for a key that has none."""
    low = code & 0xFFFF  # GTK sets higher bits for Num Lock and the like
    if name := _KEY_NAMES.get(code) or _KEY_NAMES.get(low):
        return name
    if code < 0 or low > 0xFF:  # other special keys; their low byte would read as some letter
        return None
    character = chr(low).lower()
    return character if character.isascii() and character.isalnum() else None


def has_display() -> bool:
    """Whether this machine seems to have a display; quick, and sure only when it says no."""
    if sys.platform.startswith(("win", "darwin")):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def require_display() -> None:
    """Make sure that a window can be opened.

    Raises:
        DisplayError: there is no display, it does not answer, or this OpenCV has no windows.
    """
    if not has_display():
        raise DisplayError(f"no display to open a window on (DISPLAY is not set): {_REMEDY}")
    if (
        "GUI:" in (build := cv2.getBuildInformation())
        and "NONE" in build.split("GUI:", 1)[1].split("\n", 1)[0]
    ):
        raise DisplayError(
            "this OpenCV has no windows (opencv-python-headless took the place of opencv-python): "
            "pip uninstall -y opencv-python-headless && pip install --force-reinstall opencv-python"
        )
    if sys.platform.startswith("linux"):
        system_is_down()  # stays connected: some X servers start anew, or end, when their last client leaves
        # A display that does not answer makes OpenCV abort the process; let that happen to a child.
        probe = "import cv2; cv2.namedWindow('probe'); cv2.destroyAllWindows()"
        done = subprocess.run(
            [sys.executable, "-c", probe], capture_output=True, env=_quiet_qt(), check=False
        )
        if done.returncode != 0:
            display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
            raise DisplayError(f"the display {display} does not open a window: {_REMEDY}")


class Window:
    """A window that shows frames and reports keys (a `View` of the session).

    Args:
        title: of the window.
        hints: the game's keys, shown at the bottom beside the session's commands.
        num_actions: how many actions the digits can choose from.
        notes: what else a player should know, shown behind the keys.
        smooth: cubic instead of nearest-neighbour enlargement.
        commands: the session's.

    Raises:
        DisplayError: no window can be opened here.
    """

    def __init__(
        self,
        title: str,
        hints: Sequence[KeyHint] = (),
        num_actions: int = 0,
        notes: Sequence[str] = (),
        smooth: bool = False,
        commands: Sequence[Command] = USUAL_COMMANDS,
    ) -> None:
        require_display()
        os.environ.update(_quiet_qt())
        _let_qt_read_its_events()
        self.title, self.smooth = title, smooth
        self._commands = commands
        self._hints = hint_lines(hints, num_actions, notes, commands)
        self._keys = HeldKeys(system_is_down())
        self._presses: list[str] = []
        try:
            cv2.namedWindow(title, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)
        except cv2.error as error:
            raise DisplayError(f"OpenCV cannot open a window ({error.err}): {_REMEDY}") from None
        self._shown = False

    def show(self, frame: PlayFrame) -> None:
        """Show a frame."""
        picture = draw(frame, self._hints, WINDOW_PX, self.smooth, self._commands)
        cv2.imshow(self.title, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        self._shown = True

    def poll(self) -> list[KeyEvent]:
        """Return the key events since the last call; closing the window counts as Esc."""
        self._pump(1)
        events = self._keys.update(self._presses)
        self._presses.clear()
        if self._shown and self._closed():
            events.append(KeyEvent("esc"))
        return events

    def wait(self, seconds: float) -> None:
        """Let time pass while the window goes on to be drawn and keys are collected."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0.001:
            self._pump(min(int(left * 1000), 10) or 1)

    def close(self) -> None:
        """Close the window."""
        cv2.destroyAllWindows()

    def _pump(self, milliseconds: int) -> None:
        if (name := key_name(cv2.waitKeyEx(milliseconds))) is not None:
            self._presses.append(name)

    def _closed(self) -> bool:
        try:
            return cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) < 1
        except cv2.error:  # some toolkits raise for a window that is gone
            return True


def _quiet_qt() -> dict[str, str]:
    """The environment with Qt's font warnings switched off."""
    return {"QT_LOGGING_RULES": "*.warning=false", **os.environ}


def _let_qt_read_its_events() -> None:
    """Keep libX11 from taking events away from OpenCV's Qt, whose window then stays black.

    Qt calls ``XSetEventQueueOwner`` for that. OpenCV's wheel brings an old libX11-xcb, which writes the owner
    to where the system's libX11 (1.8) no longer looks; the system's own one, loaded first, is found first.
    """
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError):  # not installed: as good as without
            ctypes.CDLL("libX11-xcb.so.1", mode=ctypes.RTLD_GLOBAL)
