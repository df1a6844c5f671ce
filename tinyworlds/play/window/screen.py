"""Draws what is said around the pictures: panel, captions, help, first hint, menu."""

from __future__ import annotations

import pygame

from tinyworlds.play.view import PlayFrame
from tinyworlds.play.window.hud import Hud, Line
from tinyworlds.play.window.layout import Box, Layout, Shape
from tinyworlds.play.window.menu import Menu
from tinyworlds.play.window.typesetting import PAPER, TONES, Typesetter

_TEXT_PX = 14  # on a desktop of usual height
_USUAL_DESKTOP_PX = 1080
_PANEL_EMS = 18  # width of the panel in heights of a letter
_PANEL_LINES = (18, 9)  # height of the panel where it stands below, in one column and in several
_MENU_EMS = 22
_SHADE = (8, 10, 14, 190)
_MARK = (48, 60, 84)


class Screen:
    """What stands around the pictures.

    Args:
        hud: what there is to say.

    Attributes:
        has_panel: whether the panel is shown.
    """

    def __init__(self, hud: Hud) -> None:
        self.has_panel = True
        self._hud = hud
        scale = max(pygame.display.get_desktop_sizes()[0][1] / _USUAL_DESKTOP_PX, 1.0)
        self._text = Typesetter(round(_TEXT_PX * scale))
        self._rows: list[Box] = []  # of the menu's entries, as drawn last

    def shape(
        self, picture: tuple[int, int], num_pictures: int, has_caption: bool, window_width: int
    ) -> Shape:
        """What is to be laid out around pictures of (width, height)."""
        em, line = self._text.margin_px, self._text.line_px
        lines = _PANEL_LINES[window_width >= 2 * _PANEL_EMS * em]
        panel = (_PANEL_EMS * em, lines * line) if self.has_panel else (0, 0)
        return Shape(picture, num_pictures, panel, line + em // 2 if has_caption else 0, em // 2)

    def begin(self, surface: pygame.Surface) -> None:
        """Clear the window."""
        surface.fill(PAPER)

    def caption(self, surface: pygame.Surface, text: str, box: Box) -> None:
        """Write what a picture is above it."""
        line = self._text.wrap(text, box.width)[0]
        left = box.left + (box.width - self._text.width(line)) // 2
        self._text.write(surface, line, (left, box.top + self._text.margin_px // 4), "bright")

    def say(self, surface: pygame.Surface, frame: PlayFrame, layout: Layout, hint: bool) -> None:
        """Write the panel, or what must be seen without one; help and the first hint over the pictures."""
        first, last = layout.pictures[0], layout.pictures[-1]
        pictures = Box(first.left, first.top, last.left + last.width - first.left, first.height)
        if layout.panel is not None:
            self._panel(surface, frame, layout.panel)
        told = [] if layout.panel is not None else self._urgent(frame)
        if hint and not frame.help:
            told = [*told, Line(self._hud.first_hint(), "plain")]
        if told:
            self._text.plate(surface, told, pictures, at_bottom=True)
        if frame.help:
            width, height = surface.get_size()
            room = Box(0, 0, width, height) if layout.panel is None else pictures
            self._text.plate(surface, self._hud.help(), room)

    def _urgent(self, frame: PlayFrame) -> list[Line]:
        message = [Line(frame.message, "bright")] if frame.message else []
        return [*self._hud.states(frame), *message]

    def _panel(self, surface: pygame.Surface, frame: PlayFrame, box: Box) -> None:
        """Blocks of lines from the top down, in columns where the panel is wide."""
        em, line = self._text.margin_px, self._text.line_px
        blocks = [[Line(self._hud.title, "title")], self._hud.keys(frame.action), self._hud.figures(frame)]
        blocks += [self._urgent(frame)]
        foot = self._hud.footer()
        column = Box(
            box.left + em, box.top + em // 2, min(box.width, _PANEL_EMS * em) - 2 * em, box.height - em
        )
        columns = max(box.width // (_PANEL_EMS * em), 1)
        if columns == 1:
            height = self._text.height(foot, column.width)
            upper = Box(column.left, column.top, column.width, column.height - height - line)
            self._flow(surface, blocks, upper)
            lower = column.top + column.height - height
            self._text.column(surface, foot, Box(column.left, lower, column.width, height))
            return
        parts = [blocks[:2], [*blocks[2:], foot]] if columns == 2 else [blocks[:2], blocks[2:], [foot]]
        for number, part in enumerate(parts):
            left = column.left + number * _PANEL_EMS * em
            self._flow(surface, part, Box(left, column.top, column.width, column.height))

    def _flow(self, surface: pygame.Surface, blocks: list[list[Line]], box: Box) -> None:
        top = box.top
        for block in filter(None, blocks):
            left = box.height - (top - box.top)
            top = self._text.column(surface, block, Box(box.left, top, box.width, left))
            top += self._text.line_px // 2

    def menu(self, surface: pygame.Surface, menu: Menu) -> None:
        """Draw the menu over everything."""
        em, line = self._text.margin_px, self._text.line_px
        width, height = surface.get_size()
        shade = pygame.Surface((width, height), pygame.SRCALPHA)
        shade.fill(_SHADE)
        surface.blit(shade, (0, 0))
        row = line + em // 2
        wide = min(_MENU_EMS * em, width - 2 * em)
        left, top = (width - wide) // 2, max((height - row * (len(menu.entries) + 1)) // 2, 0)
        self._text.write(surface, menu.title, (left + em, top), "bright")
        self._rows = []
        for number, entry in enumerate(menu.entries):
            box = Box(left, top + row * (number + 1), wide, row)
            self._rows.append(box)
            if number == menu.selected:
                surface.fill(_MARK, box)
                surface.fill(TONES["bright"], Box(box.left, box.top, max(em // 5, 2), box.height))
            text = self._text.wrap(entry.text, wide - 2 * em)[0]
            self._text.write(surface, text, (left + em, box.top + em // 4))

    def entry_at(self, place: tuple[int, int]) -> int | None:
        """Which entry of the menu a place in the window belongs to; None for none."""
        return next((number for number, box in enumerate(self._rows) if box.holds(place)), None)
