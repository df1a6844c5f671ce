"""Learning curves of several runs in one picture: a row for each stage, a colour for each run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinyworlds.evaluation.run_facts import Curve, RunFacts
from tinyworlds.media.plots import plot_grid, save_plot
from tinyworlds.models.registry import ALL_STAGES

_PANELS = {
    "video_tokenizer": ("loss", "val/psnr"),
    "latent_actions": ("loss", "val/accuracy"),
    "dynamics": ("loss", "val/key_read_back"),
    "agent": ("loss", "val/score"),
}
_OTHERS = ("val/rollout_gain", "val/action_perplexity", "val/accuracy")
"""What is drawn where nobody logged the first choice."""
_NAMES = {
    "loss": "loss: lines while training, dots in validation",
    "val/psnr": "PSNR of validation frames, dB",
    "val/accuracy": "accuracy in validation",
    "val/key_read_back": "keys read back in validation",
    "val/rollout_gain": "rollouts above repeating, dB",
    "val/action_perplexity": "perplexity of latent actions",
    "val/score": "score in evaluation episodes",
}
_MOST = 10  # colours that are told apart


def curves_plot(path: Path, runs: Sequence[RunFacts]) -> Path | None:
    """Draw the curves of runs into a PNG; None where nobody logged any.

    Args:
        path: where to.
        runs: the first ten that have curves are drawn.
    """
    drawn = [run for run in runs if any(run.curves.values())][:_MOST]
    stages = [stage for stage in ALL_STAGES if any(run.curves.get(stage) for run in drawn)]
    if not stages:
        return None
    figure, grid = plot_grid(len(stages), 2, 11.0, 0.6 + 2.9 * len(stages))
    for stage, row in zip(stages, grid, strict=True):
        for axes, column in zip(row, _columns(stage, drawn), strict=True):
            _panel(axes, stage, column, drawn)
    handles = [grid[0][0].plot([], [], color=f"C{i}", label=run.name)[0] for i, run in enumerate(drawn)]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(drawn), 4), fontsize=9)
    return save_plot(path, figure)


def _columns(stage: str, runs: Sequence[RunFacts]) -> tuple[str, str]:
    loss, wanted = _PANELS[stage]
    known = {name for run in runs for name in run.curves.get(stage, {})}
    return loss, next((name for name in (wanted, *_OTHERS) if name in known), wanted)


def _panel(axes: Any, stage: str, column: str, runs: Sequence[RunFacts]) -> None:
    empty = True
    for number, run in enumerate(runs):
        curves, colour = run.curves.get(stage, {}), f"C{number}"
        train, val = (curves.get("train/loss", []), curves.get("val/loss", [])) if column == "loss" else (
            [], curves.get(column, []))  # fmt: skip
        if train:
            axes.plot(*_axes_of(train), color=colour, linewidth=1.1, alpha=0.85)
        if val:
            axes.plot(*_axes_of(val), color=colour, marker="o", markersize=4, linestyle=":", linewidth=1)
        empty = empty and not (train or val)
    if empty:
        axes.set_axis_off()
        return
    axes.set_title(stage.replace("_", " "), fontsize=10)
    axes.set_ylabel(_NAMES.get(column, column), fontsize=8)
    axes.set_xlabel("updates", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)


def _axes_of(curve: Curve) -> tuple[list[int], list[float]]:
    return [step for step, _ in curve], [value for _, value in curve]
