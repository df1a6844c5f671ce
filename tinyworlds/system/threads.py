"""How long PyTorch's threads burn their cores for each other before they sleep.

They wait for each other hundreds of times a frame. GCC's OpenMP lets them spin for a while first, which is
fastest on a machine of their own; where another program is busy, too, the one waited for does not get its
core, and everything becomes several times slower (docs/performance.md).
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from tinyworlds.system.cores import num_cores

SETTING = "GOMP_SPINCOUNT"
FEW = "1000"
"""Turns of the waiting loop."""

_LOADAVG = Path("/proc/loadavg")  # on Linux
_SAMPLES = 3


def sleep_early_if_busy() -> None:
    """Let threads sleep early where others are busy now, unless the user has set how they wait.

    It counts for torch that is loaded later, and for child processes.
    """
    if SETTING not in os.environ and "OMP_WAIT_POLICY" not in os.environ and others_are_busy():
        os.environ[SETTING] = FEW


def others_are_busy() -> bool:
    """Whether one of a thread for each core would have to share it; False where the system does not tell."""
    try:
        free = (os.cpu_count() or 1) - num_cores()  # cores that are not ours
        return all(_others(sample) > free for sample in range(_SAMPLES))  # not only for a moment
    except (OSError, ValueError, IndexError):
        return False


def _others(sample: int) -> int:
    """How many threads of the machine but this one run or wait for a core; later samples wait a moment."""
    if sample:
        time.sleep(0.001)
    return int(_LOADAVG.read_text(encoding="ascii").split()[3].partition("/")[0]) - 1
