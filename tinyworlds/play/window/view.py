"""The play window: pictures in whole multiples, a panel beside them, keys and pads, a menu behind Esc.

It shows what a session gives it and reports keys; it knows nothing of worlds.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pygame

from tinyworlds.errors import DisplayError
from tinyworlds.keys import USUAL_COMMANDS, Command, KeyEvent, KeyHint, normalise_key
from tinyworlds.play.view import PlayFrame
from tinyworlds.play.window.display import require_display
from tinyworlds.play.window.gamepad import Gamepads
from tinyworlds.play.window.hud import Hud
from tinyworlds.play.window.keyboard import Keyboard
from tinyworlds.play.window.layout import Box, Shape, lay_out
from tinyworlds.play.window.menu import ANEW, FULLSCREEN, QUIT, Menu
from tinyworlds.play.window.screen import Screen

if TYPE_CHECKING:
    from tinyworlds.play.side_by_side import SideBySide

PICTURE_PX, PICTURE_SHARE = 512, 0.6
"""About the larger side of a picture in a new window: pixels, or this share of a larger desktop's height."""
_LEAST = (240, 180)
_DESKTOP_SHARE = 0.92  # of the desktop that a new window takes at most: there are bars and borders
_LOOK_S = 0.004  # how often events are collected while time passes
_HINT_S, _HINT_AFTER_KEY_S = 12.0, 3.0
_KEYS = (pygame.KEYDOWN, pygame.KEYUP)
_REDRAWN = (pygame.WINDOWSIZECHANGED, pygame.WINDOWEXPOSED)
_CLOSED = (pygame.QUIT, pygame.WINDOWCLOSE)


