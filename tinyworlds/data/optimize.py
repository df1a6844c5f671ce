"""Rewriting a gameplay file so that it reads fast.

Files made with h5py's automatic chunks cut every channel of hundreds of frames into pieces, and one window
unpacks megabytes. Rewritten, a chunk holds a few whole frames. Everything else in the file stays as it is.
"""

from __future__ import annotations

import math
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tinyworlds.data.h5_open import opened
from tinyworlds.data.joined import JoinedReader
from tinyworlds.data.new_file import NewFile
from tinyworlds.data.reader import FrameFile, SpanReader
from tinyworlds.data.schema import COLUMNS, check_frames, is_simple
from tinyworlds.data.stored import Elsewhere, check_group, dataset, find, link_of
from tinyworlds.data.writer import CHUNK_FRAMES
from tinyworlds.errors import DataError, StorageError
from tinyworlds.system.progress import progress_bar
from tinyworlds.system.text import encodable

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
        before: windows of 16 frames read a second, at random places; None where other files held them.
        after: likewise, from the rewritten file.
    """

    path: Path
    before_bytes: int
    after_bytes: int
    before: float | None
    after: float


def optimize(
    file: str | Path,
    out: str | Path | None = None,
    raw: bool = False,
    progress: bool = True,
    size: int | None = None,
) -> Optimized:
    """Rewrite the frames of a file in chunks of 16 whole frames, packed; keep everything else.

    The new file is compared with what was read, frame by frame, before it takes its place. It holds all
    frames itself, also where the old one refers to files beside it (see `joined`), and is closed.

    Args:
        file: the gameplay file.
        out: where the rewritten file goes; None puts it in place of `file`.
        raw: store the frames in one piece and unpacked instead, as large as they are in memory.
        progress: show bars with the time left.
        size: new height and width in pixels; None keeps them.

    Raises:
        MissingFileError: there is no such file.
        DataError: it is damaged, or is no gameplay file.
        StorageError: the disk is full or may not be written.
    """
    file, target = Path(file), Path(file if out is None else out)
    with closing(JoinedReader(file, "frames")) as frames:
        check_frames(frames.shape, frames.dtype, file)
        before_bytes, before = file.stat().st_size, _rate(frames.plain) if frames.plain else None
        shape = frames.shape if size is None else (len(frames), size, size, 3)
        _check_room(target, math.prod(shape) if raw else math.prod(shape) * before_bytes // frames.nbytes)
        new = NewFile(target)
        try:
            with opened(file, unclosed=True) as source:
                new.change(lambda made: _copy_all_but_frames(source, made, file))
            new.change(lambda made: _create(made, file, shape, raw))
            with progress_bar(f"rewriting {file.name}", len(frames), progress) as advance:
                checksum = _copy_frames(frames, new, size, advance)
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
        return _rate(reader)


def _rate(reader: SpanReader) -> float:
    return read_rate(reader, WINDOW_FRAMES, _MEASURE_S)


def _check_room(target: Path, needed: int) -> None:
    """Refuse at once what cannot fit; packed files are seldom larger than they were."""
    folder = target.absolute().parent
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StorageError(
            f"{target} needs about {needed / 1e6:,.0f} MB, {free / 1e6:,.0f} MB are free; "
            "free some, or name a file on another disk."
        )


def _copy_all_but_frames(source: h5py.File, made: h5py.File, path: Path) -> None:
    _copy_attributes(source, made, path)
    for name in source:
        if name == "frames":
            continue
        link = link_of(source, name)
        if link is not None and name not in COLUMNS:
            made[name] = link
            continue
        try:
            found = find(source, path, name)
            if found is not None:  # a data type of its own has nothing to do with frames
                if isinstance(found, h5py.Group):
                    check_group(path, name, found)
                source.copy(found, made, name)
        except Elsewhere:
            with closing(JoinedReader(path, name)) as column:
                made[name] = column.read(0, len(column))


def _copy_attributes(old: h5py.HLObject, new: h5py.HLObject, path: Path) -> None:
    for name in old.attrs:
        if is_simple(old.attrs.get_id(name)):
            value = old.attrs[name]
            new.attrs[name] = encodable(value) if isinstance(value, str) else value
        else:
            warnings.warn(
                f"{path}: attribute {name!a} is no number and no text, and is not kept", stacklevel=2
            )


def _create(made: h5py.File, path: Path, shape: tuple[int, ...], raw: bool) -> None:
    packed: dict[str, Any] = {
        "chunks": (min(CHUNK_FRAMES, shape[0]), *shape[1:]),
        "maxshape": (None, *shape[1:]),
        "compression": "gzip",
        "compression_opts": 4,
    }
    frames = made.create_dataset("frames", shape, np.uint8, **({} if raw else packed))
    with opened(path, unclosed=True) as source:
        try:
            _copy_attributes(dataset(source, path, "frames"), frames, path)
        except Elsewhere:
            return  # attributes of parts speak of parts


def _copy_frames(frames: JoinedReader, new: NewFile, size: int | None, advance: Callable[[int], None]) -> str:
    digest, held, done, seen = sha256(), None, 0, 0
    for block in _blocks(frames):
        seen += len(block)
        block = block if size is None else _resized(block, size)
        digest.update(block.data)
        # only whole chunks are written: each is packed once
        block = block if held is None else np.concatenate([held, block])
        whole = len(block) if seen == len(frames) else len(block) // CHUNK_FRAMES * CHUNK_FRAMES
        new.change(partial(_write, done, block[:whole]))
        advance(whole)
        held, done = block[whole:], done + whole
    return digest.hexdigest()


def _resized(block: np.ndarray, size: int) -> np.ndarray:
    import cv2

    return np.stack([cv2.resize(frame, (size, size), interpolation=cv2.INTER_AREA) for frame in block])


def _blocks(frames: JoinedReader) -> Iterator[np.ndarray]:
    """Yield the frames in order, in whole chunks where memory allows: none is unpacked twice."""
    frame_bytes = math.prod(frames.shape[1:])
    rows = frames.chunk_rows * max(1, _STEP_BYTES // (frames.chunk_rows * frame_bytes))
    rows = min(rows, max(1, _MOST_BYTES // frame_bytes))
    for start in range(0, len(frames), rows):
        yield frames.read(start, min(rows, len(frames) - start))


def _write(start: int, block: np.ndarray, file: h5py.File) -> None:
    file["frames"][start : start + len(block)] = block


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
