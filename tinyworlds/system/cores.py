"""How many processor cores there are for us; free of torch."""

from __future__ import annotations

import os


def num_cores() -> int:
    """How many cores this process may use (fewer than the machine has, in a container or under SLURM)."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
