"""The `.world` file: one safetensors file that holds everything needed to play, and no code.

Tensors: ``tokenizer.*``, ``dynamics.*``, ``latent_actions.*`` (absent where the dynamics uses labels),
``start_frames`` uint8 [n, T, H, W, 3], ``start_actions`` int64 [n, T-1]. A small world has its weights and
clips packed, see `checkpoints.packing` and `world.packed_clips`. The metadata entry ``tinyworlds``
is JSON: ``schema_version``, ``configs`` (constructor arguments of each network), ``network_classes`` where
one is of a class of one's own (`checkpoints.own_networks`), the fields of `WorldInfo`, and ``play`` (context,
decoding steps, temperature).
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import torch

from tinyworlds.checkpoints.load import build_network, first_nonfinite
from tinyworlds.checkpoints.own_networks import CLASSES_KEY, own_class_path
from tinyworlds.checkpoints.packing import Weights, pack_weights
from tinyworlds.checkpoints.safetensors_file import read_safetensors, write_safetensors
from tinyworlds.errors import CheckpointError, DataError, MissingFileError, TinyWorldsError
from tinyworlds.models.fit import check_fit
from tinyworlds.models.registry import STAGE_OF_PART
from tinyworlds.world.core import WorldCore
from tinyworlds.world.header import play_settings, world_info
from tinyworlds.world.networks import Trio
from tinyworlds.world.packed_clips import clip_tensors, stored_clips

SCHEMA_VERSION = 3  # with networks of other classes than ours
_PLAIN_VERSION, _PACKED_VERSION = 1, 2  # what programs from before these read as well


def save_world(path: str | os.PathLike[str], world: WorldCore, weights: Weights = "float32") -> Path:
    """Write a world, whole or not at all.

    Args:
        path: the file.
        world: what it holds.
        weights: in less than float32, the start clips are packed as well.

    Raises:
        CheckpointError: a weight is not finite, or the networks do not fit each other.
        StorageError: the disk is full or the path cannot be written.
    """
    path = Path(path)
    networks = {name: getattr(world, name) for name in STAGE_OF_PART if getattr(world, name) is not None}
    check_fit(**networks)
    tensors: dict[str, torch.Tensor] = {}
    for name, network in networks.items():
        own = network.state_dict()
        _check_finite(path, name, own)
        tensors |= {f"{name}.{key}": value for key, value in own.items()}
    tensors = pack_weights(tensors, weights)
    clips, of_clips = clip_tensors(world.start_clips, packed=weights != "float32")
    classes = {
        name: own for name, network in networks.items() if (own := own_class_path(network)) is not None
    }
    version = _PLAIN_VERSION if weights == "float32" else _PACKED_VERSION
    header = {
        "schema_version": SCHEMA_VERSION if classes else version,
        "configs": {name: dict(network.config) for name, network in networks.items()},
        "play": {"context_frames": world.context_frames, **dataclasses.asdict(world.sampling)},
        **dataclasses.asdict(world.info),
        **of_clips,
        **({CLASSES_KEY: classes} if classes else {}),
    }
    write_safetensors(path, header, {**tensors, **clips})
    return path


def load_world(
    path: str | os.PathLike[str],
    device: str | torch.device = "cpu",
    *,
    world_class: type[WorldCore] = WorldCore,
    **settings: Any,
) -> WorldCore:
    """Read a `.world` file.

    Args:
        path: the file.
        device: where the world runs.
        world_class: what to build.
        settings: arguments of the world that replace the stored ones, such as `num_steps`.

    Raises:
        MissingFileError: no such file.
        CheckpointError: truncated, not ours, written by a newer version, or with weights that are not finite.
    """
    path = Path(path)
    header, tensors = _read(path)
    parts = {
        name: _build(path, name, header, _part(tensors, name))
        for name in STAGE_OF_PART
        if name in header["configs"]
    }
    if not {"tokenizer", "dynamics"} <= {*parts}:
        raise CheckpointError(f"{path} lacks the tokenizer or the dynamics: export it again")
    networks = Trio.of(parts)
    try:
        check_fit(*networks)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    try:
        stored, info = play_settings(header), world_info(header, max(networks.dynamics.num_actions, 1))
        clips = stored_clips(tensors, header, networks.dynamics.num_actions)
        return world_class(*networks, info=info, start_clips=clips, device=device, **{**stored, **settings})
    except DataError as error:
        raise CheckpointError(f"{path}: {error}: export it again") from None
    except (TypeError, ValueError, AttributeError) as error:
        if isinstance(error, TinyWorldsError):
            raise
        raise CheckpointError(f"{path}: its settings are damaged ({error}): export it again") from None


def own_classes(world: WorldCore) -> list[str]:
    """Return the classes of a world's networks that are not ours: it plays where these can be imported."""
    classes = (own_class_path(getattr(world, name)) for name in STAGE_OF_PART)
    return [class_path for class_path in classes if class_path is not None]


def read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the metadata of a `.world` file without reading its weights; errors as `load_world`."""
    return _read(Path(path), header_only=True)[0]


def _read(path: Path, header_only: bool = False) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    if not path.is_file():
        raise MissingFileError(
            f"there is no world file {path}: train a game and 'tinyworlds export' it first"
        )
    header, tensors = read_safetensors(path, header_only)
    if not isinstance(header.get("configs"), dict) or type(header.get("schema_version")) is not int:
        raise CheckpointError(
            f"{path} is no TinyWorlds world: make one with 'tinyworlds export RUN OUT.world'"
        )
    if not 0 <= header["schema_version"] <= SCHEMA_VERSION:
        raise CheckpointError(
            f"{path} is of schema {header['schema_version']!r:.20}, this version reads {SCHEMA_VERSION}: "
            "upgrade tinyworlds"
        )
    return header, tensors


def _part(tensors: dict[str, torch.Tensor], name: str) -> dict[str, torch.Tensor]:
    prefix = f"{name}."
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _build(
    path: Path, name: str, header: dict[str, Any], weights: dict[str, torch.Tensor]
) -> torch.nn.Module:
    _check_finite(path, name, weights)
    config, classes = header["configs"][name], header.get(CLASSES_KEY, {})
    if not isinstance(config, dict) or not isinstance(classes, dict):
        raise CheckpointError(f"{path}: the configuration of {name} is damaged: export it again")
    return build_network(path, STAGE_OF_PART[name], config, weights, classes.get(name))


def _check_finite(path: Path, name: str, weights: dict[str, torch.Tensor]) -> None:
    if (bad := first_nonfinite(weights)) is not None:
        raise CheckpointError(
            f"{path}: weights of {name} are not finite (NaN or infinite, first {bad}): "
            "export a checkpoint from before training failed"
        )
