"""What many hours of video and many GPUs would need: a calculation from measured figures, not a measurement.

    python -m benchmarks.scale --hours 1000 --gpus 64
    tinyworlds bench train --json train.json          # on one of the GPUs, then its clips a second are used:
    python -m benchmarks.scale --hours 1000 --gpus 64 --bench train.json

Prints Markdown; docs/scale.md holds its output. Every line says where its figure comes from.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from tinyworlds.bench.sizes import Size, clips, find_size, references
from tinyworlds.bench.training import Codes, plain_flops
from tinyworlds.errors import ConfigError, DataError, MissingFileError
from tinyworlds.models.registry import STAGES
from tinyworlds.system.exits import run_guarded
from tinyworlds.system.options import call

PACKED_SHARE = 160 / 2000  # of the raw frames, our own layout: docs/performance.md, "Data"
CACHE_WINDOWS_PER_S = 25_721  # one process, 64 px, windows of 4: docs/performance.md, "Data"
UNPACK_BYTES_PER_S = 250e6  # one core, 64 px, our own layout: build_cache on 197 MB, by its processor time
UTILISATION = (
    0.10  # products of a plain update over the peak, on two CPU cores: docs/performance.md, "Training"
)
LINK_SHARE = 0.10  # of an update that waiting for other GPUs may take


@dataclass(frozen=True)
class Plan:
    """What is wanted, and on what.

    Attributes:
        hours: of video.
        gpus: in all.
        gpus_per_machine: in each machine.
        fps: stored frames per second of video.
        size: of the networks, a name of `tinyworlds.bench.sizes`.
        batch: clips of an update on each GPU.
        gpu_tflops: peak of one GPU in the precision trained in, in TFLOP/s.
        bench: JSON file of ``tinyworlds bench train`` on one such GPU, whose clips per second then count.
    """

    hours: float = 1000.0
    gpus: int = 64
    gpus_per_machine: int = 8
    fps: float = 15.0
    size: str = "sonic"
    batch: int = 32
    gpu_tflops: float = 100.0
    bench: str | None = None

    def __post_init__(self) -> None:
        for name in ("hours", "gpus", "gpus_per_machine", "fps", "batch", "gpu_tflops"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"--{name} is {getattr(self, name)}; it must be above 0")
        find_size(self.size)

    @property
    def frames(self) -> float:
        """Stored frames, which is also how many windows there are, but for a few at the ends of files."""
        return self.hours * 3600 * self.fps

    @property
    def machines(self) -> int:
        """Rounded up."""
        return -(-self.gpus // self.gpus_per_machine)


@dataclass(frozen=True)
class Costs:
    """What one stage takes.

    Attributes:
        parameters: trained.
        clip_flops: of one clip, forward and backward.
        clips_per_s: on one GPU.
        window_bytes: that a window is read as.
    """

    parameters: int
    clip_flops: float
    clips_per_s: float
    window_bytes: int

    def update_s(self, batch: int) -> float:
        """Seconds of an update, the exchange of gradients left out."""
        return batch / self.clips_per_s

    def reduced_bytes(self, gpus: int) -> float:
        """Bytes that each GPU sends in a ring all-reduce of float32 gradients."""
        return 2 * (gpus - 1) / gpus * 4 * self.parameters

    def link_bits_per_s(self, batch: int, gpus: int) -> float:
        """Speed of a link with which that takes `LINK_SHARE` of an update."""
        return 8 * self.reduced_bytes(gpus) / (LINK_SHARE * self.update_s(batch))


def count(plan: Plan) -> tuple[dict[str, Costs], float]:
    """Build the networks (plain v1) and count; return the stages' costs, and the FLOPs that code a frame.

    Raises:
        DataError: the bench file holds no clips per second of a stage.
    """
    size = find_size(plan.size)
    networks, frames = references(size), clips(size, batch=1)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        codes = Codes(networks["video_tokenizer"].encode(frames), networks["latent_actions"].encode(frames))
    measured = _measured(plan)
    costs = {}
    for stage in STAGES:
        flops = plain_flops(stage, networks, frames, codes)
        costs[stage] = Costs(
            sum(weight.numel() for weight in networks[stage].parameters() if weight.requires_grad),
            flops,
            measured[stage] if measured else plan.gpu_tflops * 1e12 * UTILISATION / flops,
            size.context_frames * (code_bytes(size) if stage == "dynamics" else frame_bytes(size)),
        )
    return costs, counter.get_total_flops() / size.context_frames


def frame_bytes(size: Size) -> int:
    """Of a raw frame."""
    return size.frame_size**2 * 3


def code_bytes(size: Size) -> int:
    """Of a frame's codes and action, 16 bits each."""
    return 2 * size.num_patches + 2


def _measured(plan: Plan) -> Mapping[str, float] | None:
    if plan.bench is None:
        return None
    remedy = "write it with: tinyworlds bench train --json FILE"
    if not Path(plan.bench).is_file():
        raise MissingFileError(f"{plan.bench} does not exist; {remedy}")
    try:
        found = json.loads(Path(plan.bench).read_text(encoding="utf-8"))["train"]
        rates = {stage["stage"]: float(stage["clips_per_second"]["ours"]) for stage in found}
        return {stage: rates[stage] for stage in STAGES}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{plan.bench} does not hold all three stages' clips per second; {remedy}") from error


