"""Black bars: which part of the pictures ever shows anything, decided once for all videos of one shape.

A game on a black ground leaves parts of the screen black for as long as nobody goes there. So what is lit is
joined over all videos of a shape, and only what is made like bars counts as bars.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from tinyworlds.media.shrinker import Crop, Shrinker, kind_of
from tinyworlds.sources.ingest.reader import Picture, Reader

_NUM_SAMPLES = 24
_SHORT_S = 60.0  # shorter videos have too few places to jump to
_BLACK = 32  # compression leaves some noise in a black bar
_SPECKS = 0.01  # share of a line that may be brighter
_LEAST_BAR = 0.01  # narrower bars, as share of the picture, are left alone
_LEAST_PX = 16
_UNEVEN, _UNEVEN_PX = 0.01, 2  # that two bars of one thickness may differ by
_SAME_SHAPE = 0.015  # that two ratios of width and height may differ by
# share of a game's outermost lines that is lit now and then; sprites on black light less
_EDGE, _EDGE_OF_EVEN = 0.5, 0.3
_BLUR_PX = 3  # compression makes the edge of a bar so soft
_RATIOS = (4 / 3, 16 / 9, 16 / 10, 3 / 2, 5 / 4, 1.0, 10 / 9, 8 / 7, 21 / 9)  # of width and height of screens

Box = tuple[float, float, float, float]
"""Left, top, right and bottom edge of a part of a picture, as shares of its width and height."""


@dataclass(frozen=True)
class Lit:
    """What was lit in some pictures of one size.

    Attributes:
        width: of the upright pictures in pixels.
        height: of the upright pictures in pixels.
        ratio: of width and height as they are shown.
        rows: share of each row that was ever lit, float [height].
        columns: share of each column that was ever lit, float [width].
    """

    width: int
    height: int
    ratio: float
    rows: np.ndarray
    columns: np.ndarray

    def to(self, width: int, height: int) -> Lit:
        """Return the same as of pictures of another size."""
        rows, columns = (
            lit[np.arange(wanted) * len(lit) // wanted]
            for lit, wanted in ((self.rows, height), (self.columns, width))
        )
        return Lit(width, height, self.ratio, rows, columns)

    def joined(self, other: Lit) -> Lit:
        """Return what was lit in either, at the size of the larger one."""
        width, height = max((self.width, self.height), (other.width, other.height))
        one, two = self.to(width, height), other.to(width, height)
        rows, columns = np.maximum(one.rows, two.rows), np.maximum(one.columns, two.columns)
        return Lit(width, height, self.ratio, rows, columns)

    def within_bars(self) -> Box | None:
        """Return the part within the black bars, or None if there are none.

        Bars of equal thickness face each other; others are believed if what is left has the shape of a screen
        and is lit up to its edges.
        """
        top, bottom = _extent(self.rows > _SPECKS)
        left, right = _extent(self.columns * self.height / (bottom - top) > _SPECKS)
        if not self._is_screen(left, top, right, bottom):
            rows, columns = (
                self.rows * self.width / (right - left),
                self.columns * self.height / (bottom - top),
            )
            left, right = (left, right) if _is_even(left, right, columns) else (0, self.width)
            top, bottom = (top, bottom) if _is_even(top, bottom, rows) else (0, self.height)
        bars = (left / self.width, 1 - right / self.width, top / self.height, 1 - bottom / self.height)
        if max(bars) < _LEAST_BAR or min(right - left, bottom - top) < _LEAST_PX:
            return None
        return left / self.width, top / self.height, right / self.width, bottom / self.height

    def _is_screen(self, left: int, top: int, right: int, bottom: int) -> bool:
        width, height = right - left, bottom - top
        ratio = self.ratio * width / self.width * self.height / height
        if not any(_same_shape(ratio, known) or _same_shape(ratio, 1 / known) for known in _RATIOS):
            return False
        rows, columns = self.rows * self.width / width, self.columns * self.height / height
        return min(_edge(columns, left, right), _edge(rows, top, bottom)) >= _EDGE


@dataclass(frozen=True)
class Crops:
    """The part to keep of the pictures of each size.

    Attributes:
        boxes: width, height and ratio of pictures, and the part of them; None keeps all.
    """

    boxes: tuple[tuple[int, int, float, Box | None], ...] = ()

    def of(self, width: int, height: int) -> Crop | None:
        """Return the part to keep of upright pictures of a size, by that of the nearest size of its shape."""
        box = self.box(width, height, width / height)
        if box is None:
            return None
        left, top, right, bottom = (
            round(edge * side) for edge, side in zip(box, (width, height) * 2, strict=True)
        )
        return (left, top, right - left, bottom - top) if min(right - left, bottom - top) > 0 else None

    def box(self, width: int, height: int, ratio: float) -> Box | None:
        """Return the part for pictures of this size, or else of this shape."""
        known = self._find(width, height, ratio)
        return known[3] if known else None

    def knows(self, lit: Lit) -> bool:
        """Return whether pictures of this size or shape are among them."""
        return self._find(lit.width, lit.height, lit.ratio) is not None

    def _find(self, width: int, height: int, ratio: float) -> tuple[int, int, float, Box | None] | None:
        same_size = [known for known in self.boxes if known[:2] == (width, height)]
        same_shape = [known for known in self.boxes if _same_shape(known[2], ratio)]
        return next(iter(same_size or same_shape), None)

    def as_json(self) -> list[list[Any]]:
        """Return `boxes` as JSON gives them back."""
        return [
            [width, height, ratio, list(box) if box else None] for width, height, ratio, box in self.boxes
        ]

    @classmethod
    def from_json(cls, values: Iterable[Sequence[Any]]) -> Crops:
        """Read back what JSON made of `boxes`."""
        return cls(tuple((w, h, ratio, tuple(box) if box else None) for w, h, ratio, box in values))


def common_crops(looks: Iterable[Lit], known: Crops | None = None) -> Crops:
    """Return one part to keep for all pictures of one shape; what is `known` already stays."""
    crops = known or Crops()
    groups: list[list[Lit]] = []
    for lit in looks:
        if not crops.knows(lit):
            group = next((group for group in groups if _same_shape(group[0].ratio, lit.ratio)), None)
            groups.append([lit]) if group is None else group.append(lit)
    boxes = list(crops.boxes)
    for group in groups:
        joined = group[0]
        for lit in group[1:]:
            joined = joined.joined(lit)
        box = joined.within_bars()
        sizes = dict.fromkeys((lit.width, lit.height, lit.ratio) for lit in group)
        boxes += [(*size, box) for size in sizes]
    return Crops(tuple(boxes))


def look(video: Reader, start_s: float = 0.0) -> list[Lit]:
    """Return what is lit in some two dozen pictures spread over a video, for each size it has."""
    brightest: dict[tuple[int, int], np.ndarray] = {}
    shrink: Shrinker | None = None
    for picture in _samples(video, start_s):
        if shrink is None or kind_of(picture.frame) != shrink.kind:
            shrink = Shrinker(picture.frame, size=None)
        bright = shrink(picture.frame).max(-1)
        size = bright.shape[1], bright.shape[0]
        brightest[size] = np.maximum(brightest[size], bright) if size in brightest else bright
    return [_lit(bright > _BLACK, video.pixel_aspect) for bright in brightest.values()]


def _lit(lit: np.ndarray, pixel_aspect: float) -> Lit:
    height, width = lit.shape
    return Lit(width, height, width / height * pixel_aspect, lit.mean(1), lit.mean(0))


def _samples(video: Reader, start_s: float) -> Iterator[Picture]:
    length = _SHORT_S if video.length_s is None else video.length_s - start_s
    if length > _SHORT_S:
        for i in range(_NUM_SAMPLES):
            yield from islice(video.pictures(start_s + length * i / _NUM_SAMPLES), 1)
        return
    step = max(1, int(max(length, 1.0) * video.rate / _NUM_SAMPLES))
    later = (picture for picture in video.pictures(start_s) if picture.time >= start_s)
    yield from islice(later, 0, step * _NUM_SAMPLES, step)


def _extent(lit: np.ndarray) -> tuple[int, int]:
    places = np.flatnonzero(lit)
    return (int(places[0]), int(places[-1]) + 1) if len(places) else (0, len(lit))


def _is_even(first: int, end: int, lit: np.ndarray) -> bool:
    """Whether bars as thick as each other lie before and after a part, which is lit up to its edges."""
    apart = abs(first - (len(lit) - end))
    return apart <= max(_UNEVEN_PX, _UNEVEN * len(lit)) and _edge(lit, first, end) >= _EDGE_OF_EVEN


def _edge(lit: np.ndarray, first: int, end: int) -> float:
    """How much of the outermost lines of a part is lit, of the edge that is lit less."""
    return float(min(lit[first : first + _BLUR_PX].max(), lit[max(0, end - _BLUR_PX) : end].max()))


def _same_shape(ratio: float, other: float) -> bool:
    return abs(ratio / other - 1) < _SAME_SHAPE


def differences(name: str, looks: Iterable[Lit], crops: Crops) -> list[str]:
    """Return a line for each size of a video's pictures that alone would have been cut in another way."""
    notes = []
    for lit in looks:
        alone, common = lit.within_bars(), crops.box(lit.width, lit.height, lit.ratio)
        whole = (0.0, 0.0, 1.0, 1.0)
        apart = max(abs(a - b) for a, b in zip(alone or whole, common or whole, strict=True))
        if apart > _UNEVEN + 1 / lit.width + 1 / lit.height:
            notes.append(
                f"{name} is {_told(common, lit)}, like the other videos of its shape; alone it would be "
                f"{_told(alone, lit)}: --crop none keeps all, --crop left,top,width,height what you say"
            )
    return notes


def _told(box: Box | None, lit: Lit) -> str:
    if box is None:
        return "kept whole"
    left, top, right, bottom = (
        round(edge * side) for edge, side in zip(box, (lit.width, lit.height) * 2, strict=True)
    )
    return f"cut to {right - left}x{bottom - top} at {left},{top}"
