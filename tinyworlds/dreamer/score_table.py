"""Scores of several agents side by side: a CSV, and a curve over the frames that they had seen."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinyworlds.dreamer.episodes import Scores
from tinyworlds.media.plots import plot_axes, save_plot
from tinyworlds.system.files import write_text

TABLE, CURVE = "scores.csv", "scores.png"


def save_table(results: Sequence[Scores], folder: Path) -> list[Path]:
    """Write ``scores.csv`` and ``scores.png``, and return them."""
    rows = [_row(scores) for scores in results]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [*rows[0]])
    writer.writeheader()
    writer.writerows(rows)
    write_text(folder / TABLE, text.getvalue())
    return [folder / TABLE, _plot(results, folder / CURVE)]


def _row(scores: Scores) -> dict[str, Any]:
    return {
        "task": scores.task,
        "checkpoint": scores.checkpoint,
        "updates": scores.updates,
        "frames": scores.frames,
        "policy": scores.policy,
        "episodes": len(scores.episodes),
        **scores.summary,
    }


def _plot(results: Sequence[Scores], path: Path) -> Path:
    figure, axes = plot_axes(6.4, 3.6)
    for task in dict.fromkeys(each.task for each in results):
        of_task = sorted((each for each in results if each.task == task), key=lambda each: each.frames)
        frames = [each.frames for each in of_task]
        means, spread = (
            np.array([each.summary[name] for each in of_task], float) for name in ("mean", "std")
        )
        (line,) = axes.plot(frames, means, marker="o", label=task)
        axes.fill_between(frames, means - spread, means + spread, alpha=0.2, color=line.get_color())
        chance = [each.summary["random"] for each in of_task if each.summary["random"] is not None]
        if chance:
            mean = float(np.mean([value for value in chance if value is not None]))
            axes.axhline(mean, linestyle=":", color=line.get_color(), label=f"{task}, at random")
    axes.set_xlabel("frames of the game in training")
    axes.set_ylabel("score, mean and deviation")
    axes.legend(fontsize=8)
    return save_plot(path, figure)
