"""What a frame of play costs: `World.step` against the plain reference, with the same weights, in turn.

Before anything is timed, worlds that go on from codes must decode the codes that the reference decodes at
temperature 0. The references that are timed go on from pixels, as the original plays: once as it is written,
once with what everybody would switch on today (`tinyworlds.bench.competent`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import cycle
from typing import Any

import numpy as np
import torch

from tinyworlds.bench.competent import COMPETENT, competent
from tinyworlds.bench.pairing import Pairing, pair
from tinyworlds.bench.reference import ReferenceWorld, use_sdpa
from tinyworlds.bench.report import BASELINES, REFERENCE, Table, in_digits, ratio_cells, time_cells
from tinyworlds.bench.sizes import Networks, Size, references, same_weights, v2_networks
from tinyworlds.bench.worlds import (
    CodeMatch,
    actions_of,
    compare_codes,
    our_world,
    players,
    reference_codes,
    reference_world,
    start,
)
from tinyworlds.models.maskgit import AS_PLAYED
from tinyworlds.nn.transformer import runs_natively
from tinyworlds.world.core import WorldCore

OURS = "ours"
BY_DEFAULT = {"v2 as it plays": AS_PLAYED, "the same, likeliest codes": replace(AS_PLAYED, temperature=0.0)}


@dataclass(frozen=True)
class StepFigures:
    """A step of play at one size.

    Attributes:
        size: what was played.
        times: seconds a frame.
        matches: for each world that goes on from codes with v1 weights, whether they are the reference's.
        notes: what could not be measured.
    """

    size: Size
    times: Pairing
    matches: Mapping[str, CodeMatch]
    notes: tuple[str, ...] = ()

    def tables(self) -> list[Table]:
        """Return one table: times of a frame, one row a contestant."""
        rows = []
        for name in self.times.seconds:
            fps = in_digits(1 / self.times.timing(name).median)
            codes = str(self.matches.get(name, ""))
            rows.append((name, *time_cells(self.times, name), fps, *ratio_cells(self.times, name), codes))
        size, known = self.size, max(match.num_codes for match in self.matches.values())
        title = (
            f"World.step, {size.name}: {size.frame_size} px, patch {size.patch_size}, context "
            f"{size.play_context}, {size.num_steps} decoding steps ({self.times.rounds} rounds in turn)"
        )
        columns = ("", "a frame", "10-90 %", "frames/s", *BASELINES, "codes at temperature 0")
        told = f"references go on from pixels; codes are compared where they do not: {known} different ones"
        return [Table(title, columns, tuple(rows), (told, *self.notes))]

    def to_dict(self) -> dict[str, Any]:
        """Seconds a frame."""
        codes = {name: asdict(match) | {"equal": match.equal} for name, match in self.matches.items()}
        settings = self.size.config | {
            "play_context": self.size.play_context,
            "num_steps": self.size.num_steps,
        }
        times = self.times.to_dict(against=[*BASELINES.values()])
        return {"size": self.size.name} | settings | times | {"codes": codes, "notes": list(self.notes)}


@dataclass(frozen=True)
class SessionFigures:
    """Many sessions at once: seconds of a step of all of them, by their number."""

    size: Size
    times: Pairing

    def tables(self) -> list[Table]:
        """Return one table: times of a step, one row a number of sessions."""
        rows = []
        for count in self.times.seconds:
            median = self.times.timing(count).median
            rows.append((count, *time_cells(self.times, count), in_digits(int(count) / median)))
        columns = ("sessions", "a step of all", "10-90 %", "frames/s in all")
        return [Table(f"Sessions played at once, {self.size.name}", columns, tuple(rows))]

    def to_dict(self) -> dict[str, Any]:
        """Seconds of a step by number of sessions."""
        return {"size": self.size.name, "by_sessions": self.times.to_dict()}


def measure_step(
    size: Size, device: torch.device, rounds: int, seconds: float, num_compared: int, compiled: bool = True
) -> StepFigures:
    """Compare codes over `num_compared` frames, then time a step of each contestant."""
    theirs = {stage: network.to(device) for stage, network in references(size, lively=True).items()}
    ours, v2 = same_weights(size, theirs), v2_networks(size)
    truth = reference_codes(theirs, size, num_compared)
    variants = _variants(device, compiled and not _runs_natively(ours, device))
    matches, notes = {}, []
    with competent(plain_play, size, str(device)) as plain:
        contestants = {REFERENCE: playing(reference_world(theirs, size), size), COMPETENT: plain}
        for name, settings in variants.items():
            try:
                world = our_world(ours, size, device, **settings)
                matches[name] = compare_codes(world, truth, size)
                contestants[name] = playing(world, size)
            except Exception as error:  # compilers fail in many ways; the other figures are still of use
                if not settings.get("compile"):
                    raise
                notes.append(f"{name} failed: {type(error).__name__}: {' '.join(str(error).split())[:200]}")
        contestants["v2"] = playing(our_world(v2, size, device), size)
        for name, sampling in BY_DEFAULT.items():
            world = WorldCore(*players(v2), precision="32", device=device, **asdict(sampling))
            contestants[name] = playing(world, size)
        times = pair(contestants, rounds, seconds, warmup=1, synchronize=synchronizer(device))
    return StepFigures(size, times, matches, (*notes, "v2 has other weights, so other codes; untrained"))


def _runs_natively(networks: Networks, device: torch.device) -> bool:
    """Whether kernels run the passes of play, so that nothing is left to compile."""
    return device.type == "cpu" and all(map(runs_natively, players(networks)))


def plain_play(size: Size, device: str) -> Callable[[], object]:
    """A call that plays one frame on with the reference and PyTorch's own attention."""
    networks = {stage: network.to(device) for stage, network in references(size, lively=True).items()}
    for network in networks.values():
        use_sdpa(network)
    return playing(reference_world(networks, size), size)


