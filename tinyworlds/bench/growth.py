"""How a frame's cost grows with the number of past frames and with the frame size.

The cost by sessions played at once is in `tinyworlds.bench.play`; ``benchmarks.plots`` draws all three.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import torch

from tinyworlds.bench.competent import COMPETENT, competent
from tinyworlds.bench.pairing import Pairing, in_units, pair
from tinyworlds.bench.play import OURS, plain_play, playing, synchronizer
from tinyworlds.bench.report import BASELINES, REFERENCE, Table, ratio_cell
from tinyworlds.bench.sizes import Size, references, same_weights
from tinyworlds.bench.worlds import our_world, reference_world

CONTEXT = "past frames"
FRAME_SIZE = "frame size"
_PATIENCE_S = 8.0  # the reference is given up where a frame takes longer


@dataclass(frozen=True)
class GrowthFigures:
    """Times of a frame by one quantity.

    Attributes:
        size: what was played otherwise.
        quantity: what grows.
        by_value: times by its value; a baseline is missing where it took too long.
    """

    size: Size
    quantity: str
    by_value: Mapping[int, Pairing]

    def tables(self) -> list[Table]:
        """Return one table: times of a frame, one row a value of what grows."""
        rows = []
        for value, times in self.by_value.items():
            timed = [name for name in (*BASELINES.values(), OURS) if name in times.seconds]
            taken = {name: in_units(times.timing(name).median) for name in timed}
            ratios = {name: ratio_cell(times, name, OURS) for name in timed}
            rows.append(
                (
                    str(value),
                    *(taken.get(name, "too long") for name in (*BASELINES.values(), OURS)),
                    *(ratios.get(name, "") for name in BASELINES.values()),
                )
            )
        columns = (self.quantity, *BASELINES.values(), OURS, *BASELINES)
        return [Table(f"A frame by {self.quantity}, {self.size.name}", columns, tuple(rows))]

    def to_dict(self) -> dict[str, Any]:
        """Seconds a frame by value."""
        found = {
            str(value): times.to_dict(against=[name for name in BASELINES.values() if name in times.seconds])
            for value, times in self.by_value.items()
        }
        return {"size": self.size.name, "quantity": self.quantity, "by_value": found}


def measure_contexts(
    size: Size, device: torch.device, contexts: Sequence[int], rounds: int, seconds: float
) -> GrowthFigures:
    """Time a step with more and more past frames."""
    grown = {context: replace(size, play_context=context) for context in contexts}
    return GrowthFigures(size, CONTEXT, _measure(grown, device, rounds, seconds))


def measure_frame_sizes(
    size: Size, device: torch.device, frame_sizes: Sequence[int], rounds: int, seconds: float
) -> GrowthFigures:
    """Time a step with larger and larger frames, of patches of the same size."""
    grown = {pixels: replace(size, frame_size=pixels) for pixels in frame_sizes}
    return GrowthFigures(size, FRAME_SIZE, _measure(grown, device, rounds, seconds))


def _measure(
    sizes: Mapping[int, Size], device: torch.device, rounds: int, seconds: float
) -> dict[int, Pairing]:
    by_value, patient_with = {}, set(BASELINES.values())
    for value, size in sizes.items():
        theirs = {stage: network.to(device) for stage, network in references(size, lively=True).items()}
        with ExitStack() as processes:
            contestants = {OURS: playing(our_world(same_weights(size, theirs), size, device), size)}
            if REFERENCE in patient_with:
                contestants[REFERENCE] = playing(reference_world(theirs, size), size)
            if COMPETENT in patient_with:
                plain = competent(plain_play, size, str(device))
                contestants[COMPETENT] = processes.enter_context(plain)
            times = pair(contestants, rounds, seconds, warmup=1, synchronize=synchronizer(device))
        patient_with = {name for name in patient_with if times.timing(name).median < _PATIENCE_S}
        by_value[value] = times
    return by_value
