"""What ways to store frames cost: ``python -m benchmarks.layouts FILE.h5`` tries many on its frames."""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tinyworlds.data.optimize import read_rate
from tinyworlds.data.reader import FrameFile, SpanReader


@dataclass(frozen=True)
class LayoutCost:
    """What one way to store the frames costs.

    Attributes:
        layout: chunks and compression, in words.
        stored_bytes: on disk.
        write_seconds: to write them.
        windows_per_s: windows of `_WINDOW_FRAMES` frames read at random places.
        frames_per_s: single frames, likewise.
    """

    layout: str
    stored_bytes: int
    write_seconds: float
    windows_per_s: float
    frames_per_s: float


def compare_layouts(frames: np.ndarray, folder: Path, seconds: float = 1.0) -> list[LayoutCost]:
    """Write the frames, uint8 [N,H,W,3], in many layouts and read windows of each."""
    whole = frames.shape[1:]
    layouts = [("as published", {"chunks": True, "compression": "lzf"})]
    for count in (1, 4, 8, 16, 32, 64):
        for name, filters in _FILTERS.items():
            layouts.append((f"{count} frames, {name}", {"chunks": (count, *whole), **filters}))
    layouts.append(("one piece, raw", {}))
    return [_cost(name, options, frames, folder / "layout.h5", seconds) for name, options in layouts]


_FILTERS: dict[str, dict[str, Any]] = {
    "raw": {},
    "lzf": {"compression": "lzf"},
    "gzip-1": {"compression": "gzip", "compression_opts": 1},
    "gzip-4": {"compression": "gzip", "compression_opts": 4},
    "gzip-4 shuffled": {"compression": "gzip", "compression_opts": 4, "shuffle": True},
    "gzip-9": {"compression": "gzip", "compression_opts": 9},
}
_WINDOW_FRAMES = 16


def _cost(name: str, options: dict[str, Any], frames: np.ndarray, path: Path, seconds: float) -> LayoutCost:
    begun = time.perf_counter()
    with h5py.File(path, "w") as file:
        file.create_dataset("frames", data=frames, **options)
    taken = time.perf_counter() - begun
    reader = SpanReader(path, "frames")
    windows, single = (read_rate(reader, count, seconds) for count in (_WINDOW_FRAMES, 1))
    reader.close()
    return LayoutCost(name, path.stat().st_size, taken, windows, single)


def main() -> None:
    """Print a table: ``python -m benchmarks.layouts FILE.h5 [NUM_FRAMES]``."""
    path, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 4000
    file = FrameFile(path)
    frames = file.frames(0, min(count, len(file)))
    print(f"{path.name}: {len(frames):,} frames of {frames.shape[2]}x{frames.shape[1]}")
    print("| layout | MB | written in | windows of 16 a second | single frames a second |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        for cost in compare_layouts(frames, Path(folder)):
            print(
                f"| {cost.layout} | {cost.stored_bytes / 1e6:.1f} | {cost.write_seconds:.1f} s "
                f"| {cost.windows_per_s:,.0f} | {cost.frames_per_s:,.0f} |"
            )


if __name__ == "__main__":
    main()
