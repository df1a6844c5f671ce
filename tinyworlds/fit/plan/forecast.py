"""How long settings will take that say by themselves how long to train."""

from __future__ import annotations

from collections.abc import Sequence

from tinyworlds.fit.plan.facts import Machine, Words
from tinyworlds.fit.plan.making import BESIDE
from tinyworlds.fit.plan.plan import in_columns

NOT_WORTH_MEASURING = 100
"""Updates of a stage that nobody waits long for."""


def forecast(words: Words, stages: Sequence[str], machine: Machine) -> tuple[list[str], float]:
    """Return lines that say how long `stages` will train, and the seconds of all together.

    Args:
        words: settings of each stage.
        stages: those that are still to be trained.
        machine: answers how fast the stages go.
    """
    rows, total = [("stage", "size", "updates", "updates/s", "time")], 0.0
    for stage in stages:
        pace = machine.pace(words, stage)
        seconds = BESIDE * pace.update_s * pace.updates if pace.updates > 0 else float("inf")
        total += seconds
        updates = f"{pace.updates:,}" if pace.updates > 0 else "no end"
        cells = (updates, f"{1 / (BESIDE * pace.update_s):.3g}", duration(seconds))
        rows.append((stage.replace("_", " "), pace.size, *cells))
    return in_columns(rows), total


def duration(seconds: float) -> str:
    """Return ``about`` how long, for people: 40 s, 12 min, 5.5 h, 3 days."""
    for unit, size, until in (("s", 1, 90), ("min", 60, 90), ("h", 3600, 72)):
        value = seconds / size
        if value < until:
            return f"{value:.1f} {unit}" if size == 3600 and value < 9.95 else f"{value:.0f} {unit}"
    return f"{seconds / 86_400:,.0f} days" if seconds < float("inf") else "until you stop it"
