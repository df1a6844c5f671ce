"""How a session keeps up: what a player sees of it, and what is said at its end."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable

_KEPT = 600  # latencies that are remembered


class Pace:
    """How a session keeps up: frames a second, frames that came too late, and how soon keys act.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.dropped = 0
        self.latencies: deque[float] = deque(maxlen=_KEPT)  # seconds from a key to its frame, latest last
        self._clock = clock
        self._ticks: deque[float] = deque(maxlen=30)
        self._before = 0.0  # frames per second before the last rest

    def ticked(self) -> None:
        """Note that a frame is done."""
        self._ticks.append(self._clock())

    def rested(self) -> None:
        """Note that nothing was asked of the world for a while: the rate is measured anew."""
        self._before = self.fps
        self._ticks.clear()

    def shown(self, pressed_at: float | None) -> None:
        """Note that a frame is in sight in which a key acts that was pressed then."""
        if pressed_at is not None:
            self.latencies.append(self._clock() - pressed_at)

    @property
    def fps(self) -> float:
        """Frames per second reached lately."""
        span = self._ticks[-1] - self._ticks[0] if self._ticks else 0.0
        return (len(self._ticks) - 1) / span if span > 0 else self._before

    def summary(self) -> str:
        """What a session amounted to, in a line."""
        said = f"{self.fps:.1f} frames/s, {self.dropped} dropped"
        if not self.latencies:
            return said
        ordered = sorted(self.latencies)
        worst = ordered[min(int(0.95 * len(ordered)), len(ordered) - 1)]
        median = statistics.median(ordered)
        return f"{said}; key to frame {1000 * median:.0f} ms (95 %: {1000 * worst:.0f} ms)"

    @property
    def latency_ms(self) -> float | None:
        """Median of the last keys, in milliseconds."""
        latest = list(self.latencies)[-10:]
        return 1000 * statistics.median(latest) if latest else None
