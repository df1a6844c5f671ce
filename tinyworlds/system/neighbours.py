"""Names for files that are not yet whole, and an end for those that killed processes left.

Such a file lies beside its place, hidden, and names the process that writes it: whoever writes into a folder
next removes those whose process is gone. So a kill costs the disk nothing for long.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import re
import sys
import time
import uuid
from pathlib import Path

_NAME = re.compile(r"\..*-tmp-([0-9a-f]{6})-(\d+)-[0-9a-f]{8}(\.[^.]*)?")
_OLD_S = 7 * 24 * 3600.0  # nobody writes for so long without touching the file: it goes wherever it was made
_YOUNG_S = 60.0  # on Windows, where a file that is open cannot be removed, a moment for opening it


def new_neighbour(path: Path) -> Path:
    """Return an unused name beside `path`, with the same ending; what killed processes left there goes.

    Args:
        path: where the whole file will be.
    """
    sweep(path.parent)
    return path.with_name(f".{path.stem}-tmp-{_here()}-{os.getpid()}-{uuid.uuid4().hex[:8]}{path.suffix}")


def sweep(folder: Path) -> None:
    """Remove unfinished files whose processes are gone; a folder that is not there or not ours is left."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            match = _NAME.fullmatch(entry.name)
            if match is not None and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    if _is_left(match[1], int(match[2]), time.time() - entry.stat().st_mtime):
                        os.unlink(entry.path)


def _is_left(machine: str, process: int, age_s: float) -> bool:
    if machine != _here() or sys.platform == "win32":
        return age_s > (_YOUNG_S if machine == _here() else _OLD_S)
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # it runs, as another user
        return False
    return False


@functools.cache
def _here() -> str:
    """Where process numbers mean what they mean here: this machine, or this container on it."""
    space = ""
    with contextlib.suppress(OSError, AttributeError):
        space = os.readlink("/proc/self/ns/pid")
    return hashlib.sha256(f"{platform.node()} {space}".encode()).hexdigest()[:6]
