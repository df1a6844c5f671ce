"""Checkpoint files that the original program reads: plain weights and settings, whole or not at all.

The optimizer's state is not carried over: the file of it is there, and empty.
"""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tinyworlds.checkpoints.lightning_io import atomic_save
from tinyworlds.checkpoints.v1_files import STATE_FILE, WEIGHTS_FILE
from tinyworlds.checkpoints.v1_keys import original_names
from tinyworlds.errors import StorageError
from tinyworlds.system.files import move_into_place, storage_error

_OPTIMIZER_FILE = "optim_state_dict.pt"


def write_v1_file(
    path: Path, stage: str, weights: Mapping[str, torch.Tensor], config: dict[str, Any], step: int
) -> None:
    """Write a single ``.pth`` file; arguments and errors as `write_v1_folder`."""
    atomic_save({"model": _named(stage, weights), "optimizer_state_dict": None, **_state(config, step)}, path)


def write_v1_folder(
    folder: Path, stage: str, weights: Mapping[str, torch.Tensor], config: dict[str, Any], step: int
) -> None:
    """Write a checkpoint folder.

    Args:
        folder: the new folder, ``<stage>_step_<n>``.
        stage: one of the three stages.
        weights: under our names.
        config: flat settings, as of :func:`tinyworlds.checkpoints.v1_keys.original_config`.
        step: updates done.

    Raises:
        StorageError: the folder exists, the disk is full or the path cannot be written.
    """
    if folder.exists():
        raise StorageError(f"{folder} exists already; move it away or choose another place")
    part = folder.with_name(f".{folder.name}-{uuid.uuid4().hex[:8]}")
    try:
        atomic_save(_named(stage, weights), part / WEIGHTS_FILE)
        atomic_save({"state": {}, "param_groups": []}, part / _OPTIMIZER_FILE)
        atomic_save(_state(config, step), part / STATE_FILE)
        move_into_place(part, folder)
    except StorageError:
        raise
    except OSError as error:
        raise storage_error(folder, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _state(config: dict[str, Any], step: int) -> dict[str, Any]:
    stamp = time.strftime("%Y_%m_%d_%H_%M_%S")
    return {"config": config, "step": step, "timestamp": stamp, "scheduler_state_dict": None}


def _named(stage: str, weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    named = original_names(stage, weights)
    return {name: value.detach().cpu().clone().contiguous() for name, value in named.items()}
