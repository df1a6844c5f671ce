"""The recorded true actions that an action model is told of: a few stretches of play, the same ones always.

A person records minutes, not frames strewn over hours. So a small share is the beginnings of four or five
training episodes, a quarter of what is wanted from each, in an order that a hash of the file's first frame
and of the episode's place gives. Where that is not enough, the next quarter of each follows, and so on.
Nothing that is held out is among them, and they stay the same when files are renamed or go on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from tinyworlds.data.action_ids import held_actions
from tinyworlds.data.dataset import WindowDataset
from tinyworlds.data.windows import Run, WindowIndex
from tinyworlds.errors import DataError, listed

if TYPE_CHECKING:
    from tinyworlds.data.module import H5DataModule

ANCHORS_KEY = "anchors"
"""Entry of them in what checkpoints and worlds note."""

_PIECES = 4
_WINDOW = 3


@dataclass(frozen=True)
class Anchors:
    """Places whose true action is known.

    Attributes:
        windows: of three frames: the one before the action was taken, the one at which it was, the one after.
        actions: the action at the middle of each, int64 [W]; below 0 where the recording does not know it.
        names: of all true actions, by number.
        share: that was asked for, of all recorded actions.
        stretches: the frames, by name of the file.
        staying: how often an action is followed by itself, 0 to 1.
    """

    windows: WindowDataset
    actions: np.ndarray
    names: tuple[str, ...]
    share: float
    stretches: Mapping[str, Sequence[tuple[int, int]]]
    staying: float

    @cached_property
    def counts(self) -> np.ndarray:
        """Places of each action, int64, by number."""
        return np.bincount(self.actions[self.actions >= 0], minlength=len(self.names))

    @cached_property
    def _places(self) -> list[np.ndarray]:
        """Windows of each action that there is."""
        return [np.flatnonzero(self.actions == action) for action in np.flatnonzero(self.counts)]

    def draw(self, count: int) -> tuple[Tensor, Tensor]:
        """Draw windows with torch's generator, of each action that there is as many, give or take one.

        Returns:
            Frames uint8 [count, 3, H, W, C] and their actions int64 [count].
        """
        first = int(torch.randint(len(self._places), ()))
        turns = [self._places[(first + number) % len(self._places)] for number in range(count)]
        drawn = [int(places[int(torch.randint(len(places), ()))]) for places in turns]
        return self.windows.__getitems__(drawn)["frames"], torch.from_numpy(self.actions[drawn])

    def to_plain(self) -> dict[str, Any]:
        """Return plain values, for a checkpoint."""
        return {
            "share": self.share,
            "names": [*self.names],
            "counts": self.counts.tolist(),
            "stretches": {name: [[*part] for part in parts] for name, parts in self.stretches.items()},
        }


@dataclass(frozen=True)
class NotedAnchors:
    """What a checkpoint notes of its anchors.

    Attributes:
        names: of the actions, by number.
        counts: anchors of each.
    """

    names: tuple[str, ...]
    counts: np.ndarray


def read_anchors(noted: Any) -> NotedAnchors | None:
    """Return what a checkpoint notes, or None where it is not there or malformed."""
    try:
        names, counts = noted["names"], noted["counts"]
        whole = all(isinstance(name, str) for name in names) and all(type(each) is int for each in counts)
        return NotedAnchors(tuple(names), np.array(counts)) if whole and len(names) == len(counts) else None
    except (TypeError, KeyError, OverflowError):
        return None


def find_anchors(module: H5DataModule, share: float) -> Anchors:
    """Choose the recorded actions that an action model is told of.

    Args:
        module: the data.
        share: of all actions that are recorded; 1 takes all that are not held out.

    Raises:
        DataError: no file holds actions, or those chosen are all of one kind.
    """
    files, strides, recorded = module.frame_files, module.strides, files_with_actions(module, share)
    runs = [run for run in module.training_runs if run.file in recorded]
    total = round(share * sum(len(files[number]) for number in recorded))
    chosen = choose_stretches(runs, module.file_keys, total)
    found = [_actions_of(module, run) for run in chosen]
    actions = np.concatenate([np.empty(0, np.int64), *found])
    same = np.concatenate([np.empty(0, bool), *(own[1:] == own[:-1] for own in found)])
    names = module.action_names
    if len(np.unique(actions[actions >= 0])) < 2:
        told = listed([names[action] for action in np.unique(actions[actions >= 0])]) or "unknown"
        raise DataError(
            f"--model.label_share {share:g}: the {len(actions):,} recorded actions that this takes are all "
            f"{told}, so nothing can be told apart; raise label_share, or record more"
        )
    stretches: dict[str, list[tuple[int, int]]] = {}
    for run in chosen:
        stretches.setdefault(files[run.file].info.path.name, []).append((run.start, run.stop))
    windows = WindowDataset(files, WindowIndex(chosen, _WINDOW, strides), _WINDOW, strides)
    return Anchors(windows, actions, names, share, stretches, float(same.mean()) if len(same) else 0.0)


def files_with_actions(module: H5DataModule, share: float) -> set[int]:
    """Return the numbers of the files that hold actions.

    Raises:
        DataError: none does.
    """
    files = module.frame_files
    recorded = {number for number, file in enumerate(files) if file.actions is not None}
    if not recorded:
        raise DataError(
            f"--model.label_share {share:g}: {listed([str(file.info.path) for file in files])} holds no "
            "actions; add a recording that does to --data.files, or leave label_share out"
        )
    return recorded


def choose_stretches(runs: Sequence[Run], keys: Sequence[str], total: int) -> list[Run]:
    """Choose `total` frames of runs, or all of them, see the module; in the order of files and frames.

    Args:
        runs: training episodes.
        keys: for each file a hash of its first frame.
        total: frames to choose.
    """
    piece = max(-(-total // _PIECES), 2)
    order = sorted(runs, key=lambda run: hashlib.sha256(f"{keys[run.file]} {run.start}".encode()).digest())
    taken = dict.fromkeys(order, 0)
    left = total
    while left > 0 and (open_runs := [run for run in order if taken[run] < len(run)]):
        for run in open_runs:
            more = min(piece, len(run) - taken[run], left)
            taken[run], left = taken[run] + more, left - more
    chosen = [Run(run.file, run.start, run.start + count) for run, count in taken.items() if count]
    return sorted(chosen, key=lambda run: (run.file, run.start))


def _actions_of(module: H5DataModule, run: Run) -> np.ndarray:
    """The action at the middle of each window of a run, int64 [windows]."""
    numbers, stride = module.frame_files[run.file].actions, module.strides[run.file]
    assert numbers is not None
    if stride == 1:
        return numbers[run.start + 1 : max(run.stop - 1, run.start + 1)]
    starts = range(run.start + stride, max(run.stop - stride, run.start + stride))
    return np.array([held_actions(numbers, start, 1, stride)[0] for start in starts], np.int64)
