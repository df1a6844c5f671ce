"""Lightning callbacks: pictures, clips, usage alarms, throughput.

Each writes on rank 0 only, into ``pictures/`` of the run's version folder, hands its pictures to every logger
that takes images, and never ends a training because a codec or a logger fails. The names below are imported
on first use.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "CodeUsage": "callbacks.code_usage",
    "KeyReadBack": "callbacks.key_read_back",
    "OpenLoopClip": "callbacks.open_loop_clip",
    "OpenLoopWriter": "callbacks.open_loop_writer",
    "ReconstructionAB": "callbacks.reconstruction_ab",
    "Throughput": "callbacks.throughput",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'callbacks' has no attribute '{name}'")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
