"""What an update costs: each stage's step in plain v1 against ours, on the same clips, in turn.

A step is loss, gradient, clipping at norm 1 and optimizer, without Lightning's loop around it. The plain
dynamics step runs the frozen tokenizer and action model at every update. Ours is given codes that were made
once; making them costs something too, so it is timed with encoding in every update as well, and what lies
between is said for a run that goes over its frames as often as the quickstart's does.
"""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from tinyworlds.bench import reference
from tinyworlds.bench.competent import COMPETENT, competent
from tinyworlds.bench.pairing import Pairing, in_units, pair
from tinyworlds.bench.report import BASELINES, REFERENCE, Table, in_digits, ratio_cells, time_cells
from tinyworlds.bench.sizes import Networks, Size, clips, references, same_weights
from tinyworlds.nn.compiling import compile_network
from tinyworlds.training.optim import build_optimizer

PLAIN = "ours"
ENCODING = "ours, encoding in every update"
FAST = "ours, bf16, compiled"
REUSE = 1500 * 10 * 5 / 16_000
"""How often the quickstart's dynamics see a frame (configs/doom_dynamics.yaml): updates, clips of an update,
frames of a clip; over the frames recorded."""
WEIGHT_DECAY = 0.01  # the stages' default
MAX_NORM = 1.0

Step = Callable[[], Tensor]


@dataclass(frozen=True)
class Codes:
    """What the frozen stages say of clips: code ids [B, T, P] and action ids [B, T-1], both int64."""

    ids: Tensor
    action_ids: Tensor


@dataclass(frozen=True)
class StageFigures:
    """Updates of one stage.

    Attributes:
        stage: its name.
        size: of the networks.
        batch: clips of an update.
        times: seconds of an update.
        losses: after the last update.
        flops: of a plain update, forward and backward, frozen stages not counted.
        peaks: FLOP/s of a large matrix product on this machine, by precision.
    """

    stage: str
    size: Size
    batch: int
    times: Pairing
    losses: Mapping[str, float]
    flops: int
    peaks: Mapping[str, float]

    def clips_per_second(self, name: str) -> float:
        """Return how many clips a second the median update comes to."""
        return self.batch / self.times.timing(name).median

    def utilisation(self, name: str) -> float:
        """Share of the peak that the FLOPs of a plain update come to in the time of this one."""
        precision = "bf16" if name == FAST else "float32"
        return self.flops / self.times.timing(name).median / self.peaks[precision]

    def tables(self) -> list[Table]:
        """Return one table: times of an update, one row a contestant."""
        rows = [
            (
                name,
                *time_cells(self.times, name),
                in_digits(self.clips_per_second(name)),
                *ratio_cells(self.times, name),
                f"{self.utilisation(name):.1%}",
            )
            for name in self.times.seconds
        ]
        title = (
            f"Updates of {self.stage.replace('_', ' ')}, {self.size.name}: {self.size.frame_size} px, "
            f"batch {self.batch}, {self.size.context_frames}-frame clips ({self.times.rounds} rounds in turn)"
        )
        columns = ("", "an update", "10-90 %", "clips/s", *BASELINES, "utilisation")
        peaks = ", ".join(f"{in_digits(peak / 1e9)} GFLOP/s in {kind}" for kind, peak in self.peaks.items())
        told = (
            f"utilisation: {in_digits(self.flops / 1e9)} GFLOP of a plain update, over seconds, "
            f"over a large matrix product measured here ({peaks})"
        )
        return [Table(title, columns, tuple(rows), (told, *self._cost_of_codes()))]

    def with_codes_made(self, reuse: float = REUSE) -> float:
        """Seconds of our median update and its share of encoding, where a frame is seen `reuse` times."""
        cached = self.times.timing(PLAIN).median
        return cached + (self.times.timing(ENCODING).median - cached) / reuse

    def _cost_of_codes(self) -> tuple[str, ...]:
        if ENCODING not in self.times.seconds:
            return ()
        counted = self.with_codes_made()
        ratio = self.times.timing(COMPETENT).median / counted
        return (
            f"with the making of codes, each seen {REUSE:.1f} times as in the quickstart: "
            f"{in_units(counted)} an update, {in_digits(ratio)} times as fast as SDPA, memory kept",
        )

    def to_dict(self) -> dict[str, Any]:
        """Seconds of an update; FLOPs and FLOP/s."""
        rates = {name: self.clips_per_second(name) for name in self.times.seconds}
        shares = {name: self.utilisation(name) for name in self.times.seconds}
        counted = {"with_codes_made": self.with_codes_made()} if ENCODING in self.times.seconds else {}
        return (
            counted
            | {
                "stage": self.stage,
                "size": self.size.name,
                "batch": self.batch,
                "flops": self.flops,
                "peaks": dict(self.peaks),
                "clips_per_second": rates,
                "utilisation": shares,
                "losses": dict(self.losses),
            }
            | self.times.to_dict(against=[*BASELINES.values()])
        )


