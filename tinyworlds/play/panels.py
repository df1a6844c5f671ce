"""Two pictures side by side, each under a line that says what it is."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

PANEL_PX, LABEL_PX = 256, 22
PAIR_SHAPE = (LABEL_PX + PANEL_PX, 2 * PANEL_PX, 3)
_FONT, _SCALE, _INK, _PAPER = cv2.FONT_HERSHEY_SIMPLEX, 0.42, (235, 235, 235), 24


def side_by_side(frames: Sequence[np.ndarray | None], texts: Sequence[str]) -> np.ndarray:
    """Draw two pictures, enlarged, each under its text: uint8 [22 + 256, 512, 3].

    Args:
        frames: uint8 [H, W, 3] each; None leaves its side empty.
        texts: what stands above them; what does not fit is cut at its end.
    """
    picture = np.full(PAIR_SHAPE, _PAPER, np.uint8)
    for side, (frame, text) in enumerate(zip(frames, texts, strict=True)):
        left = side * PANEL_PX
        _write(picture[:LABEL_PX, left : left + PANEL_PX], text)
        if frame is not None:
            how = cv2.INTER_NEAREST if frame.shape[0] <= PANEL_PX else cv2.INTER_AREA
            panel = cv2.resize(frame, (PANEL_PX, PANEL_PX), interpolation=how)
            picture[LABEL_PX:, left : left + PANEL_PX] = panel
    picture[:, PANEL_PX - 1 : PANEL_PX + 1] = _PAPER  # where one ends and the other begins
    return picture


def panel_frame(picture: np.ndarray, side: int, shape: Sequence[int]) -> np.ndarray:
    """Take one frame out of a picture of `side_by_side`, uint8 [H, W, 3].

    Args:
        picture: both, as drawn.
        side: 0 for the left one, 1 for the right one.
        shape: (H, W) that the frame had; where 256 is a multiple of both it comes back as it was, else the
            panel is returned as it was drawn, uint8 [256, 256, 3].
    """
    panel = picture[LABEL_PX:, side * PANEL_PX : (side + 1) * PANEL_PX]
    height, width = shape
    if PANEL_PX % height or PANEL_PX % width or PANEL_PX in (height, width):
        return np.ascontiguousarray(panel)
    rows, columns = PANEL_PX // height, PANEL_PX // width
    first = columns - 1 if side else 0  # no pixel from where the line between the two lies
    return np.ascontiguousarray(panel[::rows, first::columns])


def _write(bar: np.ndarray, text: str) -> None:
    """Write a line into a bar [H, W, 3], in place."""
    while text and cv2.getTextSize(text, _FONT, _SCALE, 1)[0][0] > bar.shape[1] - 8:
        text = text[:-1]
    line = np.ascontiguousarray(bar)  # OpenCV draws on whole arrays only
    cv2.putText(line, text, (4, bar.shape[0] - 7), _FONT, _SCALE, _INK, 1, cv2.LINE_AA)
    bar[:] = line
