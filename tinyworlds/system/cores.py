"""How many processor cores there are for us, and whether we get them; free of torch."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def num_cores() -> int:
    """How many cores this process may use (fewer than the machine has, in a container or under SLURM)."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def seconds_waited() -> float | None:
    """How long the threads of this process have waited for a core, ready to run, in all; None if unknown.

    Linux tells (``schedstat``, the second number, in nanoseconds), of those threads that still live.
    """
    waited = 0
    try:
        for thread in os.listdir("/proc/self/task"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                waited += int(Path("/proc/self/task", thread, "schedstat").read_text("ascii").split()[1])
        return waited / 1e9 if waited else None  # none at all: a kernel that does not count
    except (OSError, ValueError, IndexError):
        return None
