"""One process at a time: a lock that the operating system lets go of when its holder dies."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

_POLL_SECONDS = 1.0


@contextlib.contextmanager
def locked(path: Path, doing: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock for the length of the block, after whoever holds it now.

    Args:
        path: the lock file; it stays behind, empty. File systems that know no locks go without.
        doing: what it guards, for the line that says that this process waits.
        waiting: called about every second while waiting.

    Raises:
        OSError: the lock file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab") as handle:
        if not _try_lock(handle):
            print(f"waiting for another process that is {doing}", flush=True)
            while not _try_lock(handle):
                waiting()
                time.sleep(_POLL_SECONDS)
        yield  # closing the file lets go


def _try_lock(handle: IO[bytes]) -> bool:
    """Return whether the lock is ours, or cannot be had on this file system."""
    try:
        _lock(handle)
    except (BlockingIOError, PermissionError):  # held by another: the former on POSIX, the latter on Windows
        return False
    except OSError:
        return True
    return True


try:
    import fcntl

    def _lock(handle: IO[bytes]) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

except ImportError:  # Windows
    import msvcrt

    def _lock(handle: IO[bytes]) -> None:
        handle.seek(0)
        msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]  # only there
