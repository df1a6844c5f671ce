"""Networks out of checkpoints: any format, plain data only, with errors a person can act on.

What is in a file is read by :mod:`tinyworlds.checkpoints.formats`; here it becomes a network, or an error.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tinyworlds.checkpoints.formats import META_KEY, SCHEMA_VERSION, network_weights, read_checkpoint
from tinyworlds.checkpoints.own_networks import CLASS_KEY, class_of
from tinyworlds.errors import CheckpointError
from tinyworlds.models.base import Network
from tinyworlds.models.registry import ALL_STAGES

MOST_FPS = 1000.0
"""No game runs faster."""

_LARGEST = 1 << 20
"""No setting of a network is larger."""


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


def info_of(checkpoint: dict[str, Any], path: str | Path) -> CheckpointInfo:
    """Return what a checkpoint (as read by :func:`read_checkpoint`) says about itself.

    Raises:
        CheckpointError: it is not one of ours, or from a newer version of the program.
    """
    meta = checkpoint.get(META_KEY)
    if (
        not isinstance(meta, dict)
        or meta.get("stage") not in [*ALL_STAGES]  # of a damaged file it may be anything, not hashable too
        or not isinstance(meta.get("network"), dict)
    ):
        raise CheckpointError(
            f"{path} was not written by a stage of tinyworlds; use a checkpoint of `tinyworlds fit`"
        )
    version, step = meta.get("schema_version", 0), checkpoint.get("global_step", 0)
    if type(version) is not int or not 0 <= version <= SCHEMA_VERSION:
        said = (
            version if type(version) is int and version.bit_length() < 64 else f"of {type(version).__name__}"
        )
        raise CheckpointError(
            f"{path} has schema version {said}, this program reads up to {SCHEMA_VERSION}; update tinyworlds"
        )
    return CheckpointInfo(
        Path(path), meta["stage"], meta["network"], _checked(meta, path), step if _is_step(step) else 0
    )


def _checked(meta: dict[str, Any], path: str | Path) -> dict[str, Any]:
    """Return `meta`, whose entries that others read are of the kind that a stage writes."""
    partners = meta.get("partners") or {}
    whole = isinstance(partners, dict) and all(
        isinstance(noted, dict) and all(isinstance(noted.get(key), str) for key in ("path", "fingerprint"))
        for noted in partners.values()
    )
    fps = meta.get("fps")
    wrong = {
        "network": not all(_is_setting(value) for value in meta["network"].values()),
        "partners": not whole,
        "game": not isinstance(meta.get("game"), str | None),
        "fps": fps is not None and not (type(fps) in (int, float) and 0 <= fps <= MOST_FPS),
        "actions": not isinstance(meta.get("actions"), str | None),
        "settings": not isinstance(meta.get("settings"), dict | None),
        CLASS_KEY: not isinstance(meta.get(CLASS_KEY), str | None),
    }
    if bad := [name for name in wrong if wrong[name]]:
        raise CheckpointError(
            f"{path} is damaged: what it says of {', '.join(bad)} is malformed; use another checkpoint"
        )
    return {**meta, "partners": partners}


def _is_step(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value < 1 << 53


def _is_setting(value: Any) -> bool:
    """Whether it is plain and small: text of a pickle may hold itself a million times over."""
    if isinstance(value, int):
        return abs(value) < 1 << 63
    return value is None or isinstance(value, float) or (isinstance(value, str) and len(value) < 200)


def read_stage(path: str | Path, stage: str | None = None) -> tuple[CheckpointInfo, dict[str, torch.Tensor]]:
    """Return what a checkpoint of any format says about itself, and its weights.

    Args:
        path: the file, or a folder of the original program.
        stage: the stage it must be of, or to take from a ``.world`` file; None takes any.

    Raises:
        MissingFileError: no such file.
        CheckpointError: unreadable, or of another stage.
    """
    checkpoint = read_checkpoint(path, stage=stage)
    info = info_of(checkpoint, path)
    check_stage(path, info.stage, stage)
    return info, network_weights(checkpoint)


def build_network(
    path: str | Path,
    stage: str,
    config: dict[str, Any],
    weights: dict[str, torch.Tensor],
    class_path: Any = None,
) -> Network:
    """Return the network of `stage` with constructor arguments `config` and these weights, in eval mode.

    Nothing is allocated before sizes and weights are known to fit: settings of a damaged file may ask for
    terabytes.

    Args:
        path: the file, for messages.
        stage: one of the stages.
        config: constructor arguments.
        weights: of the network.
        class_path: what the file says of a class of one's own; see `checkpoints.own_networks`.

    Raises:
        CheckpointError: weights are NaN, missing, or do not fit the configuration; or the class is not here.
    """
    check_weights(path, weights)
    build = class_of(path, stage, class_path)
    try:
        _check_counts(config, weights)
        with torch.device("meta"):
            _check_shapes(build(**config).state_dict(), weights)
        network = build(**config)
        network.load_state_dict(weights, strict=True)
    except Exception as failure:  # settings that anybody may have written make a constructor raise anything
        reason = " ".join(str(failure).split())[:200]
        raise CheckpointError(
            f"{path}: the weights of {stage} do not fit its configuration or this version of tinyworlds "
            f"({reason}); use another file, or the version that wrote it"
        ) from failure
    return network.eval().requires_grad_(False)


def _check_counts(config: dict[str, Any], weights: dict[str, torch.Tensor]) -> None:
    """Raise a CheckpointError when there must be more layers than weights, or a size is beyond reason."""
    layers = int(config.get("num_blocks", 1)) * max(int(config.get("num_experts", 0)), 1)
    if layers > len(weights):
        raise CheckpointError(f"{layers:,} layers, but {len(weights)} weights")
    for name, value in config.items():
        if isinstance(value, int) and value > _LARGEST:
            raise CheckpointError(f"{name} is {value:,}")


def _check_shapes(wanted: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> None:
    if missing := wanted.keys() - found.keys():
        raise CheckpointError(f"{len(missing)} weights are missing, such as '{min(missing)}'")
    if unknown := found.keys() - wanted.keys():
        raise CheckpointError(f"{len(unknown)} weights are unknown, such as '{min(unknown)}'")
    for name, value in wanted.items():
        if value.shape != found[name].shape:
            shapes = f"{[*found[name].shape]} instead of {[*value.shape]}"
            raise CheckpointError(f"'{name}' is {shapes}")


def check_stage(path: str | Path, found: str, wanted: str | None) -> None:
    """Raise a CheckpointError when a checkpoint is not of the stage that was asked for."""
    if wanted is not None and found != wanted:
        raise CheckpointError(
            f"{path} is a checkpoint of stage {found}, wanted {wanted}; name one of {wanted}"
        )


def check_weights(path: str | Path, weights: dict[str, torch.Tensor]) -> None:
    """Raise a CheckpointError when there are no weights or one is malformed, NaN or infinite."""
    if not weights:
        raise CheckpointError(f"{path} holds no weights; use an earlier checkpoint")
    for name, value in weights.items():
        if not _is_plain(value):
            raise CheckpointError(f"weight '{name}' in {path} is malformed; use another checkpoint")
    broken = first_nonfinite(weights)
    if broken:
        raise CheckpointError(f"weight '{broken}' in {path} holds NaN or infinity; use an earlier checkpoint")


def _is_plain(value: Any) -> bool:
    """Whether it is a dense tensor no larger than its memory (one number can pose as a terabyte)."""
    if not isinstance(value, torch.Tensor) or value.layout != torch.strided or value.is_quantized:
        return False
    return not value.is_meta and value.numel() * value.element_size() <= value.untyped_storage().nbytes()


def fingerprint(network: nn.Module) -> str:
    """Return 16 hex digits that change with any weight: the identity of a trained network."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def first_nonfinite(state_dict: dict[str, Any]) -> str | None:
    """Return the name of the first tensor that holds NaN or infinity, or None."""
    for name, value in state_dict.items():
        if isinstance(value, torch.Tensor) and value.is_floating_point() and not value.isfinite().all():
            return name
    return None
