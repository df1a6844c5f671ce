"""Whole files or none, under safe names.

Everything is written to a temporary neighbour and renamed when it is complete. A name that somebody else
chose becomes a path here only if it is a portable name inside its folder.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tinyworlds.errors import DataError, StorageError, TinyWorldsError
from tinyworlds.system.neighbours import new_neighbour

_WINDOWS_PATIENCE_S = 5.0
MAX_PART_BYTES = 200  # file systems allow 255; ours adds an ending while a file is incomplete
_FORBIDDEN = frozenset('<>:"|?*\\')
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"]
    + [f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"]
)


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path with the same ending; rename it to `path` at the end of the block.

    If the block raises, the temporary file goes and an older `path` stays as it was; if the process is
    killed, it goes when somebody writes into the folder next. Missing parent folders are made.

    Raises:
        StorageError: the disk is full or the path cannot be written.
    """
    target = Path(path)
    temporary = new_neighbour(target)
    with storing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)
    mode = temporary.stat().st_mode
    try:
        yield temporary
        temporary.chmod(mode)  # safetensors makes a file of its own that nobody else may read
        move_into_place(temporary, target)
    except TinyWorldsError:
        raise
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
    probe = new_neighbour(target)
    with storing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        probe.touch(exist_ok=False)
        probe.unlink()


def write_text(path: str | Path, text: str) -> None:
    """Write a whole UTF-8 text file or nothing."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def storing(path: Path, hint: str = "") -> Iterator[None]:
    """Make one line of what the system says about a file that is written; errors of ours pass.

    Args:
        path: the file or folder.
        hint: a sentence to add.

    Raises:
        StorageError: the disk is full or the path cannot be written.
    """
    try:
        yield
    except TinyWorldsError:
        raise
    except OSError as error:
        raise StorageError(f"{storage_error(path, error)} {hint}".rstrip()) from error


def storage_error(path: Path, error: OSError) -> StorageError:
    """The one-line error for a file that could not be written."""
    reason = error.strerror or str(error)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        remedy = "close what has it open, see who may write there, or choose another folder"
    else:
        remedy = "free some space there or choose another folder"
    return StorageError(f"Could not write {path}: {reason}; {remedy}.")


def path_in(folder: Path, name: str) -> Path:
    """Return where a file called `name` elsewhere goes in `folder`.

    The rules of Linux, macOS and Windows hold on all of them, so that a folder can be moved between them.

    Args:
        folder: where the file has to stay.
        name: a relative path with forward slashes.

    Raises:
        DataError: the name would lead out of the folder, or is no portable file name.
    """
    reason = why_unsafe(name)
    if reason is None:
        target = folder.joinpath(*name.split("/"))
        if target.parent.resolve().is_relative_to(folder.resolve()):
            return target
        reason = f"{target.parent} is a link that leads out of {folder}"
    raise DataError(f"refused the file name {name!a}: {reason}; nothing was fetched, tell its owner")


def portable_name(name: str, instead: str) -> str:
    """Return `name`, which a file gave, as the name of a file in the folder we are in, on every system.

    What no portable name has becomes ``_``, so that it leads nowhere; `instead` where nothing is left.
    """
    kept = "".join(char if char.isalnum() or char in "-_.+, ()" else "_" for char in name)
    kept = kept[: MAX_PART_BYTES // 4].strip("._ ")
    return instead if not kept else kept if why_unsafe(kept) is None else f"_{kept}"


def why_unsafe(name: str) -> str | None:
    """Return why `name` is no safe relative path with forward slashes; None if it is one."""
    if name.startswith(("/", "\\")):
        return "it is an absolute path"
    return next((reason for part in name.split("/") if (reason := _why_unsafe_part(part))), None)


def _why_unsafe_part(part: str) -> str | None:
    if part in ("", ".", ".."):
        return "it has an empty part, '.' or '..'"
    if not part.isprintable():  # NUL, line ends, marks that turn the reading direction, lone surrogates
        return "it has characters that cannot be shown"
    if found := _FORBIDDEN.intersection(part):
        return f"it has {' '.join(sorted(found))}, which no portable name has"
    if part.startswith("."):
        return "it is a hidden file or folder"
    if part.startswith(" ") or part.endswith((".", " ")):
        return "a part begins with a space, or ends with a space or a dot, which Windows drops"
    if part.split(".")[0].rstrip(" ").lower() in _DEVICES:
        return f"'{part.split('.')[0]}' is a device on Windows"
    if len(part.encode()) > MAX_PART_BYTES:
        return f"a part is longer than {MAX_PART_BYTES} bytes"
    return None
