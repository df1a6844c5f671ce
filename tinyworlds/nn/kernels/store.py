"""Where compiled kernels lie, and which of them may be loaded.

What is loaded runs, so only what a process of this user put there may be: the folder and the file are the
user's and nobody else may write to them, and the file is whole, by the SHA-256 beside it. Anything else
counts as not there, and is compiled again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tinyworlds.errors import StorageError
from tinyworlds.system.files import replacing, write_text

_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def find_library(key: str) -> Path | None:
    """The library stored as `key`; None where there is none that may be loaded.

    Raises:
        StorageError: there is no folder to keep libraries in.
    """
    library = kernel_folder() / f"{key}.so"
    try:
        whole = _digest_file(library).read_text(encoding="ascii") == _digest(library)
    except (OSError, UnicodeDecodeError):
        return None
    return library if whole and _is_own(library) else None


def store_library(key: str, compile: Callable[[Path], None]) -> Path:
    """Keep what `compile` writes to the path that it is given, as `key`.

    Raises:
        StorageError: there is no folder to keep it in, or no room.
    """
    library = kernel_folder() / f"{key}.so"
    with contextlib.suppress(FileNotFoundError):
        _digest_file(library).unlink()  # or it speaks of another file until the new one is written
    with replacing(library) as temporary:
        compile(temporary)
        digest = _digest(temporary)
    library.chmod(stat.S_IRWXU)
    write_text(_digest_file(library), digest)
    return library


def kernel_folder() -> Path:
    """The first folder that is this user's alone: in the user's cache, else in the system's temporary one.

    Raises:
        StorageError: others could write to either of them, or neither can be written.
    """
    reasons = []
    for folder in _candidates():
        try:
            folder.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
            if _is_own(folder, but_mode=True):
                folder.chmod(stat.S_IRWXU)
                return folder
            reasons.append(f"{folder} belongs to another user")
        except OSError as error:
            reasons.append(f"{folder}: {error.strerror}")
    raise StorageError("compiled code can be kept nowhere: " + ", ".join(reasons))


def _candidates() -> Iterator[Path]:
    """A home may be missing, read-only or another user's (``sudo``); the temporary folder is everybody's."""
    with contextlib.suppress(RuntimeError):  # no home at all
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        yield Path(base) / "tinyworlds" / "kernels"
    user = os.geteuid() if hasattr(os, "geteuid") else "user"
    yield Path(tempfile.gettempdir()) / f"tinyworlds-kernels-{user}"


def _is_own(path: Path, but_mode: bool = False) -> bool:
    """Whether a file or folder is no link, this user's, and, unless `but_mode`, not for others to write."""
    if not hasattr(os, "geteuid"):
        return True
    found = path.lstat()
    own = found.st_uid == os.geteuid() and (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode))
    return own and (but_mode or not found.st_mode & _OTHERS_MAY_WRITE)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest_file(library: Path) -> Path:
    return library.with_name(f"{library.name}.sha256")
