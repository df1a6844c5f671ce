"""Learning curves of an agent's runs, beside chance.

``python -m benchmarks.agent_curves OUT.png RUN [RUN ...] [--chance SCORE]``
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tinyworlds.checkpoints.run_folder import versions
from tinyworlds.media.plots import plot_axes, save_plot
from tinyworlds.models.registry import AGENT

_MOST, _POINTS = 100, 8  # episodes that a point is the mean of, at most; and how often they fit into a run


def main(argv: Sequence[str] | None = None) -> None:
    """Draw the running mean of each run's scores over frames, and print how each ended."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agent_curves", description=main.__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--chance", type=float, help="score of the random agent (default: of the beginning)")
    args = parser.parse_args(argv)
    figure, axes = plot_axes(6.4, 3.4)
    beginnings, windows = [], []
    for run in args.runs:
        scores, frames = _scores(run)
        window = max(min(_MOST, len(scores) // _POINTS), 1)
        means = np.convolve(scores, np.ones(window) / window, "valid")
        axes.plot(frames[window - 1 :], means, linewidth=1.2, label=Path(run).name)
        if window < _MOST:
            axes.plot(frames, scores, ".", markersize=3, color="grey", alpha=0.5)
        beginnings.append(scores[:window].mean())
        windows.append(window)
        last = scores[-window:].mean()
        print(f"{run}: {last:.2f} in the last {window} episodes, {beginnings[-1]:.2f} in the first")
    chance = float(np.mean(beginnings)) if args.chance is None else args.chance
    axes.axhline(chance, linestyle=":", color="grey", label="chance")
    axes.set_xlabel("frames of the game")
    axes.set_ylabel(f"score, mean of {max(windows)} training episodes")
    axes.legend(fontsize=8)
    save_plot(args.out, figure)


def _scores(run: str) -> tuple[np.ndarray, np.ndarray]:
    lines = (versions(run, AGENT.name)[-1] / "scores.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return np.array([row["episode/score"] for row in rows]), np.array([row["step"] for row in rows])


if __name__ == "__main__":
    main()
