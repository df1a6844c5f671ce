"""Keys and values of past frames, so that a pass over new frames need not run the past again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from tinyworlds.nn.positions import MAX_FRAMES


def _unturned(x: Tensor, first_frame: int) -> Tensor:
    return x


class TimeMemory:
    """Keys and values of past frames, so that frames after them need not run the past again.

    A pass inside `growing` adds its frames; every other pass only reads, as often as wanted. Since time is
    causal, a pass over later frames gives what a pass over all frames would give. Beyond `limit` frames the
    oldest are forgotten; keys are kept as they were before rotation, so that the window can slide.

    Args:
        limit: Most frames to keep; None keeps all.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.num_frames = 0
        self._limit = limit
        self._grows = False
        self._kept: dict[nn.Module, tuple[Tensor, Tensor, Tensor]] = {}  # keys, turned keys, values
        self.planes: Tensor | None = None  # of all layers, as `native_transformer` keeps them

    @property
    def grows(self) -> bool:
        """Whether the frames of this pass are remembered."""
        return self._grows

    @contextmanager
    def growing(self, num_frames: int) -> Iterator[None]:
        """Remember the `num_frames` frames that pass inside."""
        self._grows = True
        yield
        self._grows = False
        self.num_frames = min(self.num_frames + num_frames, self._limit or MAX_FRAMES)

    def extend(
        self, layer: nn.Module, key: Tensor, value: Tensor, turn: Turn = _unturned
    ) -> tuple[Tensor, Tensor]:
        """Put the past in front of a layer's keys and values ``[B, T, P, heads, d]``.

        Args:
            layer: Whose they are.
            key: Keys, not rotated.
            value: Values.
            turn: Rotates keys, given the index of their first frame.

        Returns:
            Turned keys and values of all frames.
        """
        assert self.planes is None, "a memory is kept by native passes, or by others"
        keys, values = turn(key, self.num_frames), value
        past = self._kept.get(layer)
        if past is not None:
            keys, values = torch.cat([past[1], keys], dim=1), torch.cat([past[2], value], dim=1)
        if self._grows:
            kept = key if past is None else torch.cat([past[0], key], dim=1)
            first = self._surplus(kept.shape[1])
            kept = kept[:, first:]
            self._kept[layer] = kept, turn(kept, 0) if first else keys, values[:, first:]
        return keys, values

    def extend_planes(self, planes: Tensor) -> None:
        """Remember new frames ``[layers, B, T, ...]`` behind those in `planes`."""
        assert not self._kept, "a memory is kept by native passes, or by others"
        joined = planes if self.planes is None else torch.cat([self.planes, planes], dim=2)
        self.planes = joined[:, :, self._surplus(joined.shape[2]) :]

    def _surplus(self, num_frames: int) -> int:
        return max(num_frames - (self._limit or MAX_FRAMES), 0)


class NoMemory:
    """Stands for a memory where there is none: the frames given are all there are."""

    num_frames = 0
    grows = False
    planes = None

    def extend(
        self, layer: nn.Module, key: Tensor, value: Tensor, turn: Turn = _unturned
    ) -> tuple[Tensor, Tensor]:
        """Give back turned keys, and values as they are."""
        return turn(key, 0), value


Turn = Callable[[Tensor, int], Tensor]
Memory = TimeMemory | NoMemory
NO_MEMORY = NoMemory()
