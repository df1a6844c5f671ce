"""Opening HDF5 files that others made: what they are instead, who is writing them, what is damaged.

Files are given to HDF5 as a Python object (see `guarded_file`), which locks nothing, so they open on file
systems without locks, too; whether somebody else holds a lock is asked here.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import h5py

from tinyworlds.data.guarded_file import GuardedFile
from tinyworlds.errors import DataError, MissingFileError, TinyWorldsError
from tinyworlds.media.suffixes import VIDEO_SUFFIXES
from tinyworlds.system.documents import check_is_no_pointer
from tinyworlds.system.interrupts import uninterrupted
from tinyworlds.system.shell import quoted, shown_command

try:
    import fcntl
except ImportError:  # Windows, where HDF5 locks nothing and open files cannot be opened twice for writing
    fcntl = None  # type: ignore[assignment]

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HEAD_BYTES = 512
_WRITING = 1  # bit of the byte after the superblock's sizes: somebody opened the file for writing
_KINDS = {
    b"PK\x03\x04": "a zip archive; unpack it",
    b"\x1f\x8b": "gzip-packed; unpack it with gunzip",
    b"7z\xbc\xaf": "a 7z archive; unpack it",
    b"\x28\xb5\x2f\xfd": "zstd-packed; unpack it with unzstd",
    b"\x1a\x45\xdf\xa3": "a Matroska or WebM video; make a gameplay file of it with tinyworlds ingest",
    b"RIFF": "an AVI video or a sound; make a gameplay file of a video with tinyworlds ingest",
    b"\x93NUMPY": "a NumPy array; write it with h5py as data set 'frames'",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF; make a gameplay file of it with tinyworlds ingest",
    b"CDF": "a netCDF 3 file; write its frames with h5py",
    b"PAR1": "a Parquet table; write its frames with h5py",
    b"SQLite": "an SQLite database",
    b"MATLAB 5": "a MATLAB file of an old format; save it with -v7.3",
    b"<": "a page of the web or XML; its download went wrong",
    b"{": "JSON",
}
_VIDEO_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free")


def open_h5(path: str | Path, unclosed: bool = False) -> h5py.File:
    """Open an HDF5 file for reading.

    Damaged files are refused or raise while they are read, see `reading`; none makes the process hang.

    Args:
        path: the file.
        unclosed: open a file, too, whose writer never closed it.

    Raises:
        MissingFileError: there is no such file, or Git LFS left a few lines in its place.
        DataError: it is not HDF5, is cut short, is being written, or may not be read.
    """
    path = Path(path)
    _check_named(path)
    try:
        with handles_left(path):
            with open(path, "rb") as handle:
                _check_content(path, handle, unclosed)
            with uninterrupted():
                return h5py.File(GuardedFile(path), "r")
    except TinyWorldsError:
        raise
    except PermissionError as error:
        who = "this user, or another program has it open" if fcntl is None else "this user"
        raise DataError(f"{path} may not be read by {who}; change its permissions.") from error
    except Exception as error:  # h5py: OSError, RuntimeError, ValueError ..., by the place of damage
        if "truncated" in str(error):
            raise DataError(
                f"{path} is truncated: its end is missing; copy, download or record it again."
            ) from error
        raise DataError(
            f"{path} is damaged ({_reason(error)}; {path.stat().st_size:,} bytes); "
            "copy, download or record it again."
        ) from error


@contextlib.contextmanager
def handles_left(path: str | Path) -> Iterator[None]:
    """Say that a file is not opened because too many are.

    Raises:
        DataError: the block raised that this process, or the machine, may open no more.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            raise
        raise DataError(
            f"{path} cannot be opened: as many files are open as may be; "
            "allow more (ulimit -n 4096) or name fewer."
        ) from error


@contextlib.contextmanager
def reading(path: str | Path, where: str = "") -> Iterator[None]:
    """Turn whatever h5py raises over damaged content within the block into one line; signals wait meanwhile.

    Args:
        path: of the file that is read.
        where: what of it, such as "near row 48".

    Raises:
        DataError: something is damaged.
    """
    try:
        with uninterrupted():
            yield
    except TinyWorldsError:
        raise
    except Exception as error:  # h5py: OSError, RuntimeError, KeyError, TypeError ..., by the place of damage
        place = f" {where}" if where else ""
        raise DataError(
            f"{path} is damaged{place} ({_reason(error)}); copy, download or record it again."
        ) from error


@contextlib.contextmanager
def opened(path: str | Path, where: str = "", unclosed: bool = False) -> Iterator[h5py.File]:
    """Yield a file that is open for reading for a short while, see `open_h5` and `reading`."""
    with reading(path, where), contextlib.closing(open_h5(path, unclosed)) as file:
        yield file


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:100] or type(error).__name__


def _check_named(path: Path) -> None:
    if path.is_dir():
        raise DataError(f"{path} is a folder, not a gameplay file; name the .h5 file in it.")
    if not path.exists():
        raise MissingFileError(
            f"No such gameplay file: {path}; "
            f"record one with `tinyworlds record ENV_ID --out {quoted(path)}`, "
            f"fetch a public one with `{shown_command('download', 'datasets', '--pattern', path.name)}`, "
            "or name yours with --data.files."
        )
    if path.suffix.lower() in VIDEO_SUFFIXES:
        raise DataError(
            f"{path} is a video, no gameplay file; make one of it: "
            f"{shown_command('ingest', path)} --game NAME"
        )
    if not path.is_file():
        raise DataError(f"{path} is a device or a pipe, not a gameplay file; name a file.")


def _check_content(path: Path, handle: BinaryIO, unclosed: bool) -> None:
    head = handle.read(_HEAD_BYTES)
    if not head.strip(b"\0") and path.stat().st_size == len(head):
        raise DataError(f"{path} is empty ({len(head)} bytes); copy, download or record it again.")
    check_is_no_pointer(path)
    if _is_being_written(handle):
        raise DataError(f"{path} is being written by another process; wait until that has finished.")
    start = superblock(handle, path.stat().st_size)
    if start is None:
        raise DataError(f"{path} is not an HDF5 file{_instead(head)}; name another, or copy it again.")
    handle.seek(start + len(_SIGNATURE))
    version, flags = handle.read(4)[::3] or (0, 0)
    if version >= 2 and flags & _WRITING and not unclosed:
        raise DataError(
            f"{path} was not closed by the program that wrote it: wait if that runs; if it was stopped, "
            f"{shown_command('optimize', path)} NEW.h5 makes a sound file of it "
            "(h5clear -s clears only its mark)."
        )


def superblock(handle: BinaryIO, size: int) -> int | None:
    """Return where HDF5's own part of a file begins: at 0, 512, 1024, 2048, ... bytes; None if nowhere."""
    start = 0
    while start < size:
        handle.seek(start)
        if handle.read(len(_SIGNATURE)) == _SIGNATURE:
            return start
        start = start * 2 or 512
    return None


def _instead(head: bytes) -> str:
    if head[4:8] in _VIDEO_BOXES:
        return " but an MP4 video, whatever its name; make a gameplay file of it with tinyworlds ingest"
    begins = head.lstrip()
    return next((f" but {told}" for begin, told in _KINDS.items() if begins.startswith(begin)), "")


def _is_being_written(handle: BinaryIO) -> bool:
    """Whether HDF5 in another process holds a writer's lock; no, where the file system knows no locks."""
    if fcntl is None or os.environ.get("HDF5_USE_FILE_LOCKING", "").upper() in ("FALSE", "0"):
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # ENOLCK, ENOTSUP, ENOSYS ...: network, FUSE and cloud disks
        return False
    return False  # closing the file lets go
