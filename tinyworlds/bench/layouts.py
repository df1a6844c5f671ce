"""The same frames on disk: as public files store them, as our writer does, and in our cache."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from tinyworlds.bench.pattern import moving_frames
from tinyworlds.data import FrameWriter
from tinyworlds.data.cache import build_cache
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
