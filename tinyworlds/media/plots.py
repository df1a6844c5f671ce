"""Plots: an empty pair of axes, and a file. Without a display, and without matplotlib's global state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tinyworlds.system.files import replacing


def plot_axes(width: float, height: float) -> tuple[Any, Any]:
    """Return a figure of a size in inches and its axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def save_plot(path: Path, figure: Any) -> Path:
    """Write a figure as a PNG, and return its path."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=130)
    return path