def measure_stage(
    stage: str,
    size: Size,
    device: torch.device,
    batch: int,
    rounds: int,
    seconds: float,
    peaks: Mapping[str, float],
) -> StageFigures:
    """Time updates of one stage.

    Args:
        stage: video_tokenizer, latent_actions or dynamics.
        size: of the networks.
        device: where they run; a GPU adds a contestant in bfloat16, compiled.
        batch: clips of an update.
        rounds: at least so many.
        seconds: at least so long.
        peaks: what `peak_flops` gave.
    """
    theirs = {name: network.to(device) for name, network in references(size).items()}
    frames = clips(size, batch).to(device)
    codes = _encode(theirs, frames)
    ours = partial(_trainable, stage, size, theirs, device)
    steps = {PLAIN: our_step(stage, ours(), frames, codes)}
    if stage == "dynamics":
        steps[ENCODING] = encoding_step(same_weights(size, theirs), ours(), frames)
    if device.type == "cuda":
        fast = ours()
        compile_network(fast)
        steps[FAST] = our_step(stage, fast, frames, codes, bf16=True)
    wait = torch.cuda.synchronize if device.type == "cuda" else None
    flops = plain_flops(stage, theirs, frames, codes)
    losses: dict[str, Tensor] = {}
    plain = reference_step(stage, copy.deepcopy(theirs), frames)
    with competent(plain_update, stage, size, batch, str(device)) as apart:
        contestants = {REFERENCE: _kept(REFERENCE, plain, losses), COMPETENT: apart}
        contestants |= {name: _kept(name, step, losses) for name, step in steps.items()}
        times = pair(contestants, rounds, seconds, 1, wait)
    gc.collect()  # graphs and optimizers of one stage, before the next begins
    return StageFigures(
        stage, size, batch, times, {name: float(loss) for name, loss in losses.items()}, flops, peaks
    )


def _trainable(stage: str, size: Size, theirs: Networks, device: torch.device) -> nn.Module:
    return same_weights(size, {stage: theirs[stage]})[stage].to(device).train()


def _kept(name: str, step: Step, losses: dict[str, Tensor]) -> Callable[[], object]:
    return lambda: losses.__setitem__(name, step())


def reference_step(stage: str, networks: Networks, frames: Tensor) -> Step:
    """One plain update of a stage of `networks`."""
    network = networks[stage]
    optimizer = reference.make_optimizer(network, reference.LEARNING_RATES[stage])
    if stage == "dynamics":
        frozen = (networks["video_tokenizer"], networks["latent_actions"])
        return lambda: reference.dynamics_step(network, *frozen, optimizer, frames)
    if stage == "latent_actions":
        return partial(reference.latent_actions_step, network, optimizer, frames)
    return partial(reference.tokenizer_step, network, optimizer, frames)


def plain_update(stage: str, size: Size, batch: int, device: str) -> Step:
    """One plain update of a stage with PyTorch's own attention."""
    networks = {name: network.to(device) for name, network in references(size).items()}
    for network in networks.values():
        reference.use_sdpa(network)
    return reference_step(stage, networks, clips(size, batch).to(device))


def our_step(stage: str, network: Any, frames: Tensor, codes: Codes, bf16: bool = False) -> Step:
    """One update of ours, as the Lightning stage makes it; dynamics are given codes."""
    optimizer = build_optimizer(network, "adamw", reference.LEARNING_RATES[stage], WEIGHT_DECAY)
    given = (codes.ids, codes.action_ids) if stage == "dynamics" else (frames,)
    parameters = list(network.parameters())

    def step() -> Tensor:
        optimizer.zero_grad()
        with torch.autocast(frames.device.type, torch.bfloat16) if bf16 else nullcontext():
            loss = network.loss(*given)["loss"]
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, MAX_NORM)
        optimizer.step()
        return loss.detach()

    return step


def encoding_step(frozen: Networks, network: Any, frames: Tensor) -> Step:
    """One update of our dynamics that makes its codes first, with our other networks."""
    frozen = {name: frozen[name].to(frames.device) for name in ("video_tokenizer", "latent_actions")}
    given = _encode(frozen, frames)
    update = our_step("dynamics", network, frames, given)

    def step() -> Tensor:
        codes = _encode(frozen, frames)
        given.ids.copy_(codes.ids)
        given.action_ids.copy_(codes.action_ids)
        return update()

    return step


@torch.no_grad()
def _encode(networks: Networks, frames: Tensor) -> Codes:
    return Codes(networks["video_tokenizer"].encode(frames), networks["latent_actions"].encode(frames))


def plain_flops(stage: str, networks: Networks, frames: Tensor, codes: Codes) -> int:
    """Multiplications and additions in matrix products of a plain loss and its gradient, codes given."""
    network = copy.deepcopy(networks[stage]).train()
    with FlopCounterMode(display=False) as counter:
        if stage == "dynamics":
            hidden = reference.random_mask(codes.ids)
            loss = reference.dynamics_loss(network, codes.ids, codes.action_ids, hidden)
        else:
            loss = network.loss(frames)
        loss.backward()
    return int(counter.get_total_flops())


def peak_flops(device: torch.device, side: int | None = None) -> dict[str, float]:
    """FLOP/s of a large square matrix product in float32, and on a GPU in bfloat16: the fastest of ten.

    Args:
        device: where.
        side: rows and columns; by default what keeps the device busy for some milliseconds.
    """
    on_gpu = device.type == "cuda"
    side = side or (8192 if on_gpu else 1024)
    kinds = {"float32": torch.float32} | ({"bf16": torch.bfloat16} if on_gpu else {})
    peaks = {}
    for name, kind in kinds.items():
        matrix = torch.randn(side, side, device=device, dtype=kind)
        wait = torch.cuda.synchronize if on_gpu else None
        times = pair({name: partial(torch.matmul, matrix, matrix)}, rounds=10, seconds=0, synchronize=wait)
        peaks[name] = 2 * side**3 / min(times.seconds[name])
    return peaks
