"""The true actions of gameplay files, numbered 0 to n - 1 whatever the files call them.

Files hold ids with gaps (bit masks of keys, key codes), texts, a row of switches for each frame, or a one-hot
row. What occurs is counted, never the range, and gets the next number. Below 0, an empty text or NaN is
"unknown". Files that name their actions keep their ids, so that all of the names have a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyworlds.errors import DataError

UNKNOWN = -1
"""Number of an action that a file does not know."""
MAX_ACTIONS = 1024  # more different ones in a file are positions of a stick or a mouse, no keys


@dataclass(frozen=True)
class Labels:
    """The true actions of one file.

    Attributes:
        ids: the number of the action at each frame, int64 [N]; `UNKNOWN` where it is not known.
        names: one for each number, all different.
        keys: what orders actions without a name of their own among those of other files; None for named ones.
    """

    ids: np.ndarray
    names: tuple[str, ...]
    keys: tuple[tuple[int, Any] | None, ...]

    def renumbered(self, names: Sequence[str]) -> np.ndarray:
        """Return the ids in the order of `names`, which hold all of this file's."""
        place = {name: number for number, name in enumerate(names)}
        numbers = np.array([*(place[name] for name in self.names), UNKNOWN])  # unknown is last
        return numbers[self.ids]


def labels_of(stored: np.ndarray, names: Sequence[str] = ()) -> Labels:
    """Number what a file holds.

    Args:
        stored: [N] whole numbers, truth values or texts, or [N, A]: one-hot, or a combination in each row.
        names: of the ids from 0, or of the columns; those of an `action_names` attribute.

    Raises:
        DataError: they are no actions to choose from, but measures such as the way of a mouse.
    """
    stored = stored[:, 0] if stored.ndim == 2 and stored.shape[1] == 1 else stored
    if stored.dtype.kind in "OSU":
        return _texts(stored)
    stored = _whole(stored)
    if stored.ndim == 1:
        return _numbers(stored, names)
    is_switch = bool(((stored == 0) | (stored == 1)).all())
    if is_switch and bool((stored.sum(1) == 1).all()):
        return _numbers(stored.argmax(1), names)
    return _rows(stored, names if is_switch and len(names) == stored.shape[1] else ())


def common_names(files: Sequence[Labels]) -> tuple[str, ...]:
    """Names of all actions of several files: named ones as they come, then the others by what they are."""
    keys: dict[str, tuple[int, Any] | None] = {}
    for labels in files:
        for name, key in zip(labels.names, labels.keys, strict=True):
            keys.setdefault(name, key)
    unnamed = [(key, name) for name, key in keys.items() if key is not None]
    return (*(name for name, key in keys.items() if key is None), *(name for _, name in sorted(unnamed)))


def held_actions(numbers: np.ndarray, start: int, num_frames: int, stride: int) -> np.ndarray:
    """Return the action that is held from each frame of a window to the next: that of most stored frames.

    Of equals the one that comes first: what it does has had the longest time to show. The last action leads
    out of the window, where the file may end before it does.

    Args:
        numbers: the action at each stored frame, int [N].
        start: the window's first frame.
        num_frames: T, frames of the window.
        stride: stored frames from one of them to the next.

    Returns:
        int [T].
    """
    steps = np.take(numbers, start + np.arange(num_frames * stride), mode="clip").reshape(-1, stride)
    votes = (steps[:, :, None] == steps[:, None]).sum(-1)  # [T, stride]
    return np.take_along_axis(steps, votes.argmax(1)[:, None], 1)[:, 0]


def share_changing(numbers: np.ndarray | None, episode_ends: np.ndarray, stride: int) -> float:
    """Return the share of steps over `stride` stored frames of an episode in which the action changes."""
    if numbers is None or stride < 2 or len(numbers) <= stride:
        return 0.0
    ends = np.zeros(len(numbers), bool)
    ends[episode_ends] = True
    changes = np.concatenate([[0], np.cumsum(numbers[1:] != numbers[:-1])])
    crossed = np.concatenate([[0], np.cumsum(ends)])
    first = np.arange(len(numbers) - stride)
    within = crossed[first + stride] == crossed[first]
    return float((changes[first + stride - 1] > changes[first])[within].mean()) if within.any() else 0.0


def _whole(stored: np.ndarray) -> np.ndarray:
    """As whole numbers; NaN becomes `UNKNOWN`."""
    if stored.dtype.kind != "f":
        return stored.astype(np.int64) if stored.dtype.kind == "b" else stored
    known = np.where(np.isnan(stored), UNKNOWN, stored)
    whole = known.astype(np.int64) if bool((np.abs(known) < 2**53).all()) else None
    if whole is None or not np.array_equal(whole, known):
        raise DataError(f"they are {stored.dtype} and not whole numbers, as of a stick or a mouse")
    return whole


def _numbers(stored: np.ndarray, names: Sequence[str]) -> Labels:
    found = [int(value) for value in _different(stored) if value >= 0]
    own = _all_different(names)
    extra = [value for value in found if value >= len(own)]
    table = np.array([*range(len(own)), *extra], stored.dtype if stored.dtype.kind == "u" else np.int64)
    ids = np.searchsorted(table, stored) if len(table) else np.zeros(len(stored), np.int64)
    ids = np.where(stored < 0, UNKNOWN, ids).astype(np.int64)
    unnamed = [(0, value) for value in extra]
    return Labels(ids, (*own, *(f"action {value}" for value in extra)), (*(None,) * len(own), *unnamed))


def _rows(stored: np.ndarray, names: Sequence[str]) -> Labels:
    found, ids = np.unique(stored, axis=0, return_inverse=True)
    _check_number(len(found))
    rows = [tuple(int(value) for value in row) for row in found]
    if names:
        told = ["+".join(name for name, on in zip(names, row, strict=True) if on) or "none" for row in rows]
    else:
        told = [f"action {','.join(map(str, row))}" for row in rows]
    return Labels(ids.reshape(-1).astype(np.int64), _all_different(told), tuple((1, row) for row in rows))


def _texts(stored: np.ndarray) -> Labels:
    texts = np.array([text.decode() if isinstance(text, bytes) else str(text) for text in stored])
    found = [str(text) for text in _different(texts) if text]
    ids = np.searchsorted(np.array(found), texts) if found else np.zeros(len(texts), np.int64)
    ids = np.where(texts == "", UNKNOWN, ids).astype(np.int64)
    return Labels(ids, tuple(found), tuple((2, text) for text in found))


def _different(stored: np.ndarray) -> np.ndarray:
    found = np.unique(stored)
    _check_number(len(found))
    return found


def _check_number(count: int) -> None:
    if count > MAX_ACTIONS:
        raise DataError(
            f"they are {count:,} different ones, at most {MAX_ACTIONS:,} can be told apart, as keys are"
        )


def _all_different(names: Sequence[str]) -> tuple[str, ...]:
    """The names, with the number behind one that was there before."""
    seen: dict[str, None] = {}
    for number, name in enumerate(names):
        seen[name if name not in seen else f"{name} ({number})"] = None
    return tuple(seen)
