"""Training batches in an order fixed by the seed and the batch number alone: resuming is exact."""

from __future__ import annotations

from collections.abc import Callable, Iterator

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
    ) -> None:
        super().__init__(range(num_windows), num_replicas=world_size, rank=rank, seed=seed)  # type: ignore[arg-type]
        self.num_windows = num_windows
        self.batch_size = batch_size
        self.num_batches = num_batches
        self.position = position
        self._pass = -1
        self._order = np.empty(0, np.int64)

    def __len__(self) -> int:
        return self.num_batches

    def __iter__(self) -> Iterator[list[int]]:
        start = self.position()
        for k in range(start, start + self.num_batches):
            yield self.batch(k)

    def batch(self, k: int) -> list[int]:
        """Return the window numbers of batch `k` (counted over all epochs) for this rank."""
        first = (k * self.num_replicas + self.rank) * self.batch_size
        return [self._window(n) for n in range(first, first + self.batch_size)]

    def _window(self, n: int) -> int:
        number, place = divmod(n, self.num_windows)
        if number != self._pass:
            self._order = np.random.default_rng((self.seed, number)).permutation(self.num_windows)
            self._pass = number
        return int(self._order[place])
