"""A figure and how sure it is."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval over `count` episodes.

    An interval of no width is exact; one without ends says that none can be given, as from a single episode.
    """

    value: float
    low: float
    high: float
    count: int

    @classmethod
    def exact(cls, value: float) -> Estimate:
        """A count, which is what it is."""
        return cls(value, value, value, 0)

    @property
    def has_interval(self) -> bool:
        """Whether an interval could be given."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def half_width(self) -> float:
        """Half the interval: what stands behind the plus-minus sign."""
        return (self.high - self.low) / 2
