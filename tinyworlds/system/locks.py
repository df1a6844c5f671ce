"""One process at a time: a lock that the operating system lets go of when its holder dies."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from tinyworlds.errors import TrainingError

_POLL_SECONDS = 1.0
_LOCKED_BYTE = 1 << 20
"""Windows locks bytes, which nobody can read then: one beyond the end of what the file tells."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, as its file tells.

    Attributes:
        pid: of the process.
        host: its machine.
        since: when it took the lock, local time.
    """

    pid: int
    host: str
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}"


@contextlib.contextmanager
def locked(
    path: Path,
    doing: str,
    waiting: Callable[[], None] = lambda: None,
    wait: bool = True,
    parent: int | None = None,
) -> Iterator[None]:
    """Hold the lock for the length of the block, after whoever holds it now.

    Args:
        path: the lock file; it stays behind. File systems that know no locks go without.
        doing: what it guards, for the line that says that this process waits.
        waiting: called about every second while waiting.
        wait: False raises where the lock is taken.
        parent: a process for which this one works, which may hold the lock for it.

    Raises:
        TrainingError: another process holds it, and this one does not wait.
        OSError: the lock file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab") as handle:
        if not _try_lock(handle):
            holder = holder_of(path)
            if holder is not None and (holder.pid, holder.host) == (parent, socket.gethostname()):
                yield
                return
            who = f"another process that is {doing}" + (f" ({holder})" if holder is not None else "")
            if not wait:
                raise TrainingError(f"there is {who}; wait until it ends, or choose another folder")
            print(f"waiting for {who}", flush=True)
            while not _try_lock(handle):
                waiting()
                time.sleep(_POLL_SECONDS)
        _sign(handle)
        yield  # closing the file lets go


def holder_of(path: Path) -> Holder | None:
    """Return who holds, or held last, the lock of a file; None if it does not tell."""
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _sign(handle: IO[bytes]) -> None:
    now = datetime.now().isoformat(" ", "seconds")
    with contextlib.suppress(OSError):  # a full disk: it is locked all the same
        handle.truncate(0)
        handle.write(json.dumps(asdict(Holder(os.getpid(), socket.gethostname(), now))).encode())
        handle.flush()


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
        handle.seek(_LOCKED_BYTE)
        msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]  # only there
