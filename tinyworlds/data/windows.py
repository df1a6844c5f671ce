"""Which windows a file offers: runs of frames, cut at episode ends and into splits, and an index over them.

A run is a half-open range of frames that a window may lie in. Everything here is arithmetic on a few numbers
per episode; no frame is touched and no list of all windows is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinyworlds.errors import ConfigError, DataError

SPLITS = ("train", "val", "test")


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


def split_by_time(runs: Sequence[Run], val_fraction: float, test_fraction: float) -> dict[str, list[Run]]:
    """Split every file in order of time: training first, then validation, then test; runs are cut in two."""
    splits: dict[str, list[Run]] = {name: [] for name in SPLITS}
    for file in sorted({run.file for run in runs}):
        own = [run for run in runs if run.file == file]
        first, last = own[0].start, own[-1].stop
        test_at = last - round((last - first) * test_fraction)
        val_at = test_at - round((last - first) * val_fraction)
        ranges = {"train": (first, val_at), "val": (val_at, test_at), "test": (test_at, last)}
        for name, (low, high) in ranges.items():
            cut = (Run(file, max(run.start, low), min(run.stop, high)) for run in own)
            splits[name] += [run for run in cut if run.stop > run.start]
    return splits


def split_by_episode(runs: Sequence[Run], val_fraction: float, test_fraction: float) -> dict[str, list[Run]]:
    """Split by whole episodes, drawn always the same way, so that stages share their held-out ones.

    Raises:
        DataError: there are fewer episodes than splits.
    """
    counts = {"val": val_fraction, "test": test_fraction}
    counts = {name: max(1, round(len(runs) * share)) if share else 0 for name, share in counts.items()}
    if sum(counts.values()) >= len(runs):
        raise DataError(
            f"Cannot split {len(runs)} episode(s) into whole ones for train, val and test; "
            "use --data.split time or record more episodes."
        )
    order = np.random.default_rng(0).permutation(len(runs))
    chosen = {"val": order[: counts["val"]], "test": order[counts["val"] : sum(counts.values())]}
    held_out = {name: {int(i) for i in indices} for name, indices in chosen.items()}
    splits = {name: [runs[i] for i in sorted(indices)] for name, indices in held_out.items()}
    left = set(range(len(runs))) - held_out["val"] - held_out["test"]
    return {"train": [runs[i] for i in sorted(left)], **splits}


def split_runs(
    runs: Sequence[Run], by: str, val_fraction: float, test_fraction: float
) -> dict[str, list[Run]]:
    """Return the runs of each split; no frame is in two of them.

    Args:
        runs: all runs of all files.
        by: "time" or "episode".
        val_fraction: share for validation, 0 for none.
        test_fraction: share for test, 0 for none.

    Raises:
        ConfigError: a setting is out of range.
        DataError: there are too few episodes.
    """
    check_split(by, val_fraction, test_fraction)
    splitter = split_by_time if by == "time" else split_by_episode
    return splitter(runs, val_fraction, test_fraction)


def check_split(by: str, val_fraction: float, test_fraction: float) -> None:
    """Check the settings of `split_runs`.

    Raises:
        ConfigError: one is out of range.
    """
    if by not in ("time", "episode"):
        raise ConfigError(f"split is '{by}'; it must be 'time' or 'episode'.")
    if min(val_fraction, test_fraction) < 0 or val_fraction + test_fraction >= 1:
        raise ConfigError(
            f"val_fraction {val_fraction} and test_fraction {test_fraction} must be at least 0 "
            "and leave something to train on."
        )


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
