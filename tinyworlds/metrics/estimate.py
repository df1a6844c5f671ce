"""A mean and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval over `count` independent values; an interval of no width is exact."""

    mean: float
    low: float
    high: float
    count: int

    @property
    def half_width(self) -> float:
        """Half the interval: what stands behind the plus-minus sign."""
        return (self.high - self.low) / 2
