"""The same frames on disk in several layouts, and what each costs.

For the comparison of readers: as public files are, as our writer stores them, and our cache. For the choice
of the layout itself: ``python -m benchmarks.layouts FILE.h5`` tries many on the frames of a file.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tinyworlds.bench.pattern import moving_frames
from tinyworlds.data import FrameWriter
from tinyworlds.data.cache import build_cache
from tinyworlds.data.optimize import read_rate
from tinyworlds.data.reader import FrameFile, SpanReader
from tinyworlds.errors import StorageError

_STEP_BYTES = 64 * 2**20  # of frames in memory while a file is written


@dataclass(frozen=True)
class Source:
    """One layout of the frames on disk.

    Attributes:
        path: the gameplay file.
        cached: whether windows come from the unpacked copy.
        storage: chunks and compression, in words.
        stored_bytes: on disk.
        write_seconds: what it took to write, or to unpack.
    """

    path: Path
    cached: bool
    storage: str
    stored_bytes: int
    write_seconds: float


def write_published(path: Path, count: int, frame_size: int) -> Source:
    """Frames as in public files."""
    begun = time.perf_counter()
    with h5py.File(path, "w") as file:
        shape = (count, frame_size, frame_size, 3)
        frames = file.create_dataset("frames", shape, np.uint8, chunks=True, compression="lzf")
        chunks = frames.chunks
        # whole chunks, or each is packed many times
        step = chunks[0] * max(1, _STEP_BYTES // (chunks[0] * frame_size**2 * 3))
        for start in range(0, count, step):
            frames[start : start + step] = moving_frames(start, min(step, count - start), frame_size)
    taken = time.perf_counter() - begun
    return Source(path, False, f"chunks {list(chunks)}, lzf", path.stat().st_size, taken)


def write_ours(path: Path, count: int, frame_size: int) -> Source:
    """Frames as our writer stores them."""
    begun = time.perf_counter()
    with FrameWriter(path, frame_size, frame_size, fps=60) as writer:
        for start in range(0, count, 256):
            for frame in moving_frames(start, min(256, count - start), frame_size):
                writer.append(frame)
    taken = time.perf_counter() - begun
    with h5py.File(path, "r") as file:
        frames = file["frames"]
        storage = f"chunks {list(frames.chunks)}, {frames.compression}"
    return Source(path, False, storage, path.stat().st_size, taken)


def unpack(source: Source) -> Source:
    """The cache's copy, made anew.

    Raises:
        StorageError: the disk has no room for it.
    """
    for old in (source.path.parent / ".cache").glob("*.h5"):
        old.unlink()
    begun = time.perf_counter()
    copy = build_cache(source.path)
    if copy is None:
        raise StorageError(f"no room for a copy in {source.path.parent}: give --folder or fewer --gigabytes")
    taken = time.perf_counter() - begun
    return Source(source.path, True, "one piece, raw", copy.stat().st_size, taken)


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
