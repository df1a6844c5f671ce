"""TinyWorlds: gameplay video in, a playable neural world out.

The names below are imported on first use, so that ``import tinyworlds`` and ``tinyworlds --help`` stay light.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from tinyworlds.system.threads import sleep_early_if_busy

__version__ = "0.1.0"

_HOMES = {
    "World": "tinyworlds.api",
    "StartClips": "tinyworlds.world.start_clips",
    "VideoTokenizer": "tinyworlds.models",
    "LatentActionModel": "tinyworlds.models",
    "DynamicsModel": "tinyworlds.models",
    "H5DataModule": "tinyworlds.data",
    "VideoTokenizerStage": "tinyworlds.training.stages",
    "LatentActionsStage": "tinyworlds.training.stages",
    "DynamicsStage": "tinyworlds.training.stages",
    "DreamerStage": "tinyworlds.dreamer.stage",
    "ReplayDataModule": "tinyworlds.dreamer.data",
    "load_network": "tinyworlds.checkpoints.search",
    "compare": "tinyworlds.api",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tinyworlds' has no attribute '{name}'")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


if "gymnasium" in sys.modules:  # as with other games: import both, and `gymnasium.make` knows the worlds here
    importlib.import_module("tinyworlds.envs")

sleep_early_if_busy()  # before torch is loaded
