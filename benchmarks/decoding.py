"""What choices of decoding cost in pictures: steps, schedules, codes or pixels fed back, memory that slides.

Rolls a trained world out from held-out clips, once for each choice, with actions that are inferred from the
frames that are predicted (or the recorded ones, in a world that plays by these): what compares choices, not
what a player gets. ``python -m benchmarks.decoding doom.world --plot drift.png``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.command import run
from tinyworlds.api import World
from tinyworlds.bench.report import Table
from tinyworlds.checkpoints.search import data_settings_of
from tinyworlds.data import H5DataModule
from tinyworlds.data.held_out import Clips, held_out_clips
from tinyworlds.errors import DataError
from tinyworlds.metrics.frames import psnr
from tinyworlds.models.maskgit import SCHEDULES
from tinyworlds.models.registry import INFERRED
from tinyworlds.world.action_source import told_source, true_actions
from tinyworlds.world.dream import Dream, Feedback

SHOWN = (1, 4, 8, 16, 32)
"""Generated frames whose PSNR is printed."""

REPEATED = "the last true frame, repeated"


@dataclass(frozen=True)
class Choice:
    """One way to roll out: what differs from how the world plays."""

    name: str
    sampling: dict[str, Any]
    feedback: Feedback = "codes"


def choices(world: World) -> Iterator[Choice]:
    """Everything that is compared."""
    yield Choice("as it plays", {})
    yield Choice("pixels fed back", {}, feedback="pixels")
    yield Choice("memory that slides", {}, feedback="memory")
    for steps in sorted({1, 2, 4, 8, world.sampling.num_steps}):
        for schedule in SCHEDULES if steps > 1 else ["exponential"]:
            name = f"{steps} step{'s' * (steps > 1)}" + f", {schedule}" * (steps > 1)
            yield Choice(name, {"num_steps": steps, "schedule": schedule})


@torch.no_grad()
def roll_out(world: World, frames: Tensor, actions: Tensor | None, choice: Choice) -> Tensor:
    """Frames ``[B, horizon, C, H, W]`` after the first of ``[B, T, C, H, W]``."""
    context = world.context_frames
    sampling = replace(world.sampling, **choice.sampling)
    dream = Dream(world.tokenizer, world.dynamics, sampling, context, choice.feedback, world.bf16)
    dream.start(frames[:, :context], None if actions is None else actions[:, : context - 1])
    generated = []
    for step in range(context - 1, frames.shape[1] - 1):
        generated.append(dream.advance(None if actions is None else actions[:, step]).clamp(-1, 1))
    return torch.stack(generated, dim=1)


def measure(world: World, clips: Clips, batch_size: int = 8) -> tuple[dict[str, Tensor], dict[str, float]]:
    """PSNR in dB by generated frame, averaged over clips, and seconds a frame of one clip, by choice."""
    found: dict[str, list[Tensor]] = {}
    seconds: dict[str, float] = {}
    for start in range(0, len(clips), batch_size):
        frames, labels = clips.batch(start, batch_size, world.device)
        model, labels = (world.latent_actions, None) if world.info.actions in INFERRED else (None, labels)
        conditioned = world.info.actions != "none"
        known = true_actions(model, frames, labels, world.dynamics.context_frames) if conditioned else None
        truth = frames[:, world.context_frames :]
        repeated = frames[:, world.context_frames - 1 : world.context_frames].expand_as(truth)
        found.setdefault(REPEATED, []).append(psnr(repeated, truth))
        for choice in choices(world):
            began = time.perf_counter()
            generated = roll_out(world, frames, known, choice)
            spent = (time.perf_counter() - began) / (truth.shape[0] * truth.shape[1])
            seconds[choice.name] = min(spent, seconds.get(choice.name, spent))
            found.setdefault(choice.name, []).append(psnr(generated, truth))
    return {name: torch.cat(parts).mean(dim=0) for name, parts in found.items()}, seconds


def table(world: World, clips: Clips, found: dict[str, Tensor], seconds: dict[str, float]) -> Table:
    """PSNR at some frames."""
    shown = [frame for frame in SHOWN if frame <= len(found[REPEATED])]
    rows = [
        (name, *(f"{values[frame - 1]:.2f}" for frame in shown), f"{values.mean():.2f}")
        + ((f"{1000 * seconds[name]:.0f} ms",) if name in seconds else ("",))
        for name, values in found.items()
    ]
    columns = ("PSNR in dB of frame", *(f"+{frame}" for frame in shown), "mean", "a frame in the batch")
    plays = f"{world.sampling.num_steps} steps, {world.sampling.schedule}, {world.context_frames} past frames"
    source = told_source("inferred", labels=world.info.actions == "labels")
    title = (
        f"Rollouts of {world.game} over {len(clips)} held-out clips, actions {source}; it plays with {plays}"
    )
    return Table(title, columns, tuple(rows))


def draw(path: Path, found: dict[str, Tensor], names: tuple[str, ...]) -> None:
    """Plot PSNR by generated frame."""
    from matplotlib.figure import Figure

    axes = Figure(figsize=(6.4, 3.6), layout="constrained").subplots()
    for name in names:
        axes.plot(range(1, len(found[name]) + 1), found[name], marker="o", markersize=3, label=name)
    axes.set(xlabel="generated frame", ylabel="PSNR in dB")
    axes.grid(alpha=0.3)
    axes.legend()
    axes.figure.savefig(path, dpi=120)


def compare(
    world: str, data: list[str] | None = None, clips: int = 32, horizon: int = 16, plot: str = ""
) -> None:
    """Print what choices of decoding cost in pictures.

    Args:
        world: a .world file or a run folder.
        data: gameplay files; by default those it was trained on.
        clips: held-out clips, at most.
        horizon: frames to generate.
        plot: a PNG of the drift to write.
    """
    played = World.load(world, "auto")
    settings = data_settings_of(Path(world), played.info.provenance) | ({"files": data} if data else {})
    if not settings.get("files") and not settings.get("game"):
        raise DataError(f"{world} does not say which data it was trained on; name them with --data FILE.")
    module = H5DataModule(
        **{"fps": played.fps, **settings, "frame_size": played.frame_size, "num_workers": 0}
    )
    held_out = held_out_clips(module, played.context_frames + horizon, clips)
    found, seconds = measure(played, held_out)
    print(table(played, held_out, found, seconds))
    if plot:
        draw(Path(plot), found, ("as it plays", "pixels fed back", REPEATED))


if __name__ == "__main__":
    run(compare, "decoding")
