"""Where a dream starts that brings no clips of its own: from any picture or clip (``play FILE --start``).

Who downloads weights has no recording of the game; a screenshot is enough.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from tinyworlds.data.reader import FrameFile
from tinyworlds.media.reading import read_frames
from tinyworlds.world.start_clips import StartClips

NO_START = "no picture to start from, so this dream begins with grey: give one with --start PICTURE_OR_CLIP"
"""What a player is told where there is neither a stored clip nor a picture."""

_CLIPS = 16  # a longer recording is as many places to start from
_TRUTH_S = 4.0  # that a clip goes on for, to be shown beside the dream
_LONGEST_S = 120.0
_BLOCK = 64  # frames of a gameplay file that are read at once


def start_clips(path: str | Path, frame_shape: tuple[int, int, int], fps: float, context: int) -> StartClips:
    """Return clips to start from, of a picture, a video or a gameplay file.

    Args:
        path: the file. A picture stands still until the first action.
        frame_shape: (H, W, 3) of the world's frames; pictures are cut to its shape around their middle.
        fps: frames per second of the world.
        context: frames that it sees.

    Raises:
        MissingFileError: there is no such file.
        DataError: it is none of these.
    """
    most = max(round(_LONGEST_S * fps), 1)
    frames = np.stack([_fit(frame, frame_shape) for frame in islice(_frames(Path(path), fps), most)])
    if len(frames) < context:  # it stood still before
        frames = np.concatenate([np.repeat(frames[:1], context - len(frames), axis=0), frames])
    length = min(len(frames), context + round(_TRUTH_S * fps))
    starts = np.unique(np.linspace(0, len(frames) - length, _CLIPS).astype(int))
    return StartClips(np.stack([frames[start : start + length] for start in starts]))


def grey_clip(frame_shape: tuple[int, int, int], context: int) -> StartClips:
    """Return a clip of nothing, for a world that has no other."""
    return StartClips(np.full((1, context, *frame_shape), 128, np.uint8))


def _frames(path: Path, fps: float) -> Iterator[np.ndarray]:
    if path.suffix.lower() not in (".h5", ".hdf5"):
        yield from read_frames(path, fps)
        return
    with contextlib.closing(FrameFile(path)) as file:
        stride = max(round((file.info.fps or fps) / fps), 1)
        for start in range(0, len(file), _BLOCK * stride):
            yield from file.frames(start, min(_BLOCK, -(-(len(file) - start) // stride)), stride)


def _fit(frame: np.ndarray, frame_shape: tuple[int, int, int]) -> np.ndarray:
    """The largest part around the middle that has the wanted shape, at the wanted size."""
    height, width, _ = frame_shape
    scale = min(frame.shape[0] / height, frame.shape[1] / width)
    rows, columns = max(round(height * scale), 1), max(round(width * scale), 1)
    top, left = (frame.shape[0] - rows) // 2, (frame.shape[1] - columns) // 2
    part = frame[top : top + rows, left : left + columns]
    return cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR)
