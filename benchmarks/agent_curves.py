"""Learning curves of an agent's runs, beside chance.

``python -m benchmarks.agent_curves OUT.png RUN [RUN ...]``
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from tinyworlds.checkpoints.run_folder import versions
from tinyworlds.media.plots import plot_axes, save_plot
from tinyworlds.models.registry import AGENT

WINDOW = 100  # episodes that a point is the mean of


def main(out: str, *runs: str) -> None:
    """Draw the running mean of each run's scores over frames, and print how each ended."""
    figure, axes = plot_axes(6.4, 3.4)
    chance = []
    for run in runs:
        lines = (versions(run, AGENT.name)[-1] / "scores.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        scores = np.array([row["episode/score"] for row in rows])
        frames = np.array([row["step"] for row in rows])
        means = np.convolve(scores, np.ones(WINDOW) / WINDOW, "valid")
        axes.plot(frames[WINDOW - 1 :], means, linewidth=1.2, label=Path(run).name)
        chance.append(scores[:WINDOW].mean())
        last, first = scores[-WINDOW:].mean(), chance[-1]
        print(f"{run}: {last:.2f} in the last {WINDOW} episodes, {first:.2f} in the first")
    axes.axhline(float(np.mean(chance)), linestyle=":", color="grey", label="chance")
    axes.set_xlabel("frames of the game")
    axes.set_ylabel(f"score, mean of {WINDOW} training episodes")
    axes.legend(fontsize=8)
    save_plot(Path(out), figure)


if __name__ == "__main__":
    main(*sys.argv[1:])
