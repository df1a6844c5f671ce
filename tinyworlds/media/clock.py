"""A constant frame rate from whatever times the pictures of a video have."""

from __future__ import annotations

import math
from dataclasses import dataclass

LONGEST_PICTURE_S = 60.0
"""A picture that stays longer is a pause of the recorder, or the times are broken; it is not filled up."""

_BACKWARDS_S = 1.0  # times that fall by more begin anew; by less, they are noise
_NEARLY_HALF = 0.49  # a half would let rounding errors decide


@dataclass
class Clock:
    """Ticks `fps` times a second; the frame of a tick is the picture shown at that time.

    A picture that appears up to half its own duration after a tick counts as shown, so that 29.97 pictures a
    second give every second one at 15 frames a second.

    Attributes:
        fps: ticks per second.
        interval_s: usual time from one picture to the next, in seconds.
        base_s: time of tick 0.
        count: ticks passed.
    """

    fps: float
    interval_s: float
    base_s: float
    count: int = 0

    def due(self, until_s: float) -> int:
        """Return how many ticks lie before a picture that appears at `until_s`."""
        slack = _NEARLY_HALF * min(self.interval_s * self.fps, 1.0)
        return max(0, math.ceil((until_s - self.base_s) * self.fps - slack) - self.count)

    def jumps(self, time_s: float, next_s: float) -> bool:
        """Whether the time from one picture to the next is no duration: a gap, or a fall."""
        return not time_s - _BACKWARDS_S <= next_s <= time_s + LONGEST_PICTURE_S

    def restart(self, time_s: float) -> None:
        """Let tick 0 be at `time_s`."""
        self.base_s, self.count = time_s, 0
