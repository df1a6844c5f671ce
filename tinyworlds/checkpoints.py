"""Reading checkpoints: any format, plain data only, with errors a person can act on.

A checkpoint of ours is a Lightning ``.ckpt`` with one entry of our own, ``tinyworlds``: schema version,
stage, the network's class and configuration, the game, and which tokenizer and action model it was trained
with. Nothing in it needs code to be read (``torch.load(weights_only=True)``). Files of the original program
are read through :mod:`tinyworlds.models.v1_keys`.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tinyworlds.errors import CheckpointError, MissingFileError, TinyWorldsError
from tinyworlds.run_layout import STAGES, version_of, versions

META_KEY = "tinyworlds"
SCHEMA_VERSION = 1
NETWORKS = {
    "video_tokenizer": "VideoTokenizer",
    "latent_actions": "LatentActionModel",
    "dynamics": "DynamicsModel",
}


@dataclass(frozen=True)
class CheckpointInfo:
    """What a checkpoint says about itself.

    Attributes:
        path: the file.
        stage: one of the three stages.
        config: the network's constructor arguments.
        meta: everything under the checkpoint's ``tinyworlds`` key.
        step: optimizer steps done.
    """

    path: Path
    stage: str
    config: dict[str, Any]
    meta: dict[str, Any]
    step: int


def read_checkpoint(path: str | Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Return the dictionary in a checkpoint file, read as plain data.

    Raises:
        MissingFileError: there is no such file.
        CheckpointError: it is truncated, no checkpoint, or holds code.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"checkpoint {path} does not exist; check the path, or train the stage first")
    try:
        content = torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as failure:
        raise CheckpointError(
            f"{path} is no checkpoint of plain data (it is damaged or holds code, which is not run); "
            "use one written by tinyworlds"
        ) from failure
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as failure:
        raise CheckpointError(
            f"{path} is truncated or no checkpoint ({path.stat().st_size:,} bytes); use an earlier one"
        ) from failure
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{path} holds a {type(content).__name__}, not a checkpoint; use one of tinyworlds"
        )
    return content


def info_of(checkpoint: dict[str, Any], path: str | Path) -> CheckpointInfo:
    """Return what a checkpoint (as read by :func:`read_checkpoint`) says about itself.

    Raises:
        CheckpointError: it is not one of ours, or from a newer version of the program.
    """
    meta = checkpoint.get(META_KEY)
    if not isinstance(meta, dict) or "stage" not in meta:
        raise CheckpointError(
            f"{path} was not written by a stage of tinyworlds; use a checkpoint of `tinyworlds fit`"
        )
    if meta.get("schema_version", 0) > SCHEMA_VERSION:
        raise CheckpointError(
            f"{path} has schema version {meta['schema_version']}, this program reads up to {SCHEMA_VERSION}; "
            "update tinyworlds"
        )
    return CheckpointInfo(
        Path(path), meta["stage"], meta["network"], meta, int(checkpoint.get("global_step", 0))
    )


def network_weights(checkpoint: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Return the network's own state dict out of a stage's checkpoint."""
    prefix = "network."
    return {k[len(prefix) :]: v for k, v in checkpoint["state_dict"].items() if k.startswith(prefix)}


def build_network(stage: str, config: dict[str, Any]) -> nn.Module:
    """Return a fresh network of `stage` with constructor arguments `config`."""
    import tinyworlds.models as models

    return getattr(models, NETWORKS[stage])(**config)


def load_network(path: str | Path, device: str | torch.device = "cpu", stage: str | None = None) -> nn.Module:
    """Return the network in a checkpoint of any format, in eval mode on `device`.

    Args:
        path: a ``.ckpt`` of ours, a ``.pth`` file or a directory of the original program.
        device: where the network goes.
        stage: the stage it must be of; None takes any.

    Raises:
        MissingFileError: no such file.
        CheckpointError: unreadable, of another stage, with NaN weights, or not fitting its own configuration.
    """
    path = Path(path)
    if path.is_dir() or path.suffix in (".pth", ".pt"):
        from tinyworlds.v1_files import read_v1

        found, config, weights = read_v1(path)
    else:
        checkpoint = read_checkpoint(path)
        info = info_of(checkpoint, path)
        found, config, weights = info.stage, info.config, network_weights(checkpoint)
    check_stage(path, found, stage)
    check_weights(path, weights)
    network = build_network(found, config)
    try:
        network.load_state_dict(weights, strict=True)
    except RuntimeError as failure:
        first = " ".join(str(failure).split())[:150]
        raise CheckpointError(
            f"the weights in {path} do not fit the networks of this version of tinyworlds ({first} ...); "
            "train the stage again, or use the version that wrote it"
        ) from failure
    return network.to(device).eval().requires_grad_(False)


def check_stage(path: str | Path, found: str, wanted: str | None) -> None:
    """Raise a CheckpointError when a checkpoint is not of the stage that was asked for."""
    if wanted is not None and found != wanted:
        raise CheckpointError(
            f"{path} is a checkpoint of stage {found}, wanted {wanted}; name one of {wanted}"
        )


def check_weights(path: str | Path, weights: dict[str, torch.Tensor]) -> None:
    """Raise a CheckpointError when there are no weights or one is NaN or infinite."""
    if not weights:
        raise CheckpointError(f"{path} holds no weights; use an earlier checkpoint")
    broken = first_nonfinite(weights)
    if broken:
        raise CheckpointError(f"weight '{broken}' in {path} holds NaN or infinity; use an earlier checkpoint")


def fingerprint(network: nn.Module) -> str:
    """Return 16 hex digits that change with any weight: the identity of a trained network."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def find_checkpoint(
    run: str | Path,
    stage: str,
    say: Callable[[str], None] = print,
    wanted_fingerprint: str | None = None,
    name: str | None = None,
) -> Path | None:
    """Return the newest valid checkpoint of `stage` in a run folder, or None.

    Damaged files, files with NaN weights and files of another stage are skipped; `say` is told which and why.

    Args:
        run: folder that holds one folder per stage.
        stage: one of the three stages.
        say: called with one line per skipped file.
        wanted_fingerprint: take only the network with this :func:`fingerprint`.
        name: take only files of this name, such as "best".
    """
    if stage not in STAGES:
        raise CheckpointError(f"'{stage}' is no stage; use one of {', '.join(STAGES)}")
    for path in _candidates(run, stage):
        if name is not None and path.stem != name:
            continue
        try:
            network = load_network(path, stage=stage)
        except TinyWorldsError as failure:
            say(f"skipped: {failure}")
            continue
        if wanted_fingerprint in (None, fingerprint(network)):
            return path
    return None


def _candidates(run: str | Path, stage: str) -> list[Path]:
    """Return all checkpoints, newest first: by version, then ``last``, ``step_N`` downwards, others.

    Not by file times, which copying a run elsewhere does not keep.
    """
    found = [path for folder in versions(run, stage) for path in (folder / "checkpoints").glob("*.ckpt")]
    return sorted(found, key=_age)


def _age(path: Path) -> tuple[int, int, int]:
    version = version_of(path.parent.parent) or 0
    if path.stem == "last":
        return (-version, 0, 0)
    step = path.stem.removeprefix("step_")
    return (-version, 1, -int(step)) if step.isdigit() else (-version, 2, 0)


def first_nonfinite(state_dict: dict[str, Any]) -> str | None:
    """Return the name of the first tensor that holds NaN or infinity, or None."""
    for name, value in state_dict.items():
        if isinstance(value, torch.Tensor) and value.is_floating_point() and not value.isfinite().all():
            return name
    return None
