"""Writing checkpoints so that no reader meets half a file, and reading them without running their code."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from tinyworlds.checkpoints.load import first_nonfinite, read_checkpoint
from tinyworlds.errors import StorageError, TrainingError
from tinyworlds.system.files import move_into_place
from tinyworlds.system.neighbours import new_neighbour


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoint plugin: a temporary name and a rename; no NaN weights; plain data only.

    Args:
        stage: the stage to read from files that hold several.
    """

    def __init__(self, stage: str | None = None) -> None:
        super().__init__()
        self.stage = stage

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write `checkpoint` to `path` in one move.

        Raises:
            TrainingError: a weight is NaN or infinite.
            StorageError: the disk is full or the folder cannot be written.
        """
        broken = first_nonfinite(checkpoint.get("state_dict", {}))
        if broken:
            raise TrainingError(
                f"not saving {path}: weight '{broken}' holds NaN or infinity; go on from an "
                "earlier checkpoint with a lower --model.learning_rate"
            )
        atomic_save(checkpoint, path)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = "cpu", weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Read a checkpoint as plain data, whatever `weights_only` says."""
        return _without_foreign_paths(read_checkpoint(path, map_location, self.stage))


def _without_foreign_paths(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """Drop what Lightning would delete later on a checkpoint's word: files that it says it kept elsewhere.

    `ModelCheckpoint` takes over the list of the files it has kept, and removes the worst of them, with all
    that is in it if it is a folder, once there is a better one.
    """
    states = checkpoint.get("callbacks")
    if not isinstance(states, dict):
        return checkpoint
    return {
        **checkpoint,
        "callbacks": {key: state for key, state in states.items() if _keeps_to_itself(state)},
    }


def _keeps_to_itself(state: Any) -> bool:
    if not isinstance(state, dict) or not {"best_k_models", "kth_best_model_path", "dirpath"} & {*state}:
        return True
    folder, kept = state.get("dirpath"), state.get("best_k_models") or {}
    singles = ("best_model_path", "kth_best_model_path", "last_model_path")
    paths = [*(state.get(name) or "" for name in singles), *(kept if isinstance(kept, dict) else [None])]
    return isinstance(folder, str) and all(
        isinstance(path, str)
        and (not path or (os.path.dirname(path) == folder and os.path.normpath(path) == path))
        for path in paths
    )


def atomic_save(content: Any, path: str | Path) -> None:
    """``torch.save`` to a temporary file in the same folder, then rename it to `path`.

    Raises:
        StorageError: the disk is full or the folder cannot be written; nothing is left behind.
    """
    path = Path(path)
    part = new_neighbour(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        move_into_place(part, path)
    except (OSError, RuntimeError) as failure:
        # torch wraps a failed write into a RuntimeError, with the OSError as its context or not at all
        with contextlib.suppress(OSError):
            part.unlink()
        raise _storage_error(path, failure) from failure
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def _storage_error(path: Path, failure: Exception) -> Exception:
    cause = failure if isinstance(failure, OSError) else failure.__context__
    if isinstance(cause, OSError) and cause.errno == errno.ENOSPC:
        return StorageError(f"cannot write {path}: the disk is full; free some space, then --ckpt_path last")
    if isinstance(cause, OSError):
        return StorageError(
            f"cannot write {path}: {cause.strerror or cause}; check the folder and its permissions"
        )
    if "write" in str(failure).lower():
        return StorageError(f"cannot write {path}: {failure}; is the disk full?")
    return failure
