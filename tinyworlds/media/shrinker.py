"""From a decoded picture to a stored frame: upright, cropped, averaged down, RGB, in one go of FFmpeg."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

import av
import numpy as np
from av.filter import Graph

from tinyworlds.errors import ConfigError, DataError

_UPRIGHT: dict[tuple[int, int, int, int], tuple[tuple[str, str], ...]] = {
    (1, 0, 0, 1): (),
    (-1, 0, 0, 1): (("hflip", ""),),
    (1, 0, 0, -1): (("vflip", ""),),
    (-1, 0, 0, -1): (("hflip", ""), ("vflip", "")),
    (0, 1, -1, 0): (("transpose", "clock"),),
    (0, -1, 1, 0): (("transpose", "cclock"),),
    (0, 1, 1, 0): (("transpose", "cclock_flip"),),
    (0, -1, -1, 0): (("transpose", "clock_flip"),),
}
"""Signs of the display matrix's four upper left numbers, and the filters that do what it asks for."""

_FULL_CHROMA = "flags=area+accurate_rnd+full_chroma_int+full_chroma_inp"


Crop = tuple[int, int, int, int]
"""Part of an upright picture in its pixels: left, top, width, height."""

Kind = tuple[int, int, str, tuple[int, int, int, int]]
"""Width, height and pixel format of a stored picture, and the signs of its display matrix."""


class Shrinker:
    """Makes frames of pictures that are all of the kind of the first one.

    Args:
        first: a decoded picture.
        size: height and width of the frames; None keeps the picture's own.
        crop: part of the upright picture to keep; None keeps all.

    Attributes:
        width: of the upright picture in pixels.
        height: of the upright picture in pixels.
        kind: of the pictures.

    Raises:
        ConfigError: the crop reaches outside the picture.
        DataError: the pixel format cannot be converted.
    """

    def __init__(self, first: av.VideoFrame, size: int | None, crop: Crop | None = None) -> None:
        self.kind = kind_of(first)
        turn = _UPRIGHT.get(self.kind[-1], ())
        self.width, self.height = upright_size(first)
        steps = [*turn]
        if any(part.is_alpha for part in first.format.components):  # shown on black, as players do
            steps = [("format", "gbrap"), ("premultiply", "inplace=1"), *turn]
        if crop is not None:
            steps.append(("crop", _crop_arguments(crop, self.width, self.height)))
        if size is not None:
            steps.append(("scale", f"{size}:{size}:{_FULL_CHROMA}"))
        self._graph = _graph(first, [*steps, ("format", "rgb24")])

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        """Return the frame of a picture, uint8 [size, size, 3]."""
        self._graph.push(frame)
        return self._graph.pull().to_ndarray()


def kind_of(frame: av.VideoFrame) -> Kind:
    """Return what pictures must have in common for one `Shrinker`."""
    return frame.width, frame.height, frame.format.name, _orientation(frame)


def upright_size(frame: av.VideoFrame) -> tuple[int, int]:
    """Return width and height of a picture as it is shown."""
    turned = any(name == "transpose" for name, _ in _UPRIGHT.get(kind_of(frame)[-1], ()))
    return (frame.height, frame.width) if turned else (frame.width, frame.height)


def _orientation(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """Signs of a, b, c, d of the display matrix, with which (x, y) is shown at (ax + cy, bx + dy)."""
    entries: Iterable[Any] = frame.side_data  # PyAV's types take it for a mapping of names
    for entry in entries:
        if entry.type.name == "DISPLAYMATRIX":
            a, b, _, c, d, *_ = struct.unpack("=9i", bytes(entry))
            # phones write whole right angles; the nearest one is taken for anything else
            if abs(a) >= abs(b):
                return _sign(a), 0, 0, _sign(d)
            return 0, _sign(b), _sign(c), 0
    return 1, 0, 0, 1


def _sign(value: int) -> int:
    return -1 if value < 0 else 1


def _crop_arguments(crop: Crop, full_width: int, full_height: int) -> str:
    left, top, width, height = crop
    if left + width > full_width or top + height > full_height:
        raise ConfigError(
            f"--crop {left},{top},{width},{height} reaches outside its pictures of {full_width}x{full_height}"
        )
    return f"{width}:{height}:{left}:{top}:exact=1"


def _graph(first: av.VideoFrame, steps: list[tuple[str, str]]) -> Graph:
    graph = Graph()
    graph.threads = 1
    try:
        last = graph.add_buffer(
            width=first.width, height=first.height, format=first.format, time_base=first.time_base
        )
        for name, arguments in [*steps, ("buffersink", "")]:
            node = graph.add(name, arguments or None)
            last.link_to(node)
            last = node
        graph.configure()
    except (av.FFmpegError, ValueError) as error:
        raise DataError(
            f"its pictures of {first.width}x{first.height} {first.format.name} cannot be converted ({error})"
        ) from error
    return graph
