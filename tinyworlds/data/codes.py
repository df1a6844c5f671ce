"""Codes files: token and action ids of one gameplay file, computed once by frozen networks.

They lie in ``.cache`` beside the gameplay file and may be deleted at any time. N frames, P codes a frame, T
frames a window, W windows. There are two layouts, each stored in one piece, so that a window is a plain read:

===========  ==========  =============  ==================================================================
layout       dataset     type           what
===========  ==========  =============  ==================================================================
per frame    ids         int16 [N,P]    where a frame's codes depend on that frame alone
..           action_ids  int16 [N]      the latent action between frame i and frame i + stride; may be missing
per window   ids         int16 [W,T,P]  where they depend on the frames before it in the window, too
..           action_ids  int16 [W,T-1]  the latent actions between its frames; may be missing
..           starts      int64 [W]      the first frame of each window, ascending
===========  ==========  =============  ==================================================================

``done`` int64 [1] counts the rows encoded so far, see :mod:`tinyworlds.data.codes_part`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tinyworlds.data.h5_open import opened
from tinyworlds.data.reader import SpanReader
from tinyworlds.data.stored import dataset, find
from tinyworlds.errors import DataError


class CodesFile:
    """Reads the windows of a codes file, from any process.

    Args:
        path: the codes file.
        file_frames: N, frames of the gameplay file.
        num_frames: T, frames of a window.
        stride: stored frames from one frame of a window to the next.

    Raises:
        DataError: it was made for another file or for other windows.
    """

    def __init__(self, path: str | Path, file_frames: int, num_frames: int, stride: int) -> None:
        self.path = Path(path)
        self.num_frames = num_frames
        self.stride = stride
        with opened(path) as file:
            # not where the true actions, or none, are used
            self.has_actions = find(file, self.path, "action_ids") is not None
            per_window = find(file, self.path, "starts") is not None
            self._starts = dataset(file, self.path, "starts")[:] if per_window else None
        self._ids = SpanReader(path, "ids")
        self._action_ids = SpanReader(path, "action_ids") if self.has_actions else None
        rows = [file_frames] if self._starts is None else [len(self._starts), num_frames]
        if list(self._ids.shape[:-1]) != rows:
            shape = ",".join(map(str, rows))
            raise DataError(f"{path}: 'ids' is {list(self._ids.shape)}, not [{shape},P]; delete it.")

    def ids(self, start: int) -> np.ndarray:
        """Codes int16 [T,P] of the window whose first frame is `start`."""
        if self._starts is None:
            return self._ids.read(start, self.num_frames, self.stride)
        return self._ids.read(self._row(start), 1)[0]

    def action_ids(self, start: int) -> np.ndarray:
        """Latent actions int16 [T-1] of the window whose first frame is `start`; T is at least 2."""
        assert self._action_ids is not None
        if self._starts is None:
            return self._action_ids.read(start, self.num_frames - 1, self.stride)
        return self._action_ids.read(self._row(start), 1)[0]

    def _row(self, start: int) -> int:
        assert self._starts is not None
        row = int(np.searchsorted(self._starts, start))
        if row == len(self._starts) or self._starts[row] != start:
            raise DataError(f"{self.path} has no codes of the window at frame {start}; delete it.")
        return row
