"""What a play test found: plain values, and the ten lines that a player reads."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

from tinyworlds.metrics.estimate import Estimate
from tinyworlds.system.text import visible


@dataclass(frozen=True)
class KeyResult:
    """One key, held.

    Attributes:
        name: of its action.
        sent: the action that the world was sent; None where it has none for this key, so that it idled.
        read_back: share of the frames from which the key was read, by band.
        change: mean change from frame to frame in the dream, of 255, by band.
        change_game: the same in the game: of the recording wherever this action was held, or of the real game
            from the same places, by band; NaN where nobody held it.
        read_game: share read right in true frames that were not trained on.
        read_real: share read right in the real game from the same places, by band; empty if nobody played it.
        life: change in the dream as a share of the game's, by band.
        pressed: names of the keyboard's keys for it.
    """

    name: str
    sent: int | None
    read_back: tuple[float, ...]
    change: tuple[float, ...]
    change_game: tuple[float, ...]
    read_game: float
    life: tuple[float, ...]
    read_real: tuple[float, ...] = ()
    pressed: tuple[str, ...] = ()

    @property
    def overall(self) -> float:
        """Share read back in all bands alike."""
        return statistics.mean(self.read_back)


MOVING = 0.05
"""Change a frame, of 255, from which on a game is said to move at all: less is 0.0 in every table."""


@dataclass(frozen=True)
class PlayTest:
    """A world as somebody meets it who plays it.

    Attributes:
        bands: first and last frame of each band, counted from 1.
        keys: what was held.
        read_back: the mean over keys, by band; intervals over the episodes of the starts.
        macro_f1: the mean over keys of the F1 score, by band.
        reader: what read the keys: "true actions" for one trained on them, "action model" for the world's
            own.
        num_starts: from how many starts each was held.
        real: whether the real game was played beside it.
        drift_bands: first and last frame of each.
        drift: Fréchet distance of the dream from true frames, in each of them.
        drift_floor: that of true frames.
    """

    bands: tuple[tuple[int, int], ...]
    keys: tuple[KeyResult, ...]
    read_back: tuple[Estimate, ...]
    macro_f1: tuple[float, ...]
    reader: str
    num_starts: int
    drift_bands: tuple[tuple[int, int], ...] = ()
    drift: tuple[float, ...] = ()
    drift_floor: float = math.nan
    real: bool = False

    def __repr__(self) -> str:
        shares = ", ".join(f"{visible(key.name)} {key.overall:.2f}" for key in self.keys)
        return f"PlayTest of {len(self.keys)} keys from {self.num_starts} starts, read back: {shares}"

    @property
    def read_game(self) -> float:
        """Mean over keys of what is read right in true frames: no dream can be expected to do better."""
        return statistics.mean(key.read_game for key in self.keys)

    def figures(self) -> dict[str, Estimate]:
        """The figures of `tinyworlds.evaluation.rows.PLAYED`."""
        found = {
            f"read_back_{first}_{last}": figure
            for (first, last), figure in zip(self.bands, self.read_back, strict=True)
        }
        lives = [life for key in self.keys for life in key.life if math.isfinite(life)]
        exact = {"read_back_weakest": min(self.weakest.read_back[1:])}
        if lives:
            exact |= {"life_least": min(lives), "life_most": max(lives)}
        moving = [
            life
            for key in self.keys
            for life, change in zip(key.life, key.change_game, strict=True)
            if change >= MOVING
        ]
        if moving:  # beside a game that stands still, any flicker is many times as much
            exact |= {"life_least_moving": min(moving), "life_most_moving": max(moving)}
        if self.drift:
            exact["drift_ratio"] = self.drift[-1] / self.drift[1]
        return {**found, **{name: Estimate.exact(value) for name, value in exact.items()}}

    @property
    def weakest(self) -> KeyResult:
        """The key that is read back worst after the first band."""
        return min(self.keys, key=lambda key: min(key.read_back[1:]))
