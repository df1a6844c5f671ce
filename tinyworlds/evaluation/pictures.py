"""The pictures of a report: what the tokenizer keeps, what the world dreams, what each latent action does.

Each function draws one thing from frames and numbers that were measured elsewhere, and returns the path.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tinyworlds.errors import VideoError
from tinyworlds.evaluation.report import Report
from tinyworlds.media.pictures import error_picture, save_strip, strip
from tinyworlds.media.pixels import as_pictures
from tinyworlds.media.plots import plot_axes, save_plot
from tinyworlds.media.video import save_video
from tinyworlds.models.registry import INFERRED
from tinyworlds.world.action_source import true_actions
from tinyworlds.world.dream import Dream
from tinyworlds.world.info import nothing_found
from tinyworlds.world.rollout import RolloutResult

if TYPE_CHECKING:
    from tinyworlds.world.core import WorldCore

log = logging.getLogger(__name__)

ERROR_LABEL = "error x2"
BLANK = 235  # grey of panels without a frame


def typical(frames: Tensor, count: int) -> list[int]:
    """Indices of up to `count` clips [N, T, C, H, W] that move, but not more than most.

    Spread over the clips between the 60th and the 90th of 100, ordered by how much moves: the liveliest are
    all explosions and cuts, the stillest show nothing.
    """
    motion = (frames[:, 1:] - frames[:, :-1]).abs().mean(dim=(1, 2, 3, 4))
    ranked = motion.argsort().tolist()
    places = torch.linspace(0.6, 0.9, count) * (len(ranked) - 1)
    return list(dict.fromkeys(ranked[round(place)] for place in places.tolist()))


def tokenizer_picture(path: Path, truth: Tensor, reconstruction: Tensor, title: str = "") -> Path:
    """Truth, reconstruction and error of frames [N, C, H, W], one a column."""
    rows = [as_pictures(truth), as_pictures(reconstruction), error_picture(reconstruction, truth)]
    return save_strip(
        path, [list(row) for row in rows], ["truth", "reconstruction", ERROR_LABEL], title=title
    )


def open_loop_picture(path: Path, result: RolloutResult, clips: list[int], title: str = "") -> Path:
    """Truth, prediction and error of some clips of a rollout, three rows each; given frames come first."""
    rows, labels = [], []
    num_given, num_generated = result.context.shape[1], result.prediction.shape[1]
    blank = np.full_like(as_pictures(result.context[0, 0]), BLANK)
    for number, clip in enumerate(clips, start=1):
        given = list(as_pictures(result.context[clip]))
        truth, predicted = result.truth[clip], result.prediction[clip]
        rows.append([*given, *as_pictures(truth)])
        rows.append([*[blank] * num_given, *as_pictures(predicted)])
        rows.append([*[blank] * num_given, *error_picture(predicted[: len(truth)], truth)])
        labels += [f"{number} truth", f"{number} prediction", f"{number} {ERROR_LABEL}"]
    columns = ["given"] * num_given + [f"+{number + 1}" for number in range(num_generated)]
    return save_strip(path, rows, labels, columns, title)


def open_loop_video(path: Path, result: RolloutResult, clips: list[int], fps: float) -> Path | None:
    """Truth, prediction and error side by side, clip after clip.

    Where a clip has no truth its panel is blank. None, and a warning, where no codec works.
    """
    played = []
    for number, clip in enumerate(clips, start=1):
        given = as_pictures(result.context[clip])
        truth, predicted = result.truth[clip], result.prediction[clip]
        error = error_picture(predicted[: len(truth)], truth)
        scale = max(1, round(256 / given.shape[1]))
        name = f"clip {number} of {len(clips)}"
        for frame in given:
            played.append(
                strip([[frame, frame, np.zeros_like(frame)]], [""], [name, "given", ""], scale=scale)
            )
        length = len(predicted)
        panels = zip(
            _padded(as_pictures(truth), length), as_pictures(predicted), _padded(error, length), strict=True
        )
        for step, frames in enumerate(panels, start=1):
            captions = [f"{name}: truth", f"prediction +{step}", ERROR_LABEL]
            played.append(strip([frames], [""], captions, scale=scale))
    try:
        return save_video(path, np.stack(played), fps)
    except VideoError as error:
        log.warning("%s; the pictures are written all the same.", error)
        return None


def _padded(frames: np.ndarray, length: int) -> np.ndarray:
    """Frames uint8 [T, H, W, C] followed by blank ones."""
    missing = np.full((length - len(frames), *frames.shape[1:]), BLANK, np.uint8)
    return np.concatenate([frames, missing])


@torch.no_grad()
def dream_actions(world: WorldCore, frames: Tensor, actions: Tensor | None, num_frames: int) -> Tensor:
    """Hold each action from one start: frames [T, C, H, W] -> dreamt [num_actions, num_frames, C, H, W]."""
    count = world.num_actions
    start = frames[None].expand(count, *frames.shape)
    generator = torch.Generator(frames.device).manual_seed(0)
    dream = Dream(
        world.tokenizer, world.dynamics, world.sampling, None, world.feedback, world.bf16, generator
    )
    between = None if actions is None else actions[None].expand(count, -1)
    dream.start(start, between)
    held = None if world.info.actions == "none" else torch.arange(count, device=frames.device)
    return torch.stack([dream.advance(held).clamp(-1, 1) for _ in range(num_frames)], dim=1)


def action_sheet(
    path: Path, world: WorldCore, frames: Tensor, shares: Sequence[float], num_frames: int = 8
) -> Path:
    """What each action does: one row an action, held for `num_frames` frames from the same start.

    Rows are named as the world's keys are, and by nothing that clips which are measured would suggest.

    Args:
        path: PNG to write.
        world: a :class:`tinyworlds.world.core.WorldCore`.
        frames: a true clip [T, C, H, W] in [-1, 1] of at least the world's context.
        shares: how often each action occurs, 0 to 1; empty where nobody knows.
        num_frames: frames to dream.
    """
    start = frames[: world.context_frames].to(world.device)
    actions = None
    if world.info.actions in INFERRED:
        actions = true_actions(world.latent_actions, start[None], None, world.dynamics.context_frames)
    dreamt = as_pictures(dream_actions(world, start, None if actions is None else actions[0], num_frames))
    first = as_pictures(start[-1])
    rows = [[first, *row] for row in dreamt]
    labels = [_row_label(i, world.action_names, shares) for i in range(len(rows))]
    columns = ["start"] + [f"+{number + 1}" for number in range(num_frames)]
    titles = [
        "What each action does: held for several frames from the same start",
        nothing_found(world.info.not_found),
    ]
    return save_strip(path, rows, labels, columns, "; ".join(filter(None, titles)))


def _row_label(action: int, names: Sequence[str], shares: Sequence[float]) -> str:
    """``1: turn_right, 28 % of the time``."""
    name = names[action] if action < len(names) and names[action] != f"action {action}" else ""
    share = f"{100 * shares[action]:.0f} % of the time" if action < len(shares) else ""
    known = ", ".join(filter(None, [name, share]))
    return f"{action}: {known}" if known else str(action)


def horizon_plot(path: Path, report: Report) -> Path:
    """PSNR by frame of the rollout, for each source of actions, against repeating the last given frame."""
    figure, axes = plot_axes(6.0, 3.6)
    steps = range(1, len(report.repeat_psnr) + 1)
    for source, values in report.horizon_psnr.items():
        gains = report.horizon_gain[source]
        spread = [gain.half_width if gain.has_interval else 0.0 for gain in gains]
        label = "dreamt" if source == "none" else f"{source} actions"
        axes.errorbar(steps, values, yerr=spread, marker="o", capsize=3, label=label)
    axes.plot(steps, report.repeat_psnr, marker="s", linestyle="--", label="repeating the last given frame")
    axes.set_xlabel("generated frame")
    axes.set_ylabel("PSNR of the mean error, dB")
    axes.set_xticks(list(steps))
    known = (
        "bars: 95 % of the gain, over episodes" if report.num_episodes > 1 else "one episode: no intervals"
    )
    axes.set_title(f"Free rollouts on held-out clips ({known})", fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return save_plot(path, figure)


def actions_plot(path: Path, report: Report) -> Path:
    """Latent against true actions, as shares of each true one; without true ones, how often each is used."""
    num_latent = len(report.action_shares)
    if not report.confusion:
        figure, axes = plot_axes(max(4.0, 0.5 * num_latent), 3.2)
        axes.bar(range(num_latent), [100 * share for share in report.action_shares])
        axes.set_xticks(range(num_latent))
        axes.set_xlabel("latent action")
        axes.set_ylabel("% of the transitions")
        return save_plot(path, figure)
    table = np.array(report.confusion, dtype=float)
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    figure, axes = plot_axes(2.6 + 0.7 * num_latent, 1.8 + 0.45 * len(table))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(*shares.shape):
        ink = "white" if shares[row, column] > 0.55 else "black"
        text = f"{table[row, column]:.0f}\n{100 * shares[row, column]:.0f} %"
        axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=8)
    axes.set_xticks(range(num_latent))
    axes.set_yticks(range(len(table)), report.true_action_names)
    axes.set_xlabel("latent action")
    axes.set_ylabel("true action")
    axes.set_title(f"Transitions; NMI {report.value('action_nmi'):.2f}", fontsize=10)
    return save_plot(path, figure)
