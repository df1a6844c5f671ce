"""The `.world` file: one safetensors file that holds everything needed to play, and no code.

Tensors: ``tokenizer.*``, ``dynamics.*``, ``latent_actions.*`` (absent where the dynamics uses labels),
``start_frames`` uint8 [n, T, H, W, 3], ``start_actions`` int64 [n, T-1]. The metadata entry ``tinyworlds``
is JSON: ``schema_version``, ``configs`` (constructor arguments of each network), the fields of `WorldInfo`,
and ``play`` (context, decoding steps, temperature).
"""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from tinyworlds.atomic import replacing
from tinyworlds.errors import CheckpointError, MissingFileError, StorageError, TinyWorldsError
from tinyworlds.models import DynamicsModel, LatentActionModel, VideoTokenizer
from tinyworlds.models.world import World
from tinyworlds.models.world_info import WorldInfo

SCHEMA_VERSION = 1
_KEY = "tinyworlds"
_NETWORKS = {"tokenizer": VideoTokenizer, "dynamics": DynamicsModel, "latent_actions": LatentActionModel}


def save_world(path: str | os.PathLike[str], world: World) -> Path:
    """Write a world, whole or not at all.

    Raises:
        CheckpointError: a weight is not finite, or the networks do not fit each other.
        StorageError: the disk is full or the path cannot be written.
    """
    path = Path(path)
    networks = {name: getattr(world, name) for name in _NETWORKS if getattr(world, name) is not None}
    check_fit(**networks)
    tensors = {}
    for name, network in networks.items():
        weights = network.state_dict()
        _check_finite(path, name, weights)
        # Copies: safetensors refuses tensors that share memory or are not contiguous.
        tensors |= {
            f"{name}.{key}": value.detach().cpu().clone().contiguous() for key, value in weights.items()
        }
    for name in ("start_frames", "start_actions"):
        if (clips := getattr(world, name)) is not None:
            tensors[name] = torch.from_numpy(np.ascontiguousarray(clips))
    header = {
        "schema_version": SCHEMA_VERSION,
        "configs": {name: dict(network.config) for name, network in networks.items()},
        "play": {"context_frames": world.context_frames, **dataclasses.asdict(world.sampling)},
        **dataclasses.asdict(world.info),
    }
    try:
        with replacing(path) as temporary:
            save_file(tensors, temporary, metadata={_KEY: json.dumps(header)})
    except SafetensorError as error:
        raise StorageError(
            f"{path} could not be written ({error}): free some space or choose another folder"
        ) from None
    return path


def load_world(path: str | os.PathLike[str], device: str | torch.device = "cpu", **settings: Any) -> World:
    """Read a `.world` file.

    Args:
        path: the file.
        device: where the world runs.
        settings: arguments of `World` that replace the stored ones, such as `num_steps`.

    Raises:
        MissingFileError: no such file.
        CheckpointError: truncated, not ours, written by a newer version, or with weights that are not finite.
    """
    path = Path(path)
    header, tensors = _read(path)
    networks = {
        name: _build(path, name, header["configs"][name], _part(tensors, name))
        for name in _NETWORKS
        if name in header["configs"]
    }
    try:
        check_fit(**networks)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    info = {f.name: header[f.name] for f in dataclasses.fields(WorldInfo) if f.name in header}
    info["action_names"] = tuple(info.get("action_names", ()))
    clips = {name: tensors[name].numpy() for name in ("start_frames", "start_actions") if name in tensors}
    settings = {**header.get("play", {}), **settings}
    return World(**networks, info=WorldInfo(**info), **clips, device=device, **settings)


def read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the metadata of a `.world` file without reading its weights; errors as `load_world`."""
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(
            f"there is no world file {path}: train a game and 'tinyworlds export' it first"
        )
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_KEY)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is truncated or no .world file ({error}): copy or export it again"
        ) from None
    try:
        header = json.loads(text or "")
        version, _ = int(header["schema_version"]), dict(header["configs"])
    except (ValueError, KeyError, TypeError):
        raise CheckpointError(
            f"{path} is no TinyWorlds world: make one with 'tinyworlds export RUN OUT.world'"
        ) from None
    if version > SCHEMA_VERSION:
        raise CheckpointError(
            f"{path} is of schema {version}, this version reads {SCHEMA_VERSION}: upgrade tinyworlds"
        )
    return header


def check_fit(
    tokenizer: VideoTokenizer, dynamics: DynamicsModel, latent_actions: LatentActionModel | None = None
) -> None:
    """Make sure that three networks belong together.

    Raises:
        CheckpointError: frame sizes, patches, codes or actions differ.
    """
    wanted = {"num_patches": tokenizer.num_patches} | {
        name: tokenizer.config[name] for name in ("latent_dim", "num_bins")
    }
    _check_same("tokenizer", wanted, "dynamics", dynamics.config)
    if latent_actions is not None:
        _check_same(
            "tokenizer",
            {"frame_size": tokenizer.config["frame_size"]},
            "latent actions",
            latent_actions.config,
        )
        actions = {"num_actions": dynamics.num_actions}
        _check_same("dynamics", actions, "latent actions", {"num_actions": latent_actions.num_actions})


def _check_same(one: str, wanted: dict[str, Any], other: str, found: dict[str, Any]) -> None:
    for name, value in wanted.items():
        if found[name] != value:
            raise CheckpointError(
                f"{one} and {other} do not belong together: {name} is {value} in the one and {found[name]} "
                "in the other; use checkpoints of one run"
            )


def _read(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    header = read_header(path)
    with safe_open(path, framework="pt") as file:
        return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)


def _part(tensors: dict[str, torch.Tensor], name: str) -> dict[str, torch.Tensor]:
    prefix = f"{name}."
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _build(
    path: Path, name: str, config: dict[str, Any], weights: dict[str, torch.Tensor]
) -> torch.nn.Module:
    _check_finite(path, name, weights)
    try:
        network = _NETWORKS[name](**config)
        network.load_state_dict(weights)
    except (RuntimeError, TypeError, TinyWorldsError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{path}: the weights of {name} do not fit its configuration ({reason})"
        ) from None
    return network


def _check_finite(path: Path, name: str, weights: dict[str, torch.Tensor]) -> None:
    bad = [key for key, value in weights.items() if value.is_floating_point() and not value.isfinite().all()]
    if bad:
        raise CheckpointError(
            f"{path}: {len(bad)} weights of {name} are not finite (NaN or infinite, first {bad[0]}): "
            "export a checkpoint from before training failed"
        )
