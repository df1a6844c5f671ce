"""Training batches in an order fixed by the seed and the batch number alone: resuming is exact.

The windows form one endless sequence: a shuffled pass over all of them, then another. Batch k of every rank
is cut from it in turn, so in a pass no window comes twice and none is left out, however many ranks there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch.utils.data import DistributedSampler


class TrainBatches(DistributedSampler):
    """Batch k of an endless sequence of shuffled passes over the windows, this rank's share of it.

    It is a `DistributedSampler` so that Lightning leaves it in place: it deals out ranks itself.

    Args:
        num_windows: windows to draw from.
        batch_size: windows per batch and rank.
        num_batches: batches per epoch.
        seed: of the shuffling.
        rank: this process.
        world_size: processes in all.
        position: returns the number of batches already trained on; asked whenever an epoch begins.
        offset: place in the sequence of the first window of batch 0; not 0 once a run has gone on with
            another batch size or number of processes.
    """

    def __init__(
        self,
        num_windows: int,
        batch_size: int,
        num_batches: int,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        position: Callable[[], int] = lambda: 0,
        offset: int = 0,
    ) -> None:
        super().__init__(range(num_windows), num_replicas=world_size, rank=rank, seed=seed)  # type: ignore[arg-type]
        self.num_windows = num_windows
        self.batch_size = batch_size
        self.num_batches = num_batches
        self.position = position
        self.offset = offset
        self._pass = -1
        self._order = np.empty(0, np.int32)

    def __len__(self) -> int:
        return self.num_batches

    def __iter__(self) -> Iterator[list[int]]:
        start = self.position()
        for k in range(start, start + self.num_batches):
            yield self.batch(k)

    def batch(self, k: int) -> list[int]:
        """Return the window numbers of batch `k` (counted over all epochs) for this rank."""
        first = self.offset + (k * self.num_replicas + self.rank) * self.batch_size
        return [self._window(n) for n in range(first, first + self.batch_size)]

    def _window(self, n: int) -> int:
        number, place = divmod(n, self.num_windows)
        if number != self._pass:
            self._order = shuffled_numbers(self.num_windows, (self.seed, number))
            self._pass = number
        return int(self._order[place])


def shuffled_numbers(count: int, seed: tuple[int, ...]) -> np.ndarray:
    """Return 0 ... `count` - 1 in random order, in 4 bytes each if they fit: every process holds this."""
    kind = np.int32 if count < 2**31 else np.int64
    return np.random.default_rng(seed).permutation(np.arange(count, dtype=kind))


@dataclass(frozen=True)
class Order:
    """What the order of training batches depends on; checkpoints hold it, with the batches trained on.

    Attributes:
        seed: of the shuffling.
        windows: how many there are.
        batch_size: windows per batch and rank.
        world_size: ranks.
        offset: place in the sequence of windows of the first one of batch 0.
    """

    seed: int
    windows: int
    batch_size: int
    world_size: int
    offset: int = 0

    @property
    def together(self) -> int:
        """Windows that all ranks draw at once."""
        return self.batch_size * self.world_size

    def going_on(self, saved: Mapping[str, Any]) -> Order:
        """Return this order, moved so that its next batch begins with the window after a checkpoint's."""
        batches = saved["batches"]
        drawn = saved.get("offset", 0) + batches * saved["batch_size"] * saved["world_size"]
        return replace(self, offset=drawn - batches * self.together)

    def differs(self, saved: Mapping[str, Any]) -> str | None:
        """Say how a checkpoint's order was unlike, and what that means; None if its batches just go on."""
        names = ("seed", "windows", "batch_size", "world_size")
        told = [
            f"{name} was {saved.get(name)} and is {getattr(self, name)}"
            for name in names
            if saved.get(name) != getattr(self, name)
        ]
        then = saved["batch_size"] * saved["world_size"]
        if (saved.get("seed"), saved.get("windows")) != (self.seed, self.windows):
            meaning = "windows come in another order, so in this pass some may come twice"
        elif then != self.together:
            meaning = f"an update sees {self.together} windows, not {then}; in this pass none comes twice"
        else:
            return None  # the same batches, maybe dealt out otherwise
        return f"Resuming with other batches than an uninterrupted run: {', '.join(told)}; {meaning}."
