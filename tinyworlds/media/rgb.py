"""Whatever people call a picture, as uint8 [H,W,3]: the one place where foreign pictures are read.

Environments and emulators give floats, alpha, channels first, stacks, lists, PIL images. What such an array
shows is decided from what was declared about it and, where that says nothing, from its values: never silently
from values that could mean two things.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyworlds.errors import DataError

_CHANNELS = (1, 3, 4)
_SMALLEST_PX = 16  # side of a picture in a stack; shorter axes count its layers
_OVERSHOOT = 0.1  # of the range, by which floats leave it after resizing
_DARK = 8 / 255  # a first picture whose brightest value is not above this share of white shows nothing
_REMEDY = "wrap it so that it gives uint8 [H,W,3]"


class PictureReader:
    """Reads the pictures of one source, which all have the same range of values.

    Args:
        name: of the source, for messages: ``"CartPole-v1: render()"``.
        lowest: the value that is black.
        highest: the value that is white, where it is declared; None finds out by the first picture that is
            not black: 1 or 255 for floats, 255 or 65535 for whole numbers.
        stacks: four layers before a picture are four grey frames, as agents get them, not colours and alpha.
    """

    def __init__(
        self, name: str, lowest: float | None = None, highest: float | None = None, stacks: bool = False
    ) -> None:
        self.name = name
        self.stacks = stacks
        self._lowest = 0.0 if lowest is None else lowest
        self._highest = highest
        self._is_declared = highest is not None
        self._has_shown = False  # anything but black

    def __call__(self, picture: Any) -> np.ndarray:
        """Return a picture as uint8 [H,W,3]; one that is so already is handed on, not copied.

        Args:
            picture: array, tensor, PIL image or nested list; [H,W], channels (1, 3, or 4 with alpha) first or
                last; of a list or a stack of pictures the last one.

        Raises:
            DataError: it is no picture, or could be understood in two ways.
        """
        array = self._array(picture)
        image = self._colours(self._layers(array), array)
        return np.ascontiguousarray(np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image)

    def _array(self, picture: Any) -> np.ndarray:
        """Return the numbers of one picture, unscaled."""
        while isinstance(picture, (list, tuple)) and len(picture) and _is_picture_object(picture[-1]):
            picture = picture[-1]
        if hasattr(picture, "convert") and hasattr(picture, "getbands"):  # PIL, which need not be installed
            deep = picture.mode.startswith(("I", "F"))
            picture = picture if deep else picture.convert("RGB")
        elif hasattr(picture, "detach"):  # a tensor of torch
            picture = picture.detach().cpu()
        if picture is None or isinstance(picture, (str, bytes, dict)):
            raise self._wrong(_described(picture), "is no picture")
        try:
            array = np.asarray(picture)
        except Exception as error:
            raise self._wrong(_described(picture), "is no picture") from error
        if array.dtype.kind not in "buif" or array.size == 0 or array.ndim not in (2, 3, 4):
            raise self._wrong(_described(array), "is no picture")
        return array

    def _layers(self, array: np.ndarray) -> np.ndarray:
        """Return [H,W,1] or [H,W,3] of any order of axes."""
        if array.ndim == 2:
            return array[..., None]
        if array.ndim == 4:
            _, height, width, last = array.shape
            if not (last in _CHANNELS and _is_large(height, width)) and not (
                height in _CHANNELS and _is_large(width, last)
            ):
                raise self._wrong(_described(array), "is no stack of pictures")
            return self._layers(array[-1])
        first, last = array.shape[0], array.shape[-1]
        if last in _CHANNELS and first in _CHANNELS:
            raise self._wrong(_described(array), "has channels first or last, which cannot be told apart")
        if last in _CHANNELS:
            if last == 4 and self.stacks and not _is_opaque(array[..., 3]):
                raise self._wrong(_described(array), "is a picture with alpha, or four grey ones in a stack")
            return array[..., :3]
        if first in _CHANNELS:
            is_stack = first == 4 and self.stacks
            return array[-1][..., None] if is_stack else np.moveaxis(array[:3], 0, -1)
        return self._last_grey(array)

    def _last_grey(self, array: np.ndarray) -> np.ndarray:
        """Return the last layer of a stack of grey pictures, along the first or the last axis."""
        axis = 0 if array.shape[0] < array.shape[2] else 2
        count, sides = array.shape[axis], np.delete(array.shape, axis)
        if not self.stacks or count >= _SMALLEST_PX or not _is_large(*sides) or (count, axis) == (2, 2):
            raise self._wrong(_described(array), "is no picture of 1, 3 or 4 channels")
        if count % 3 == 0:
            raise self._wrong(_described(array), "is a stack of grey pictures or of coloured ones")
        return np.take(array, [-1], axis).reshape(*sides, 1)

    def _colours(self, image: np.ndarray, whole: np.ndarray) -> np.ndarray:
        """Return uint8 0 to 255 of whatever range the numbers have."""
        if image.dtype == bool:
            return image.astype(np.uint8) * np.uint8(255)
        if image.dtype == np.uint8 and self._highest in (None, 255):
            return image
        low, high = float(image.min()), float(image.max())
        if not np.isfinite((low, high)).all():
            raise self._wrong(_described(whole), "holds values that are no numbers")
        highest = self._white(image.dtype.kind == "f", high, whole)
        span = highest - self._lowest
        slack = _OVERSHOOT * span if image.dtype.kind == "f" else 0.0
        if low < self._lowest - slack or high > highest + slack:
            raise self._wrong(_described(whole), f"is not within {self._lowest:g} to {highest:g}")
        scaled = (image.astype(np.float64) - self._lowest) * (255.0 / span)
        return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)

    def _white(self, is_float: bool, high: float, whole: np.ndarray) -> float:
        """Return the value that is white: as declared, or as the pictures so far had it."""
        if self._is_declared and self._highest is not None:
            if is_float and not self._has_shown and self._highest > 1 and 0 < high <= 1 + _OVERSHOOT:
                raise self._wrong(_described(whole), f"is all but black if white is {self._highest:g}")
            self._has_shown |= high > 0
            return self._highest
        usual = (1.0, 255.0) if is_float else (255.0, 65535.0)
        white = usual[high > usual[0] * (1 + _OVERSHOOT * is_float)]
        if self._highest is not None and white > self._highest:
            raise self._wrong(_described(whole), f"comes after pictures within 0 to {self._highest:g}")
        if self._highest is None and high > 0:  # a black picture says nothing
            if high <= white * _DARK and white > 1:
                raise self._wrong(_described(whole), f"is all but black if white is {white:g}")
            self._highest = white
        return self._highest or white

    def _wrong(self, found: str, why: str) -> DataError:
        return DataError(f"{self.name} gives {found}, which {why}; {_REMEDY}")


def _is_large(*sides: int) -> bool:
    return min(sides) >= _SMALLEST_PX


def _is_picture_object(value: Any) -> bool:
    return value is None or hasattr(value, "getbands") or (hasattr(value, "ndim") and value.ndim >= 2)


def _is_opaque(alpha: np.ndarray) -> bool:
    return bool((alpha == alpha.flat[0]).all()) and float(alpha.flat[0]) in (1.0, 255.0, 65535.0)


def _described(value: Any) -> str:
    """``float32 [3, 64, 64] from -0.5 to 0.5``."""
    if not isinstance(value, np.ndarray):
        length = f" of {len(value)}" if isinstance(value, (str, bytes, dict, list, tuple)) else ""
        return "None" if value is None else f"a {type(value).__name__}{length}"
    told = f"{value.dtype} {list(value.shape)}"
    if value.dtype.kind in "buif" and value.size:
        told += f" from {float(value.min()):g} to {float(value.max()):g}"
    return told