def measure_sessions(
    size: Size, device: torch.device, counts: Sequence[int], rounds: int, seconds: float
) -> SessionFigures:
    """Time a step of many sessions."""
    networks, contestants = same_weights(size, references(size, lively=True)), {}
    frames, past = start(size)
    for count in counts:
        world = our_world(networks, size, device)
        world.reset_many(np.stack([frames] * count), np.stack([past] * count))
        contestants[str(count)] = _many(world, size, count)
    return SessionFigures(size, pair(contestants, rounds, seconds, synchronize=synchronizer(device)))


def _variants(device: torch.device, compiled: bool) -> dict[str, dict[str, Any]]:
    """Settings of the worlds that play v1 weights."""
    variants: dict[str, dict[str, Any]] = {OURS: {}}
    on_gpu = device.type == "cuda"
    if on_gpu:
        variants[f"{OURS}, no CUDA graphs"] = {"cuda_graphs": False}
        variants[f"{OURS}, bf16"] = {"precision": "bf16"}
    if compiled:
        variants[f"{OURS}, compiled"] = {"compile": True}
    if compiled and on_gpu:
        variants[f"{OURS}, compiled, bf16"] = {"compile": True, "precision": "bf16"}
    return variants


def playing(world: WorldCore | ReferenceWorld, size: Size) -> Callable[[], object]:
    """A call that plays one frame on."""
    world.reset(*start(size))
    actions = cycle(actions_of(size, 64))
    return lambda: world.step(next(actions))


def _many(world: WorldCore, size: Size, count: int) -> Callable[[], object]:
    actions = cycle(actions_of(size, 64))
    return lambda: world.step_many([next(actions) for _ in range(count)])


def synchronizer(device: torch.device) -> Callable[[], object] | None:
    """Return what waits for the work on a device; None where calls return when they are done."""
    return torch.cuda.synchronize if device.type == "cuda" else None
