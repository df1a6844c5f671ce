"""Timing things in turn, in one process: a noisy machine slows all of them alike, so ratios stay true.

    times = pair({"reference": plain, "ours": fast}, rounds=20, seconds=10)
    times.ratio("reference", "ours").median    # how many times faster ours is
    print(table(times, against="reference"))

Every round runs each contestant once, in the order given: A B C, A B C, ...
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Timing:
    """One contestant, in seconds; `low` and `high` are the 10th and 90th percentile of its rounds."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Ratio:
    """How many times longer one took than another: median, 10th and 90th percentile of the rounds' ratios."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Pairing:
    """What was measured: seconds of every round by name, in the order of the rounds."""

    seconds: Mapping[str, tuple[float, ...]]

    @property
    def rounds(self) -> int:
        """How many rounds were timed."""
        return min(len(taken) for taken in self.seconds.values())

    def timing(self, name: str) -> Timing:
        """Median and spread of a contestant."""
        return Timing(*_spread(self.seconds[name]))

    def ratio(self, slow: str, fast: str) -> Ratio:
        """Seconds of `slow` over seconds of `fast`, round by round: above 1 where `fast` is faster."""
        return Ratio(*_spread(np.array(self.seconds[slow]) / np.array(self.seconds[fast])))

    def to_dict(self, against: Sequence[str] = ()) -> dict[str, Any]:
        """Numbers for a JSON file; also how many times faster than those `against` each one is."""
        timings = {name: asdict(self.timing(name)) for name in self.seconds}
        report: dict[str, Any] = {"rounds": self.rounds, "seconds": timings}
        if against:
            report["speedup"] = {
                slow: {name: asdict(self.ratio(slow, name)) for name in self.seconds} for slow in against
            }
        return report


def pair(
    contestants: Mapping[str, Callable[[], object]],
    rounds: int = 10,
    seconds: float = 5.0,
    warmup: int = 2,
    synchronize: Callable[[], object] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Pairing:
    """Time the contestants in turn.

    Args:
        contestants: What to call, by name.
        rounds: At least so many rounds, however long they take.
        seconds: Go on with further rounds until this has passed.
        warmup: Rounds that do not count: compilation, caches, allocations.
        synchronize: Called before each look at the clock, such as ``torch.cuda.synchronize``.
        clock: Seconds.
    """
    if not contestants or rounds < 1:
        raise ValueError("there is nothing to time: give a contestant and at least one round")

    def now() -> float:
        if synchronize is not None:
            synchronize()
        return clock()

    for _ in range(warmup):
        for run in contestants.values():
            run()
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    begun, done = now(), 0
    while done < rounds or now() - begun < seconds:
        for name, run in contestants.items():
            start = now()
            run()
            taken[name].append(now() - start)
        done += 1
    return Pairing({name: tuple(values) for name, values in taken.items()})


def table(pairing: Pairing, against: str | None = None) -> str:
    """A few lines of text: median, spread, and with `against` how many times faster than that."""
    rows = [("", "median", "10-90 %", *(["times faster"] if against else []))]
    for name in pairing.seconds:
        timing = pairing.timing(name)
        row = [name, in_units(timing.median), f"{in_units(timing.low)} - {in_units(timing.high)}"]
        if against is not None:
            ratio = pairing.ratio(against, name)
            spread = f" ({ratio.low:.2f} - {ratio.high:.2f})"
            row.append("1" if name == against else f"{ratio.median:.2f}{spread}")
        rows.append(tuple(row))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in [*lines, f"{pairing.rounds} rounds, in turn"])


def in_units(seconds: float) -> str:
    """Three digits and a unit: 1.23 s, 45.6 ms, 789 us."""
    # what rounds to 1000 of one unit is 1 of the next
    unit, size = next((u, s) for u, s in (("s", 1), ("ms", 1e-3), ("us", 0)) if seconds >= 0.9995 * s)
    value = seconds / (size or 1e-6)
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f} {unit}"


def _spread(values: Any) -> tuple[float, float, float]:
    """Median, 10th and 90th percentile."""
    middle, low, high = np.quantile(values, [0.5, 0.1, 0.9])
    return float(middle), float(low), float(high)
