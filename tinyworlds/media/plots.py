"""Plots: an empty pair of axes, and a file. Without a display, and without matplotlib's global state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tinyworlds.system.files import replacing


def plot_axes(width: float, height: float) -> tuple[Any, Any]:
    """Return a figure of a size in inches and its axes."""
    figure, grid = plot_grid(1, 1, width, height)
    return figure, grid[0][0]


def plot_grid(rows: int, columns: int, width: float, height: float) -> tuple[Any, Any]:
    """Return a figure of a size in inches and its axes [rows, columns]."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def save_plot(path: Path, figure: Any) -> Path:
    """Write a figure as a PNG, and return its path."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=130)
    return path
