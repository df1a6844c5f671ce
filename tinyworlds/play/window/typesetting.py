"""Text in the window: one font, lines that wrap, two columns for keys and what they do."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pygame

from tinyworlds.play.window.hud import Line, Tone
from tinyworlds.play.window.layout import Box

PAPER, INK = (18, 20, 26), (236, 238, 242)
TONES: dict[Tone, tuple[int, int, int]] = {
    "plain": INK, "title": (255, 255, 255), "quiet": (168, 174, 186), "bright": (255, 214, 90),
    "alarm": (255, 110, 100), "pressed": (120, 220, 150),
}  # fmt: skip
_KEPT = 400  # rendered lines; a new frame number every frame would fill the memory


class Typesetter:
    """Draws lines of text.

    Args:
        size: height of the letters in pixels.
    """

    def __init__(self, size: int) -> None:
        pygame.font.init()
        self._font = pygame.font.Font(_font_file(), size)
        self._kept: dict[tuple[str, Tone], pygame.Surface] = {}
        self.line_px = round(self._font.get_linesize() * 1.15)
        self.margin_px = size

    def width(self, text: str) -> int:
        """Width of a line in pixels."""
        return self._font.size(text)[0]

    def wrap(self, text: str, width: int) -> list[str]:
        """Break a text into lines of at most `width` pixels; words that are longer are cut."""
        lines = [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            if self.width(longer) <= width:
                lines[-1] = longer
                continue
            while self.width(word) > width and len(word) > 1:
                word = word[:-2] + "…" if word.endswith("…") else word[:-1] + "…"
            lines.append(word)
        return [line for line in lines if line] or [""]

    def column(self, surface: pygame.Surface, lines: Sequence[Line], box: Box) -> int:
        """Write lines from the top of a box down; return where the next one would stand.

        Lines beyond its lower edge are left out.
        """
        indent = min(self._indent(lines), box.width // 2)
        top = box.top
        for line in lines:
            left = indent if line.key else 0
            wrapped = self.wrap(line.text, max(box.width - left, 1))
            if top + self.line_px * len(wrapped) > box.top + box.height:
                break
            if line.key:
                key = self.wrap(line.key, indent - self.margin_px // 2)[0]
                self.write(surface, key, (box.left, top), "bright")
            for text in wrapped:
                self.write(surface, text, (box.left + left, top), line.tone)
                top += self.line_px
        return top

    def height(self, lines: Sequence[Line], width: int) -> int:
        """How many pixels `column` takes for lines in a box of this width."""
        indent = min(self._indent(lines), width // 2)
        rows = (len(self.wrap(line.text, max(width - (indent if line.key else 0), 1))) for line in lines)
        return sum(rows) * self.line_px

    def write(self, surface: pygame.Surface, text: str, place: tuple[int, int], tone: Tone = "plain") -> None:
        """Write one line."""
        if len(self._kept) > _KEPT:
            self._kept.clear()
        drawn = self._kept.get((text, tone))
        if drawn is None:
            drawn = self._font.render(text.replace("\0", ""), True, TONES[tone])
            self._kept[text, tone] = drawn
        surface.blit(drawn, place)

    def plate(
        self, surface: pygame.Surface, lines: Sequence[Line], box: Box, at_bottom: bool = False
    ) -> None:
        """Write lines on a dark plate in the middle of a box, or at its bottom: readable on any picture."""
        inner = max(min(box.width - 2 * self.margin_px, 46 * self.margin_px), 1)
        width = min(inner, max(self._wanted(lines), 1))
        height = min(self.height(lines, width), max(box.height - self.margin_px, self.line_px))
        left, room = box.left + (box.width - width) // 2, box.height - height
        top = box.top + (max(room - self.margin_px, 0) if at_bottom else room // 2)
        shade = pygame.Surface((width + 2 * self.margin_px, height + self.margin_px), pygame.SRCALPHA)
        shade.fill((*PAPER, 225))
        surface.blit(shade, (left - self.margin_px, top - self.margin_px // 2))
        self.column(surface, lines, Box(left, top, width, height))

    def _indent(self, lines: Sequence[Line]) -> int:
        """Width of the column of keys; 0 without any."""
        keys = max((self.width(line.key) for line in lines if line.key), default=0)
        return keys + self.margin_px if keys else 0

    def _wanted(self, lines: Sequence[Line]) -> int:
        indent = self._indent(lines)
        return max((self.width(line.text) + (indent if line.key else 0) for line in lines), default=0)


def _font_file() -> str | None:
    """DejaVu Sans as Matplotlib brings it, which knows most alphabets; pygame's own otherwise."""
    found = find_spec("matplotlib")
    for folder in (found.submodule_search_locations or ()) if found else ():
        if (file := Path(folder, "mpl-data", "fonts", "ttf", "DejaVuSans.ttf")).is_file():
            return str(file)
    return None
