"""How long the three Zelda stages would train here: hours projected from a few updates of each.

Update counts, batches and networks are those of ``tinyworlds fit --config configs/zelda_*.yaml``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from callbacks.find_batch_size import give_back
from tinyworlds.bench.config_updates import flops_of, largest_batch
from tinyworlds.bench.pairing import Pairing, in_units, pair
from tinyworlds.bench.report import Table, in_digits
from tinyworlds.fit.updates import Work, affordable, planned, update_of
from tinyworlds.models.registry import STAGES
from tinyworlds.nn.compiling import compile_network
from tinyworlds.training.stages import Stage

ORIGINAL_HOURS = 43
_COLUMNS = ("", "updates", "clips", "timed", "an update", "10-90 %", "clips/s", "utilisation", "hours")
_NOTES = (
    "clips: of an update of the config; timed: of those that were timed; the rest is for the config's clips",
    "utilisation: matrix products of loss and gradient over a large matrix product measured here",
    "neither reading nor logging nor validation is in it",
    f"the original took {ORIGINAL_HOURS} h on an RTX 4090 for these batches at 128 px, by its authors' word",
)
_FEWER = "a whole update would take longer than --seconds, so one of fewer clips was timed"
_MORE = "the largest batch is more than an update of the config: the same clips in fewer updates"


@dataclass(frozen=True)
class Way:
    """How updates are computed; `fills` looks for the largest batch."""

    name: str
    bf16: bool = False
    compiled: bool = False
    fills: bool = False


@dataclass(frozen=True)
class Projection:
    """One stage, one way.

    Attributes:
        stage: its name.
        plan: of the config.
        way: its name.
        clips: of an update that was timed.
        times: seconds of these updates.
        flops: of matrix products for one clip, forward and backward.
        peak: FLOP/s of a large matrix product in this precision.
    """

    stage: str
    plan: Work
    way: str
    clips: int
    times: Pairing
    flops: int
    peak: float

    @property
    def figures(self) -> dict[str, float]:
        """Of the median update, for as many clips as the config has in one."""
        timing, scale = self.times.timing(self.way), self.plan.clips / self.clips
        rate = self.clips / timing.median
        return {
            "seconds_an_update": timing.median * scale,
            "low": timing.low * scale,
            "high": timing.high * scale,
            "clips_per_second": rate,
            "utilisation": self.flops * rate / self.peak,
            "hours": self.plan.updates * timing.median * scale / 3600,
        }

    def row(self) -> tuple[str, ...]:
        """Of the table."""
        found = self.figures
        return (
            f"{self.stage.replace('_', ' ')}, {self.way}",
            f"{self.plan.updates:,}",
            str(self.plan.clips),
            str(self.clips),
            in_units(found["seconds_an_update"]),
            f"{in_units(found['low'])} - {in_units(found['high'])}",
            in_digits(found["clips_per_second"]),
            f"{found['utilisation']:.1%}",
            in_digits(found["hours"]),
        )


@dataclass(frozen=True)
class HoursFigures:
    """All stages, all ways."""

    projections: Sequence[Projection]

    def totals(self) -> dict[str, float]:
        """Hours of all stages, by way."""
        totals: dict[str, float] = {}
        for each in self.projections:
            totals[each.way] = totals.get(each.way, 0.0) + each.figures["hours"]
        return totals

    def tables(self) -> list[Table]:
        """Return one table: hours of each config and of all three."""
        blanks = [""] * (len(_COLUMNS) - 2)
        totals = [(f"all three, {way}", *blanks, in_digits(hours)) for way, hours in self.totals().items()]
        sizes = " and ".join(dict.fromkeys(f"{each.plan.frame_size} px" for each in self.projections))
        notes = list(_NOTES)
        notes += [_FEWER] * any(each.clips < each.plan.clips for each in self.projections)
        notes += [_MORE] * any(each.clips > each.plan.clips for each in self.projections)
        rows = (*(each.row() for each in self.projections), *totals)
        return [Table(f"Training of the Zelda configs, projected: {sizes}", _COLUMNS, rows, tuple(notes))]

    def to_dict(self) -> dict[str, Any]:
        """Hours; for each stage and way also seconds, FLOPs and FLOP/s."""
        stages = [
            {
                "stage": each.stage,
                "way": each.way,
                "updates": each.plan.updates,
                "clips_an_update": each.plan.clips,
                "clips_timed": each.clips,
                "flops_a_clip": each.flops,
                "peak": each.peak,
                "rounds": each.times.rounds,
            }
            | each.figures
            for each in self.projections
        ]
        return {"stages": stages, "hours": self.totals(), "original_hours": ORIGINAL_HOURS}


def ways_on(device: torch.device) -> list[Way]:
    """What is timed on a device."""
    if device.type != "cuda":
        return [Way("float32")]
    fast = Way("bf16, compiled", bf16=True, compiled=True)
    return [Way("float32"), fast, replace(fast, name="bf16, compiled, largest batch", fills=True)]


def measure(
    device: torch.device,
    rounds: int,
    seconds: float,
    peaks: Mapping[str, float],
    words: Sequence[str] = (),
    say: Callable[[str], None] = lambda text: None,
) -> HoursFigures:
    """Project all stages in all ways.

    Args:
        device: where updates run.
        rounds: of each, at least.
        seconds: of each, at least; on a CPU an update has fewer clips where a whole one would take longer.
        peaks: what `tinyworlds.bench.training.peak_flops` gave.
        words: further settings, as for ``tinyworlds fit``.
        say: told what is being measured.
    """
    found = []
    for spec in STAGES.values():
        suffix = spec.config_suffix
        for way in ways_on(device):
            say(f"hours: zelda {suffix.replace('_', ' ')}, {way.name}")
            plan, stage = planned(["--config", f"zelda_{suffix}.yaml", *words])
            found.append(_project(stage.to(device), plan, way, rounds, seconds, peaks))
            give_back(device)
    return HoursFigures(found)


def _project(
    stage: Stage, plan: Work, way: Way, rounds: int, seconds: float, peaks: Mapping[str, float]
) -> Projection:
    flops, batch, accumulate = flops_of(stage, plan), plan.batch, plan.accumulate
    if way.fills:
        batch = largest_batch(stage, plan, way.bf16)
        accumulate = max(1, round(plan.clips / batch))
    elif stage.device.type == "cpu":
        batch, accumulate = affordable(stage, plan, seconds)
    if way.compiled:
        compile_network(stage.network)
    update = update_of(stage, plan, batch, accumulate, way.bf16)
    wait = torch.cuda.synchronize if stage.device.type == "cuda" else None
    times = pair({way.name: update}, rounds, seconds, warmup=2 if way.compiled else 1, synchronize=wait)
    peak = peaks["bf16" if way.bf16 else "float32"]
    return Projection(stage.name, plan, way.name, batch * accumulate, times, flops, peak)
