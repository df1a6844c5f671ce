"""A copy of the frames stored in one piece, made once, so that reading a window costs microseconds.

Public files split every channel of hundreds of frames into one chunk: a single window unpacks megabytes (25
windows a second). Ours unpack fast, but still at a cost on a small machine. The copy lies in ``.cache``
beside the file, is named after the file's content, and may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import glob
import shutil
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

from tinyworlds.data.content import content_hash, is_sealed, seal
from tinyworlds.data.h5_open import opened
from tinyworlds.data.new_file import created
from tinyworlds.data.reader import SpanReader
from tinyworlds.data.schema import FileInfo, read_info
from tinyworlds.data.stored import dataset
from tinyworlds.errors import DataError, StorageError
from tinyworlds.system.files import replacing
from tinyworlds.system.locks import locked
from tinyworlds.system.progress import progress_bar

SMALL_BYTES = 2 * 2**30  # files of our own layout are only copied up to this size: they read well as they are
SPARE_BYTES = 2**30  # disk space that a copy must leave free
_STEP_BYTES = 16 * 2**20  # of frames in memory while copying, where the chunks allow
_SHOW_BYTES = 256 * 2**20  # smaller copies need no progress bar


def cached_frames(path: str | Path) -> Path | None:
    """Return the copy of a file's frames if there is a valid one."""
    path = Path(path)
    if not list(_copies(path)):
        return None
    copy = _copy_path(path)
    return copy if _is_whole(copy, read_info(path)) else None


def build_cache(path: str | Path) -> Path | None:
    """Make the copy if the file gains by it and the disk has room; return it, or None where there is none.

    A refused copy is no error: the file is then read as it is, with a warning if that will be slow. Two
    processes never make the same copy; the second waits and takes the result of the first.

    Raises:
        MissingFileError: there is no such file.
        DataError: the file breaks the schema or is damaged.
    """
    info = read_info(path)
    size = info.num_frames * info.frame_bytes
    if info.chunks is None or (size > SMALL_BYTES and not reads_slowly(info)):
        return None
    copy = cached_frames(path)
    if copy is not None:
        return copy
    try:
        with locked(cache_folder(info.path) / f"{info.path.name}.lock", f"unpacking {info.path.name}"):
            copy = _copy_path(info.path)
            if not _is_whole(copy, info):
                _sweep(info.path)
                check_space(info.path.parent, size, "a copy")
                _unpack(info, copy, show=size > _SHOW_BYTES)
            return copy
    except OSError as error:
        if reads_slowly(info):
            warnings.warn(f"{info.path} is read as it is, which is slow: {error}", stacklevel=2)
        return None


def cache_folder(path: Path) -> Path:
    """The folder for what is made of a gameplay file and may be deleted at any time."""
    return path.parent / ".cache"


def check_space(folder: Path, size: int, what: str) -> None:
    """Check that `size` bytes of `what` fit on the disk of `folder`, and leave some to spare.

    Raises:
        StorageError: they do not.
    """
    free = shutil.disk_usage(folder).free
    if free < size + SPARE_BYTES:
        raise StorageError(f"no room for {what} of {size / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are free")


def reads_slowly(info: FileInfo) -> bool:
    """Whether one window must unpack far more than it needs."""
    return info.chunks is not None and (
        info.chunks[0] > 64 or info.chunks[1:] != (info.height, info.width, 3)
    )


def noted_content(path: Path, busy: Callable[[], None] = lambda: None) -> str:
    """Return `content_hash` of a gameplay file, noted in its cache folder."""
    return content_hash(path, cache_folder(path) / f"{path.name}.content.json", busy)


def _copy_path(path: Path) -> Path:
    return cache_folder(path) / f"{path.name}-{noted_content(path)}.h5"


def _copies(path: Path) -> list[Path]:
    return list(cache_folder(path).glob(f"{glob.escape(path.name)}-{'[0-9a-f]' * 16}.h5"))


def _sweep(path: Path) -> None:
    """Remove copies of earlier contents of the file."""
    for old in _copies(path):
        with contextlib.suppress(OSError):  # in use by another process on Windows
            old.unlink()


def _is_whole(copy: Path, info: FileInfo) -> bool:
    """Whether the copy is there with all its bytes; a disk may have lost some since it was made."""
    size = info.num_frames * info.frame_bytes
    if not is_sealed(copy):
        return False
    try:
        with opened(copy) as file:
            frames = dataset(file, copy, "frames")
            return frames.nbytes == size and copy.stat().st_size >= frames.id.get_offset() + size
    except DataError:
        return False


def _unpack(info: FileInfo, copy: Path, show: bool) -> None:
    shape = (info.num_frames, info.height, info.width, 3)
    chunk = info.chunks[0] if info.chunks else 1
    rows = chunk * max(1, _STEP_BYTES // (chunk * info.frame_bytes))  # no chunk is unpacked twice
    with (
        closing(SpanReader(info.path, "frames")) as source,
        replacing(copy) as temporary,
        progress_bar(f"unpacking {info.path.name}", info.num_frames, show) as advance,
    ):
        with created(temporary) as target:
            frames = target.create_dataset("frames", shape, np.uint8)
            frames[-1] = 0  # makes HDF5 reserve the room
            offset = frames.id.get_offset()
        # plain writes: on a full disk they raise, while HDF5 would go on complaining when it closes the file
        with open(temporary, "r+b") as plain:
            plain.seek(offset)
            for start in range(0, info.num_frames, rows):
                block = source.read(start, min(rows, info.num_frames - start))
                plain.write(block.data)
                advance(len(block))
        seal(temporary, whole=False)  # all of it would be read at every start
