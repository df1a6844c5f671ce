"""Which frames are held out: dealt so that what was once held out is never trained on later.

A file is dealt by itself, and what happens to a frame depends on what lies before it and on a hash: of the
file's first frame and of the place where an episode (or a stretch of time) begins. So copying, renaming or
appending, another order of files or one more of them, and other `skip_frames` leave the deal as it is.

- By time, stretches are held out: one for each split between frame 0 and 40, 40 and 80, 80 and 160, 160 and
  320, ..., at a hashed place in it. They are as long as the split's share of that span.
- By episode, whole episodes are held out. The first ones of a file are, one for each split; the next is
  trained on; of later ones the hash decides, for a split that has less than its share so far. A file with
  fewer episodes than that is dealt by time: when it grows, the episodes that its stretches lie in are those
  that are held out.
- The deals of versions that recorded none: "old_time", the end of each file, and "old_episode", drawn from
  all episodes together. Both deal anew when anything is added. They are there for checkpoints of that time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from tinyworlds.data.windows import Run, find_runs
from tinyworlds.errors import ConfigError, DataError

SPLITS = ("train", "val", "test")
KINDS = ("time", "episode", "old_time", "old_episode")
FIRST_SPAN = 40
"""Frames of the first two spans of time; each later one is as long as all before it together."""

_BEFORE = {"time": "old_time", "episode": "old_episode"}


@dataclass(frozen=True)
class Deal:
    """Which frames each split has.

    Attributes:
        runs: of each split; no frame is in two of them.
        by_time: numbers of the files that were dealt in stretches of time.
    """

    runs: dict[str, list[Run]] = field(default_factory=lambda: {name: [] for name in SPLITS})
    by_time: frozenset[int] = frozenset()


def as_dealt_before(split: str) -> str:
    """Return the name that a deal has now, which a version that recorded none called `split`."""
    return _BEFORE.get(split, split)


def check_split(by: str, val_fraction: float, test_fraction: float) -> None:
    """Check the settings of `deal`.

    Raises:
        ConfigError: one is out of range.
    """
    if by not in KINDS:
        raise ConfigError(f"split is '{by}'; it must be {', '.join(map(repr, KINDS[:-1]))} or {KINDS[-1]!r}.")
    if min(val_fraction, test_fraction) < 0 or val_fraction + test_fraction >= 1:
        raise ConfigError(
            f"val_fraction {val_fraction} and test_fraction {test_fraction} must be at least 0 "
            "and leave something to train on."
        )


def deal(
    keys: Sequence[str],
    ends: Sequence[np.ndarray],
    by: str,
    val_fraction: float,
    test_fraction: float,
    skip_frames: int = 0,
) -> Deal:
    """Deal the frames of files to the splits.

    Args:
        keys: for each file what its hashes begin with: a hash of its first frame.
        ends: for each file the last frames of its episodes, ascending, the file's last frame included.
        by: one of `KINDS`.
        val_fraction: share for validation, 0 for none.
        test_fraction: share for test, 0 for none.
        skip_frames: frames at the start of each file that no split has (menus).

    Raises:
        ConfigError: a setting is out of range.
        DataError: there are too few episodes for "old_episode".
    """
    check_split(by, val_fraction, test_fraction)
    if by.startswith("old_"):
        runs = [run for number, own in enumerate(ends) for run in find_runs(number, own, skip_frames)]
        old = _old_time if by == "old_time" else _old_episode
        return Deal(old(runs, val_fraction, test_fraction)) if runs else Deal()
    shares = {name: share for name, share in (("val", val_fraction), ("test", test_fraction)) if share}
    dealt, by_time = Deal(), set()
    for number, (key, own) in enumerate(zip(keys, ends, strict=True)):
        episodes = find_runs(number, own)
        whole = by == "episode" and len(episodes) > len(shares)
        if not whole:
            by_time.add(number)
        parts = _whole_episodes(key, episodes, shares) if whole else _stretches(key, episodes, shares)
        for name, run in parts:
            if run.stop > skip_frames:
                dealt.runs[name].append(Run(number, max(run.start, skip_frames), run.stop))
    return Deal(dealt.runs, frozenset(by_time))


def _whole_episodes(key: str, episodes: Sequence[Run], shares: dict[str, float]) -> Iterator[tuple[str, Run]]:
    first = sorted(shares, key=lambda name: _chance(key, name))
    for name, run in zip([*first, "train"], episodes, strict=False):
        yield name, run
    held_out = {name: len(run) for name, run in zip(first, episodes, strict=False)}
    for run in episodes[len(first) + 1 :]:
        chance = _chance(key, "episode", run.start)
        takers = {"test": chance < 2 * shares.get("test", 0), "val": chance >= 1 - 2 * shares.get("val", 0)}
        # twice the share, but of those only that have less than theirs of what lies before
        taker = next(
            (name for name in first if takers[name] and held_out[name] < shares[name] * run.start), "train"
        )
        if taker != "train":
            held_out[taker] += len(run)
        yield taker, run


def _stretches(key: str, episodes: Sequence[Run], shares: dict[str, float]) -> Iterator[tuple[str, Run]]:
    """Cut episodes where stretches of time begin and end."""
    held_out = list(_held_out(key, episodes[-1].stop, shares))
    marks = sorted({0, episodes[-1].stop, *(mark for _, *ends in held_out for mark in ends)})
    names = {start: name for name, start, _ in held_out}
    parts = [(names.get(low, "train"), low, high) for low, high in pairwise(marks)]
    place = 0
    for run in episodes:
        while place < len(parts) and parts[place][1] < run.stop:
            name, low, high = parts[place]
            if max(low, run.start) < min(high, run.stop):
                yield name, Run(run.file, max(low, run.start), min(high, run.stop))
            if high > run.stop:
                break
            place += 1


def _held_out(key: str, num_frames: int, shares: dict[str, float]) -> Iterator[tuple[str, int, int]]:
    """Yield split, start and end of each stretch that begins before `num_frames`."""
    begin = 0
    while begin < num_frames:
        span = max(FIRST_SPAN, begin)
        lengths = {name: round(span * share) for name, share in shares.items()}
        free = span - sum(lengths.values())
        # near the middle of the span, so that the share of what is there stays near what was asked for
        start = begin + int(free * (0.25 + 0.5 * _chance(key, "time", begin)))
        for name in sorted(shares, key=lambda name: _chance(key, name, begin)):
            stop = min(start + lengths[name], num_frames)
            if start < stop:
                yield name, start, stop
            start = stop
        begin += span


def _chance(*of: object) -> float:
    """Return a number from 0 to below 1 that only depends on `of`."""
    digest = hashlib.sha256(" ".join(map(str, of)).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


# ---- as versions before this one dealt


def _old_time(runs: Sequence[Run], val_fraction: float, test_fraction: float) -> dict[str, list[Run]]:
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


def _old_episode(runs: Sequence[Run], val_fraction: float, test_fraction: float) -> dict[str, list[Run]]:
    """Split by whole episodes, drawn from all files together."""
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
