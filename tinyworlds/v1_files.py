"""Checkpoint files of the original program, read without its classes and without running code from them.

A single ``.pth`` file, or a folder with ``model_state_dict.pt`` and ``state.pt``; names and settings inside
are translated by :mod:`tinyworlds.models.v1_keys`.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from tinyworlds.errors import CheckpointError, MissingFileError
from tinyworlds.models.v1_keys import find_stage, network_config, rename, unwrap

_WEIGHTS = ("model", "state_dict", "model_state_dict")


class _Shell:
    """Stands in for a configuration class of the original program: keeps its fields, has no behaviour."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


# what the original pickles into `state.pt`; an enum of strings becomes its string
_FOREIGN = (
    (str, "utils.config.DeviceType"),
    (_Shell, "utils.config.DistributedConfig"),
    (_Shell, "utils.config.FSDPMixedPrecisionConfig"),
)


def read_v1(path: Path) -> tuple[str, dict[str, Any], dict[str, torch.Tensor]]:
    """Return the stage, the network's constructor arguments and its weights under our names.

    Raises:
        MissingFileError: there is no such file or folder.
        CheckpointError: it is damaged, holds code, or lacks a setting.
    """
    if not path.exists():
        raise MissingFileError(f"checkpoint {path} does not exist; check the path")
    if path.is_dir():
        weights, config = _load(path / "model_state_dict.pt"), _load(path / "state.pt").get("config", {})
    else:
        content = _load(path)
        weights = next((content[key] for key in _WEIGHTS if isinstance(content.get(key), dict)), content)
        config = content.get("config", {})
    weights = unwrap({key: value for key, value in weights.items() if isinstance(value, torch.Tensor)})
    try:
        stage = find_stage(weights)
        arguments = network_config(stage, config, weights)
    except CheckpointError as failure:
        raise CheckpointError(f"{path}: {failure}") from None
    return stage, arguments, rename(stage, weights)


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise CheckpointError(f"{path} is missing; copy the whole folder of the checkpoint")
    try:
        with torch.serialization.safe_globals(list(_FOREIGN)):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as failure:
        raise CheckpointError(
            f"{path} holds something other than weights and settings; not read"
        ) from failure
    except (RuntimeError, EOFError, OSError, ValueError) as failure:
        size = path.stat().st_size
        raise CheckpointError(f"{path} is truncated ({size:,} bytes); use an earlier step") from failure
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds a {type(content).__name__}; name a checkpoint")
    return content
