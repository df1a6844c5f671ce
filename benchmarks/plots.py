"""Draws how cost grows, from what ``tinyworlds bench play --json FILE`` wrote.

``python -m benchmarks.plots play.json growth.png``
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.command import run
from tinyworlds.bench.growth import CONTEXT, FRAME_SIZE
from tinyworlds.bench.play import OURS
from tinyworlds.bench.report import BASELINES
from tinyworlds.errors import DataError

Curves = Mapping[str, Sequence[tuple[int, float]]]
"""Points by name of the line."""


def plot(figures: str, picture: str) -> None:
    """Draw a frame's cost by past frames, by frame size and by sessions played at once.

    Args:
        figures: a JSON file of ``tinyworlds bench play``.
        picture: the PNG to write.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, StrMethodFormatter

    panels = list(_panels(json.loads(Path(figures).read_text(encoding="utf-8")).get("play", [])))
    if not panels:
        raise DataError(f"{figures} holds no figures of play: make it with `tinyworlds bench play --json`.")
    drawing = Figure(figsize=(3.6 * len(panels), 3.2), layout="constrained")
    for axes, (quantity, unit, curves) in zip(
        drawing.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
    ):
        for name, points in curves.items():
            axes.plot(*zip(*points, strict=True), marker="o", markersize=4, label=name)
        axes.set(xlabel=quantity, ylabel=unit, xscale="log", yscale="log")
        values = [value for value, _ in curves[OURS]]
        axes.set_xticks(values, [str(value) for value in values])
        axes.minorticks_off()
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.grid(alpha=0.3)
        axes.legend()
    drawing.savefig(picture, dpi=120)


def _panels(measured: list[dict[str, Any]]) -> Iterator[tuple[str, str, Curves]]:
    for figures in measured:
        if "by_value" in figures:
            unit = {CONTEXT: "", FRAME_SIZE: " (px)"}[figures["quantity"]]
            yield figures["quantity"] + unit, "ms a frame", _by_value(figures["by_value"])
        elif "by_sessions" in figures:
            seconds = figures["by_sessions"]["seconds"]
            points = [(int(count), _median(found) / int(count)) for count, found in seconds.items()]
            yield "sessions at once", "ms a frame of one session", {OURS: points}


def _by_value(by_value: Mapping[str, Any]) -> dict[str, list[tuple[int, float]]]:
    curves: dict[str, list[tuple[int, float]]] = {name: [] for name in (*BASELINES.values(), OURS)}
    for value, times in by_value.items():
        for name, found in times["seconds"].items():
            curves[name].append((int(value), _median(found)))
    return curves


def _median(found: Mapping[str, float]) -> float:
    return 1000 * found["median"]


if __name__ == "__main__":
    run(plot, "plots")
