"""Rewriting a gameplay file so that it reads fast.

Files made with h5py's automatic chunks cut every channel of hundreds of frames into pieces, and one window
unpacks megabytes. Rewritten, a chunk holds a few whole frames. Everything else in the file stays as it is.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

import h5py
import numpy as np

from tinyworlds.data.new_file import NewFile
from tinyworlds.data.reader import FrameFile, SpanReader
from tinyworlds.data.schema import FileInfo, opened, read_info
from tinyworlds.data.writer import CHUNK_FRAMES
from tinyworlds.errors import DataError, StorageError
from tinyworlds.system.progress import progress_bar

_STEP_BYTES = 32 * 2**20  # of frames in memory, where the chunks allow
_MOST_BYTES = 2**30
WINDOW_FRAMES = 16
_MEASURE_S = 1.0


@dataclass(frozen=True)
class Optimized:
    """What a rewrite brought.

    Attributes:
        path: the rewritten file.
        before_bytes: on disk.
        after_bytes: on disk.
        before: windows of 16 frames read a second, at random places.
        after: likewise, from the rewritten file.
    """

    path: Path
    before_bytes: int
    after_bytes: int
    before: float
    after: float


def optimize(
    file: str | Path, out: str | Path | None = None, raw: bool = False, progress: bool = True
) -> Optimized:
    """Rewrite the frames of a file in chunks of 16 whole frames, packed; keep everything else.

    The new file is compared with the old one, frame by frame, before it takes its place.

    Args:
        file: the gameplay file.
        out: where the rewritten file goes; None puts it in place of `file`.
        raw: store the frames in one piece and unpacked instead, as large as they are in memory.
        progress: show bars with the time left.

    Raises:
        MissingFileError: there is no such file.
        DataError: it is damaged, or is no gameplay file.
        StorageError: the disk is full or may not be written.
    """
    info = read_info(file)
    target = Path(file if out is None else out)
    before_bytes, before = info.path.stat().st_size, measure_rate(info.path)
    _check_room(target, info, raw)
    new = NewFile(target)
    try:
        checksum = _rewrite(info, new, raw, progress)
        new.finish(lambda whole: _compare(whole, target, checksum, progress))
    finally:
        new.discard()
    return Optimized(target, before_bytes, target.stat().st_size, before, measure_rate(target))


def read_rate(reader: SpanReader, count: int, seconds: float) -> float:
    """Return how many runs of `count` rows a second can be read at random places."""
    count = min(count, len(reader))
    random, out = np.random.default_rng(0), np.empty((count, *reader.shape[1:]), reader.dtype)
    reader.read(0, count, out=out)  # opens the file
    begun, number = time.perf_counter(), 0
    while not number or time.perf_counter() - begun < seconds:
        reader.read(int(random.integers(len(reader) - count + 1)), count, out=out)
        number += 1
    return number / (time.perf_counter() - begun)


def measure_rate(path: Path) -> float:
    """Return how many windows of 16 frames of a file can be read a second, at random places."""
    with closing(SpanReader(path, "frames")) as reader:
        return read_rate(reader, WINDOW_FRAMES, _MEASURE_S)


def _check_room(target: Path, info: FileInfo, raw: bool) -> None:
    """Refuse at once what cannot fit; packed files are seldom larger than they were."""
    folder = target.absolute().parent
    while not folder.exists():
        folder = folder.parent
    needed = info.num_frames * info.frame_bytes if raw else info.path.stat().st_size
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StorageError(
            f"{target} needs about {needed / 1e6:,.0f} MB, {free / 1e6:,.0f} MB are free; "
            "free some, or name a file on another disk."
        )


def _rewrite(info: FileInfo, new: NewFile, raw: bool, progress: bool) -> str:
    """Write all of a file anew; return a hash of its frames."""
    with opened(info.path) as source:
        new.change(lambda file: _copy_all_but_frames(source, file, raw))
    with progress_bar(f"rewriting {info.path.name}", info.num_frames, progress) as advance:
        return _copy_frames(info, new, advance)


def _copy_all_but_frames(source: h5py.File, file: h5py.File, raw: bool) -> None:
    file.attrs.update(source.attrs)
    for name in source:
        if name != "frames":
            source.copy(source[name], file, name)
    _create(file, source["frames"], raw)


def _create(file: h5py.File, old: h5py.Dataset, raw: bool) -> None:
    count, *whole = old.shape
    options = (
        {}
        if raw
        else {
            "chunks": (min(CHUNK_FRAMES, count), *whole),
            "maxshape": (None, *whole),
            "compression": "gzip",
            "compression_opts": 4,
        }
    )
    frames = file.create_dataset("frames", old.shape, old.dtype, **options)
    frames.attrs.update(old.attrs)


def _copy_frames(info: FileInfo, new: NewFile, advance: Callable[[int], None]) -> str:
    digest, held, done = sha256(), np.empty((0, info.height, info.width, 3), np.uint8), 0
    for start, block in _blocks(info):
        digest.update(block.data)
        block = np.concatenate([held, block])  # only whole chunks are written: each is packed once
        last = start + len(block) - len(held) == info.num_frames
        whole = len(block) if last else len(block) // CHUNK_FRAMES * CHUNK_FRAMES
        new.change(partial(_write, done, block[:whole]))
        advance(whole)
        held, done = block[whole:], done + whole
    return digest.hexdigest()


def _write(start: int, block: np.ndarray, file: h5py.File) -> None:
    file["frames"][start : start + len(block)] = block


def _blocks(info: FileInfo) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the frames in order, in whole chunks where memory allows: none is unpacked twice."""
    chunk = info.chunks[0] if info.chunks else 1
    rows = chunk * max(1, _STEP_BYTES // (chunk * info.frame_bytes))
    rows = min(rows, max(1, _MOST_BYTES // info.frame_bytes))
    with closing(SpanReader(info.path, "frames")) as frames:
        for start in range(0, info.num_frames, rows):
            yield start, frames.read(start, min(rows, info.num_frames - start))


def _compare(path: Path, target: Path, checksum: str, progress: bool) -> None:
    digest = sha256()
    with (
        closing(FrameFile(path)) as file,
        progress_bar(f"checking {target.name}", len(file), progress) as advance,
    ):
        rows = CHUNK_FRAMES * max(1, _STEP_BYTES // (CHUNK_FRAMES * file.info.frame_bytes))
        for start in range(0, len(file), rows):
            block = file.frames(start, min(rows, len(file) - start))
            digest.update(block.data)
            advance(len(block))
    if digest.hexdigest() != checksum:
        raise DataError(
            f"{target}: what was written reads back otherwise; nothing was replaced, check the disk"
        )