class Window:
    """A window that shows frames and reports keys (a `View` of the session).

    Args:
        title: of the window and the panel.
        hints: the game's keys.
        num_actions: how many actions the digits can choose from.
        notes: what else a player should know.
        smooth: cubic instead of nearest-neighbour enlargement.
        commands: the session's.
        fullscreen: whether to begin so.
        menu: whether Esc opens a menu; without, it means what `commands` say.
        worlds: name to path of other worlds, for the menu.
        pair: the two worlds that are played as one, if so; their pictures are shown apart.

    Attributes:
        next_world: the path that the player chose in the menu; None while none is.
        fullscreen: whether it fills the screen now.

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
        fullscreen: bool = False,
        menu: bool = True,
        worlds: Mapping[str, Path] | None = None,
        pair: SideBySide | None = None,
    ) -> None:
        require_display()
        self.next_world: Path | None = None
        self.fullscreen = fullscreen
        self._title, self._smooth = title, smooth
        self._worlds = dict(worlds or {})
        self._has_menu, self._pair = menu, pair
        self._command_keys = {command.name: command.key for command in commands}
        self._screen = Screen(Hud(title, hints, num_actions, notes, commands, menu))
        self._keyboard = Keyboard()
        self._game_keys = {part for hint in hints for key in hint.keys for part in key.split("+")}
        arrows = {"left", "right", "up", "down"}
        buttons = [hint.keys[0] for hint in hints if not arrows & {*hint.keys}]
        self._pads = Gamepads([key for key in buttons if "+" not in key])
        self._events: list[KeyEvent] = []
        self._frame: PlayFrame | None = None
        self._window: pygame.Window | None = None
        self._fitted = (0, 0)  # the size that the window was given last
        self._num_pictures = 1
        self._menu: Menu | None = None
        self._asked = self._closing = False
        self._hint_until = 0.0

    def show(self, frame: PlayFrame) -> None:
        """Show a frame; the first one opens the window."""
        frame = frame if self._pair is None else self._pair.frame_apart(frame)
        self._frame = frame
        number = 1 if frame.truth is None else 2
        if self._window is None:
            self._open(frame)
        elif number != self._num_pictures:
            self._fit(frame)
        self._num_pictures = number
        self._draw()

    def poll(self) -> list[KeyEvent]:
        """Return the key events since the last call; where the menu was asked for, after it is closed."""
        self._collect()
        if self._asked:
            self._ask()
        events, self._events = self._events, []
        return events

    def wait(self, seconds: float) -> None:
        """Let time pass while the window goes on to be drawn and keys are collected."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self._collect()
            time.sleep(min(left, _LOOK_S))

    def close(self) -> None:
        """Close the window."""
        self._pads.close()
        if self._window is not None:
            self._window.destroy()
            self._window = None

    # The window.

    def _open(self, frame: PlayFrame) -> None:
        size = self._wanted_size(frame)
        pygame.event.clear()  # what a window before this one has left
        try:
            self._window = pygame.Window(
                self._title, size, resizable=True, fullscreen_desktop=self.fullscreen, allow_high_dpi=True
            )
        except pygame.error as error:
            raise DisplayError(f"no window can be opened ({error}): play with --browser") from None
        self._window.minimum_size = _LEAST
        self._fitted = self._window.size
        pygame.key.stop_text_input()  # or an input method takes the keys
        self._hint_until = time.perf_counter() + _HINT_S

    def _wanted_size(self, frame: PlayFrame) -> tuple[int, int]:
        desktop = pygame.display.get_desktop_sizes()[0]
        room = tuple(int(_DESKTOP_SHARE * side) for side in desktop)
        shape = self._shape(frame)
        multiple = max(int(max(PICTURE_PX, PICTURE_SHARE * desktop[1])) // max(shape.picture), 1)
        while multiple > 1 and any(a > b for a, b in zip(shape.size(multiple), room, strict=True)):
            multiple -= 1
        width, height = shape.size(multiple)
        return max(width, _LEAST[0]), max(height, _LEAST[1])

    def _fit(self, frame: PlayFrame) -> None:
        """Give the window the size that suits what is shown, unless a person chose another."""
        if self._window is not None and not self.fullscreen and self._window.size == self._fitted:
            self._window.size = self._wanted_size(frame)
            self._fitted = self._window.size

    def _shape(self, frame: PlayFrame) -> Shape:
        height, width = frame.image.shape[:2]
        number = 1 if frame.truth is None else 2
        has_caption = bool(frame.label) or number > 1
        window_width = 0 if self._window is None else self._window.get_surface().get_width()
        return self._screen.shape((width, height), number, has_caption, window_width)

    def _draw(self) -> None:
        frame, window = self._frame, self._window
        if frame is None or window is None:
            return
        surface = window.get_surface()
        layout = lay_out(self._shape(frame), surface.get_size())
        self._screen.begin(surface)
        captions = (frame.label or "dream", frame.truth_label)
        for picture, box in zip((frame.image, frame.truth), layout.pictures, strict=False):
            if picture is not None:
                self._paint(surface, picture, box)
        for text, box in zip(captions, layout.captions, strict=False):
            self._screen.caption(surface, text, box)
        hint = time.perf_counter() < self._hint_until and self._menu is None
        self._screen.say(surface, frame, layout, hint)
        if self._menu is not None:
            self._screen.menu(surface, self._menu)
        window.flip()

    def _paint(self, surface: pygame.Surface, picture: np.ndarray, box: Box) -> None:
        height, width = picture.shape[:2]
        factor = min(box.width / width, box.height / height)
        size = (max(round(width * factor), 1), max(round(height * factor), 1))
        how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC if self._smooth else cv2.INTER_NEAREST
        drawn = cv2.resize(np.ascontiguousarray(picture), size, interpolation=how)
        place = (box.left + (box.width - size[0]) // 2, box.top + (box.height - size[1]) // 2)
        surface.blit(pygame.image.frombuffer(drawn.tobytes(), size, "RGB"), place)

    def _toggle_fullscreen(self) -> None:
        if self._window is None:
            return
        self.fullscreen = not self.fullscreen
        if self.fullscreen:
            self._window.set_fullscreen(True)
        else:
            self._window.set_windowed()

    # What the player does.

    def _collect(self) -> None:
        for event in pygame.event.get():
            for change in self._changes(event):
                self._take(change)

    def _changes(self, event: pygame.event.Event) -> list[KeyEvent]:
        """What an event means in keys; what concerns the window alone is done."""
        if event.type in _CLOSED and getattr(event, "window", self._window) is self._window:
            self._closing = True
            return [KeyEvent(self._command_keys["quit"])]
        if event.type in _REDRAWN:
            self._draw()
        elif event.type == pygame.WINDOWFOCUSLOST:
            return self._keyboard.release_all() + self._pads.release_all()
        elif event.type == pygame.KEYDOWN and event.key == pygame.K_F11:
            self._toggle_fullscreen()
        elif event.type == pygame.KEYDOWN and event.key == pygame.K_F1:
            self._screen.has_panel = not self._screen.has_panel
            if self._frame is not None:
                self._fit(self._frame)
            self._draw()
        elif event.type in _KEYS:
            return self._keyboard.take(event)
        else:
            return self._pads.take(event)
        return []

    def _take(self, change: KeyEvent) -> None:
        if change.key == self._command_keys.get("quit") and self._has_menu and not self._closing:
            self._asked = self._asked or change.down
            return
        if change.down and change.key in self._game_keys:
            self._hint_until = min(self._hint_until, time.perf_counter() + _HINT_AFTER_KEY_S)
        self._events.append(change)

    def _ask(self) -> None:
        """Show the menu until something is chosen; meanwhile the session stands still."""
        self._asked = False
        for change in self._keyboard.release_all() + self._pads.release_all():
            self._take(change)
        self._menu = menu = Menu([*self._worlds])
        while menu.chosen is None and not self._closing:
            self._draw()
            for event in pygame.event.get():
                if event.type in (pygame.MOUSEMOTION, pygame.MOUSEBUTTONDOWN):
                    self._point(menu, event)
                key = self._pads.menu_key(event)
                pressed = [change.key for change in self._changes(event) if change.down]
                for name in [key] if key is not None else pressed:
                    menu.press(normalise_key(name))
            time.sleep(_LOOK_S)
        self._menu = None
        self._keyboard.release_all()
        self._pads.release_all()
        self._draw()
        self._do(menu)

    def _point(self, menu: Menu, event: pygame.event.Event) -> None:
        number = self._screen.entry_at(event.pos)
        if number is not None and number < len(menu.entries):
            menu.selected = number
            if event.type == pygame.MOUSEBUTTONDOWN:
                menu.choose(number)

    def _do(self, menu: Menu) -> None:
        """Do what was chosen; most of it by the keys that mean it to the session."""
        chosen = menu.chosen
        if chosen is not None and chosen.action == FULLSCREEN and not chosen.is_world:
            self._toggle_fullscreen()
            return
        name = None
        if self._closing or chosen is None or chosen.is_world or chosen.action == QUIT:
            name = "quit"
        elif chosen.action == ANEW:
            name = "reset"
        if chosen is not None and chosen.is_world:
            self.next_world = self._worlds[chosen.action]
        if name is not None:
            key = self._command_keys[name]
            self._events += [KeyEvent(key), KeyEvent(key, down=False)]
