"""Whole files or none: everything is written to a temporary neighbour and renamed when it is complete."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from tinyworlds.errors import StorageError

_WINDOWS_PATIENCE_S = 5.0


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path with the same ending; rename it to `path` at the end of the block.

    If the block raises, the temporary file goes and an older `path` stays as it was. Missing parent
    folders are made.

    Raises:
        StorageError: the disk is full or the path cannot be written.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.stem}-{uuid.uuid4().hex[:8]}{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)
    except OSError as error:
        raise storage_error(target, error) from error
    mode = temporary.stat().st_mode
    try:
        yield temporary
        temporary.chmod(mode)  # safetensors makes a file of its own that nobody else may read
        move_into_place(temporary, target)
    except OSError as error:
        raise storage_error(target, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def move_into_place(temporary: Path, target: Path) -> None:
    """Rename a complete file to its final name, in place of an older one.

    Windows refuses that while anybody has the older file open. Readers and virus scanners are done in a
    moment, so there it is tried for some seconds.

    Raises:
        OSError: it cannot be renamed.
    """
    give_up = time.monotonic() + _WINDOWS_PATIENCE_S
    while True:
        try:
            os.replace(temporary, target)
        except PermissionError:
            if sys.platform != "win32" or time.monotonic() > give_up:
                raise
            time.sleep(0.05)
        else:
            return


def check_writable(path: str | Path) -> None:
    """Make sure, before the work, that a file can be written; missing parent folders are made.

    Raises:
        StorageError: the path cannot be written.
    """
    target = Path(path)
    probe = target.with_name(f".{target.stem}-{uuid.uuid4().hex[:8]}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise storage_error(target, error) from error


def write_text(path: str | Path, text: str) -> None:
    """Write a whole UTF-8 text file or nothing."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def storage_error(path: Path, error: OSError) -> StorageError:
    """The one-line error for a file that could not be written."""
    reason = error.strerror or str(error)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        remedy = "close what has it open, see who may write there, or choose another folder"
    else:
        remedy = "free some space there or choose another folder"
    return StorageError(f"Could not write {path}: {reason}; {remedy}.")
