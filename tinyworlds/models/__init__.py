"""The networks: plain ``nn.Module``s that know nothing of files, training or windows.

They are imported on first use, so that :mod:`tinyworlds.models.registry` can be asked without torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinyworlds.models.dynamics import DynamicsModel
    from tinyworlds.models.latent_actions import LatentActionModel
    from tinyworlds.models.video_tokenizer import VideoTokenizer

_HOMES = {
    "DynamicsModel": "tinyworlds.models.dynamics",
    "LatentActionModel": "tinyworlds.models.latent_actions",
    "VideoTokenizer": "tinyworlds.models.video_tokenizer",
}

__all__ = ["DynamicsModel", "LatentActionModel", "VideoTokenizer"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tinyworlds.models' has no attribute '{name}'")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
