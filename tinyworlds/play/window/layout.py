"""Where things stand in a window of any size: pictures in whole multiples, the panel beside or below them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Box(NamedTuple):
    """A rectangle in pixels of the window."""

    left: int
    top: int
    width: int
    height: int

    def holds(self, place: tuple[int, int]) -> bool:
        """Whether a place (x, y) lies in it."""
        x, y = place
        return 0 <= x - self.left < self.width and 0 <= y - self.top < self.height


@dataclass(frozen=True)
class Shape:
    """What is to be laid out.

    Attributes:
        picture: width and height of one picture, in its own pixels.
        num_pictures: 1, or 2 side by side.
        panel: width of the panel where it stands to the right, height where it stands below; (0, 0) for none.
        caption: height of the line above each picture; 0 for none.
        gap: between pictures.
    """

    picture: tuple[int, int]
    num_pictures: int = 1
    panel: tuple[int, int] = (0, 0)
    caption: int = 0
    gap: int = 0

    def size(self, multiple: int) -> tuple[int, int]:
        """Width and height of a window with the panel to the right."""
        width, height = self._pictures(multiple)
        return width + self.panel[0], height + self.caption

    def multiple_within(self, width: int, height: int) -> float:
        """The largest whole multiple of the pictures that fits; below 1 a fraction."""
        gaps = self.gap * (self.num_pictures - 1)
        across = (width - gaps) / (self.picture[0] * self.num_pictures)
        fits = min(across, (height - self.caption) / self.picture[1])
        return float(int(fits)) if fits >= 1 else max(fits, 1 / min(self.picture))

    def _pictures(self, multiple: float) -> tuple[int, int]:
        width, height = (max(round(side * multiple), 1) for side in self.picture)
        return width * self.num_pictures + self.gap * (self.num_pictures - 1), height


@dataclass(frozen=True)
class Layout:
    """Where the pictures, their captions and the panel stand; `panel` is None where there is none."""

    pictures: tuple[Box, ...]
    captions: tuple[Box, ...]
    panel: Box | None


def lay_out(shape: Shape, window: tuple[int, int]) -> Layout:
    """Return the layout with the largest pictures: the panel to the right, or below where that is larger.

    Where the panel would make the picture less than half as large, it is left out.
    """
    width, height = window
    beside, below = shape.panel
    right = shape.multiple_within(width - beside, height)
    under = shape.multiple_within(width, height - below)
    alone = shape.multiple_within(width, height)
    if not beside or max(right, under) < alone / 2:  # no room for a panel
        return _placed(shape, alone, Box(0, 0, width, height), None)
    if right >= under:
        panel = Box(width - beside, 0, beside, height)
        return _placed(shape, right, Box(0, 0, max(width - beside, 1), height), panel)
    panel = Box(0, height - below, width, below)
    return _placed(shape, under, Box(0, 0, width, max(height - below, 1)), panel)


def _placed(shape: Shape, multiple: float, room: Box, panel: Box | None) -> Layout:
    """The pictures in the middle of the room that is left for them."""
    whole, height = shape._pictures(multiple)
    each = (whole - shape.gap * (shape.num_pictures - 1)) // shape.num_pictures
    left = room.left + max((room.width - whole) // 2, 0)
    top = room.top + max((room.height - height - shape.caption) // 2, 0)
    lefts = [left + number * (each + shape.gap) for number in range(shape.num_pictures)]
    captions = tuple(Box(x, top, each, shape.caption) for x in lefts) if shape.caption else ()
    return Layout(tuple(Box(x, top + shape.caption, each, height) for x in lefts), captions, panel)
