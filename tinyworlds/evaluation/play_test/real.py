"""The real game under the same keys, from the same places: what a dream is compared with.

Shapes: S starts, T frames, H W pixels; frames are uint8.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class RealPlay:
    """A real game, played.

    Attributes:
        frames: what was seen before keys were held, [S, T, H, W, 3].
        actions: those taken between them, int64 [S, T-1], places in `names`.
        names: of the game's actions.
        held: by name of an action what was seen while it was held, [S, 1 + n, H, W, 3], the last of `frames`
            first.
        lived: by name how many of its n frames there are, int64 [S]; the rest are blank: the episode ended.
    """

    frames: np.ndarray
    actions: np.ndarray
    names: tuple[str, ...]
    held: Mapping[str, np.ndarray]
    lived: Mapping[str, np.ndarray]


class RealGame(Protocol):
    """A game that can be played."""

    def play(
        self,
        count: int,
        context: int,
        num_held: int,
        frame_size: int,
        progress: Callable[[float], None] | None = None,
    ) -> RealPlay:
        """Come to `count` places, and hold every key from each of them.

        Args:
            count: S.
            context: T.
            num_held: for how many frames.
            frame_size: H and W.
            progress: told the share done, 0 to 1.

        Raises:
            TinyWorldsError: the game fails, or does not come to the same place twice.
        """
