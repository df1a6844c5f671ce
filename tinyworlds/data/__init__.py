"""Gameplay at rest and on its way to the networks: files, windows, batches, and recording of live games.

Imported on first use: recording (`tinyworlds.sources.record.record`) and inspecting need no torch.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "FrameFile": "tinyworlds.data.reader",
    "FrameWriter": "tinyworlds.data.writer",
    "H5DataModule": "tinyworlds.data.module",
    "frames_to_input": "tinyworlds.media.pixels",
    "input_to_frames": "tinyworlds.media.pixels",
    "read_info": "tinyworlds.data.schema",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tinyworlds.data' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
