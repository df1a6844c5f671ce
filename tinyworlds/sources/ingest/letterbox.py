"""Black bars: which part of a video's picture ever shows anything."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np

from tinyworlds.sources.ingest.picture import Shrinker
from tinyworlds.sources.ingest.reader import Picture, VideoReader
from tinyworlds.sources.ingest.settings import Crop

_NUM_SAMPLES = 24
_SHORT_S = 60.0  # shorter videos have too few places to jump to
_BLACK = 32  # compression leaves some noise in a black bar
_SPECKS = 0.01  # share of a line that may be brighter
_LEAST_BAR = 0.01  # narrower bars, as share of the picture, are left alone
_LEAST_PX = 16


def find_crop(video: VideoReader, start_s: float = 0.0) -> Crop | None:
    """Return the part of the upright pictures within the black bars, or None if there are none.

    A line of pixels is part of a bar if it stays black in all of some two dozen pictures spread over the
    video, from `start_s` seconds on.
    """
    brightest: np.ndarray | None = None
    shrink: Shrinker | None = None
    for picture in _samples(video, start_s):
        shrink = shrink or Shrinker(picture.frame, size=None)
        bright = shrink(picture.frame).max(-1)
        brightest = bright if brightest is None else np.maximum(brightest, bright)
    return None if brightest is None else _box(brightest > _BLACK)


def _samples(video: VideoReader, start_s: float) -> Iterator[Picture]:
    length = (video.duration_s or 0.0) - start_s
    if length > _SHORT_S:
        for i in range(_NUM_SAMPLES):
            yield from islice(video.pictures(start_s + length * i / _NUM_SAMPLES), 1)
        return
    step = max(1, int(max(length, 1.0) * video.rate / _NUM_SAMPLES))
    later = (picture for picture in video.pictures(start_s) if picture.time >= start_s)
    yield from islice(later, 0, step * _NUM_SAMPLES, step)


def _box(lit: np.ndarray) -> Crop | None:
    """The part of bool [H, W] within the dark lines at its borders."""
    height, width = lit.shape
    top, bottom = _extent(lit.mean(1) > _SPECKS)
    left, right = _extent(lit[top:bottom].mean(0) > _SPECKS)
    bars = (left / width, 1 - right / width, top / height, 1 - bottom / height)
    if max(bars) < _LEAST_BAR or min(right - left, bottom - top) < _LEAST_PX:
        return None
    return left, top, right - left, bottom - top


def _extent(lit: np.ndarray) -> tuple[int, int]:
    places = np.flatnonzero(lit)
    return (int(places[0]), int(places[-1]) + 1) if len(places) else (0, len(lit))
