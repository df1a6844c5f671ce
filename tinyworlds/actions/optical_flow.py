"""Where the pixels of one picture went in the next one, as far as it can be trusted.

Farneback's dense flow (Gunnar Farneback, "Two-frame motion estimation based on polynomial expansion", 2003)
through OpenCV. Dreamt sprites are a few pixels large and jump by several times their width in a frame; a
small window over coarse levels still follows them where DIS flow loses them. What it makes up at uncovered
places is found by going there and back.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

WORK_PX = 64
"""Longer side of the picture that is measured; larger ones are shrunk to it."""

_PYRAMID_SCALE, _LEVELS, _WINDOW_PX, _ITERATIONS = 0.5, 4, 7, 10
_POLYNOMIAL_PX, _POLYNOMIAL_SIGMA = 7, 1.5
_THERE_AND_BACK = (1.0, 0.1)  # pixels, and share of the way, by which the two may miss


@dataclass(frozen=True)
class Flow:
    """Motion from one picture to the next.

    Attributes:
        vectors: float32 [h, w, 2], pixels of the measured picture to the right and down.
        trusted: bool [h, w], where the way back ends at the start.
    """

    vectors: np.ndarray
    trusted: np.ndarray


def measured_picture(frame: np.ndarray) -> np.ndarray:
    """Shrink a uint8 frame [H, W, 3] to `WORK_PX` if it is larger, as grey uint8 [h, w]."""
    grey = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    shrink = WORK_PX / max(height, width)
    if shrink >= 1:
        return grey
    size = (max(round(width * shrink), 1), max(round(height * shrink), 1))
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA)


def flow_between(before: np.ndarray, after: np.ndarray) -> Flow:
    """Measure the motion from one grey picture, uint8 [h, w], to the next."""
    there, back = _farneback(before, after), _farneback(after, before)
    height, width = before.shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    right, down = columns + there[..., 0], rows + there[..., 1]
    returned = cv2.remap(back, right, down, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
    inside = (right > -1) & (down > -1) & (right < width) & (down < height)
    fixed, share = _THERE_AND_BACK
    miss, way = np.linalg.norm(there + returned, axis=-1), np.linalg.norm(there, axis=-1)
    return Flow(there, inside & (miss < fixed + share * way))


def _farneback(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    flow = np.empty((*before.shape, 2), np.float32)  # written to
    cv2.calcOpticalFlowFarneback(
        before,
        after,
        flow,
        _PYRAMID_SCALE,
        _LEVELS,
        _WINDOW_PX,
        _ITERATIONS,
        _POLYNOMIAL_PX,
        _POLYNOMIAL_SIGMA,
        flags=0,
    )
    return flow