def storage_rows(plan: Plan) -> list[tuple[str, str, str]]:
    """What the data take: what, how much, why."""
    size = find_size(plan.size)
    raw, codes = plan.frames * frame_bytes(size), plan.frames * code_bytes(size)
    packed, order = raw * PACKED_SHARE, 4 * plan.frames * plan.gpus_per_machine
    side, rate = size.frame_size, f"{UNPACK_BYTES_PER_S / 1e6:.0f} MB/s"
    return [
        ("frames (and windows)", f"{plan.frames:,.0f}", f"{plan.hours:g} h x 3600 s x {plan.fps:g} fps"),
        ("raw pixels", in_bytes(raw), f"frames x {side} x {side} x 3 bytes"),
        (
            "recordings",
            in_bytes(packed),
            f"raw x {PACKED_SHARE:g}, a moving pattern in our layout (bench data)",
        ),
        ("unpacked cache", in_bytes(raw), "raw; only of files up to 2 GiB, others are read as they are"),
        ("codes", in_bytes(codes), f"frames x (2 x {size.num_patches} + 2) bytes"),
        ("disk of a machine", in_bytes(raw + packed + codes), "the three above; every machine holds all"),
        ("memory for the order", in_bytes(order), f"4 bytes x windows x {plan.gpus_per_machine} processes"),
        ("unpacking", in_time(raw / UNPACK_BYTES_PER_S), f"raw / {rate}, one core, measured; once a machine"),
    ]


def training_rows(plan: Plan, costs: Mapping[str, Costs]) -> list[tuple[str, ...]]:
    """What training takes: a name, then a figure per stage."""
    rows: list[tuple[str, ...]] = []

    def add(name: str, *figures: str) -> None:
        rows.append((name, *figures))

    each = [costs[stage] for stage in STAGES]
    pass_updates = plan.frames / (plan.batch * plan.gpus)
    reads = [cost.clips_per_s * plan.gpus_per_machine for cost in each]
    add("weights", *(f"{cost.parameters:,}" for cost in each))
    add("FLOPs of a clip", *(f"{cost.clip_flops / 1e9:.2f} G" for cost in each))
    add("clips/s of a GPU", *(f"{cost.clips_per_s:,.0f}" for cost in each))
    add("an update", *(in_time(cost.update_s(plan.batch)) for cost in each))
    add("updates of a pass over all windows", *(f"{pass_updates:,.0f}" for _ in each))
    add("time of a pass", *(in_time(pass_updates * cost.update_s(plan.batch)) for cost in each))
    add("read by a GPU", *(f"{in_bytes(cost.clips_per_s * cost.window_bytes)}/s" for cost in each))
    add("windows/s of a machine", *(f"{read:,.0f}" for read in reads))
    add("reading processes of a machine", *(f"{-(-read // CACHE_WINDOWS_PER_S):.0f}" for read in reads))
    add("sent by a GPU at an update", *(in_bytes(cost.reduced_bytes(plan.gpus)) for cost in each))
    add("link speed", *(f"{cost.link_bits_per_s(plan.batch, plan.gpus) / 1e9:.2g} Gbit/s" for cost in each))
    return rows


def report(plan: Plan) -> str:
    """The tables as Markdown."""
    costs, coding_flops = count(plan)
    speed = plan.gpu_tflops * 1e12 * UTILISATION
    assumed = f"{UTILISATION:.0%} of {plan.gpu_tflops:g} TFLOP/s"
    why = f"frames x {coding_flops / 1e9:.2f} GFLOPs / {assumed} of one GPU; once a machine"
    coding = ("coding all frames", in_time(plan.frames * coding_flops / speed), why)
    rate = "measured (--bench)" if plan.bench else f"assumed, {assumed} / FLOPs of a clip"
    stages = (stage.replace("_", " ") for stage in STAGES)
    lines = [
        f"**{plan.hours:g} hours at {plan.fps:g} fps on {plan.gpus} GPUs in {plan.machines} machines, size "
        f"{plan.size}, {plan.batch} clips an update and GPU**\n",
        *_markdown(("data", "needs", "from"), [*storage_rows(plan), coding]),
        "",
        *_markdown(("training", *stages), training_rows(plan, costs)),
        f"\n- clips/s of a GPU: {rate}",
        "- an update: clips / (clips/s); a pass: windows / (clips x GPUs) updates",
        "- read: clips/s x bytes of a window (pixels; for dynamics codes); reading processes: windows/s over "
        f"the {CACHE_WINDOWS_PER_S:,} of one (bench data)",
        f"- sent: 2 (n-1)/n x 4 bytes x weights, a ring of n = {plan.gpus}; link speed: with which that "
        f"takes {LINK_SHARE:.0%} of an update",
    ]
    return "\n".join(lines)


def in_bytes(value: float) -> str:
    """Three digits and a unit, powers of ten."""
    unit, size = next((u, s) for u, s in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 0)) if value >= s)
    return f"{value / (size or 1e3):.3g} {unit}"


def in_time(seconds: float) -> str:
    """Hours, minutes, seconds or milliseconds, with two or three digits."""
    units = (("h", 3600), ("min", 60), ("s", 1), ("ms", 0))
    unit, size = next((u, s) for u, s in units if seconds >= s)
    return f"{seconds / (size or 1e-3):.3g} {unit}"


def _markdown(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *rows)]


def main() -> None:
    """Print the tables; see the module."""
    print(report(call(Plan, sys.argv[1:], "python -m benchmarks.scale")))


if __name__ == "__main__":
    sys.exit(run_guarded(main))
