"""Which windows a file offers: runs of frames, cut at episode ends, and an index over them.

A run is a half-open range of frames that a window may lie in. Everything here is arithmetic on a few numbers
per episode; no frame is touched and no list of all windows is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Run:
    """Frames `start` ... `stop` - 1 of file number `file`, without an episode's end inside."""

    file: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def find_runs(file: int, episode_ends: np.ndarray, skip_frames: int = 0) -> list[Run]:
    """Return one run per episode of a file, leaving out its first `skip_frames` frames.

    Args:
        file: the number of the file.
        episode_ends: indices of the last frames of the episodes, ascending, the file's last frame included.
        skip_frames: frames at the start of the file that no window may touch (menus).
    """
    stops = np.asarray(episode_ends) + 1
    starts = np.concatenate([[0], stops[:-1]])
    return [
        Run(file, max(int(start), skip_frames), int(stop))
        for start, stop in zip(starts, stops, strict=True)
        if stop > skip_frames
    ]


class WindowIndex:
    """Numbers all windows of some runs; number to place by bisection.

    Args:
        runs: where windows may lie.
        num_frames: frames of a window.
        strides: for each file, how many stored frames lie between two of a window.
        spread: False counts every possible start (training), True only windows that share no frame
            (evaluation).
    """

    def __init__(
        self, runs: Sequence[Run], num_frames: int, strides: Sequence[int], spread: bool = False
    ) -> None:
        spans = [(num_frames - 1) * strides[run.file] + 1 for run in runs]
        self._steps = np.array([span if spread else 1 for span in spans], np.int64)
        counts = [
            max(0, (len(run) - span) // step + 1)
            for run, span, step in zip(runs, spans, self._steps, strict=True)
        ]
        self._counts = np.array(counts, np.int64)
        self._ends = np.cumsum(self._counts)
        self._files = np.array([run.file for run in runs], np.int64)
        self._starts = np.array([run.start for run in runs], np.int64)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def locate(self, number: int) -> tuple[int, int]:
        """Return the file and the first frame of window `number`."""
        if not 0 <= number < len(self):
            raise IndexError(f"window {number} of {len(self)}")
        run = int(np.searchsorted(self._ends, number, side="right"))
        within = number - (int(self._ends[run - 1]) if run else 0)
        return int(self._files[run]), int(self._starts[run] + within * self._steps[run])

    def starts(self, file: int) -> np.ndarray:
        """Return the first frame of every window of one file, int64 [W]."""
        own = np.flatnonzero(self._files == file)
        rows = [self._starts[run] + np.arange(self._counts[run]) * self._steps[run] for run in own]
        return np.concatenate([np.empty(0, np.int64), *rows])
