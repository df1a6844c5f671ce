"""Keys held in a dream, from true frames on.

Shapes: S starts, T frames, H W pixels; frames are uint8.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from tinyworlds.evaluation.play_test.reader import TRIPLE
from tinyworlds.media.pixels import frames_to_input, input_to_frames
from tinyworlds.world.core import WorldCore

BANDS = ((1, 4), (5, 16), (17, 32), (33, 64))
"""Frames that are told apart, first and last of each, counted from 1 after the key went down."""

NUM_HELD = BANDS[-1][1]
"""How long a key is held, in frames."""


@dataclass(frozen=True)
class Key:
    """A key of the game.

    Attributes:
        name: of its action.
        action: what a reader should see, a number.
        sent: the action the world is sent while it is held; None where the world has none for it, so that
            the idle one is.
        pressed: names of the keyboard's keys for it.
    """

    name: str
    action: int
    sent: int | None
    pressed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Starts:
    """Where dreams begin.

    Attributes:
        frames: the world's context, uint8 [S, T, H, W, C].
        actions: between them, int64 [S, T-1], for worlds that play by recorded ones; None has them inferred.
        episodes: which episode each is from, int64 [S].
    """

    frames: np.ndarray
    actions: np.ndarray | None
    episodes: Tensor

    def __len__(self) -> int:
        return len(self.frames)


def dream(world: WorldCore, starts: Starts, sent: np.ndarray, seed: int = 0) -> Tensor:
    """Play on from every start and return what was shown, uint8 [S, 2 + T, H, W, C], on the CPU.

    The first two frames are the last that were given, as the tokenizer sees them.

    Args:
        world: whose networks dream.
        starts: S of them.
        sent: the actions, int [S, T].
        seed: of the sampling.
    """
    session = world.session()
    given = _seen(world, starts.frames)
    session.reset_many(starts.frames, starts.actions, seed)
    shown = [torch.from_numpy(session.step_many(actions)) for actions in sent.T]
    return torch.cat([given, torch.stack(shown, dim=1)], dim=1)


@torch.inference_mode()
def _seen(world: WorldCore, frames: np.ndarray) -> Tensor:
    """The last two of given frames through the tokenizer and back, uint8 [S, 2, H, W, C]."""
    pixels = frames_to_input(torch.from_numpy(np.ascontiguousarray(frames)).to(world.device))
    shown = input_to_frames(world.tokenizer.decode(world.tokenizer.encode(pixels))).cpu()
    missing = max(TRIPLE - 1 - shown.shape[1], 0)
    return torch.cat([*[shown[:, :1]] * missing, shown], dim=1)[:, 1 - TRIPLE :]


def change_of(frames: Tensor) -> Tensor:
    """Mean distance of each frame from the one before, of 255: uint8 [S, T, H, W, C] -> float [S, T-1]."""
    steps = [
        (after.short() - before.short()).abs().float().mean(dim=(1, 2, 3))
        for before, after in pairwise(frames.unbind(1))
    ]
    return torch.stack(steps, dim=1)


def by_band(values: Tensor) -> Tensor:
    """Means over the frames of each band: [S, NUM_HELD] -> [S, len(BANDS)]."""
    return torch.stack([values[:, first - 1 : last].float().mean(dim=1) for first, last in BANDS], dim=1)


def over_bands(values: Tensor, there: Tensor) -> list[float]:
    """Means over the frames of each band that are there, bool [S, NUM_HELD] as `values`; NaN for none."""
    parts = [(values[:, a - 1 : b], there[:, a - 1 : b]) for a, b in BANDS]
    return [float(part[known].mean()) for part, known in parts]
