"""Worlds from anything that holds one: a `.world` file, a run, a folder of weights, three checkpoints."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from tinyworlds.checkpoints.formats import holds_world
from tinyworlds.checkpoints.search import Located, PathLike
from tinyworlds.checkpoints.titles import named_world
from tinyworlds.checkpoints.world_search import locate_world
from tinyworlds.errors import ConfigError, DataError, MissingFileError, listed
from tinyworlds.export.build import build_world
from tinyworlds.shipped import is_shipped
from tinyworlds.world.core import WorldCore
from tinyworlds.world.file import load_world

log = logging.getLogger(__name__)


def open_world(
    source: PathLike | Sequence[PathLike] | Mapping[str, PathLike],
    device: str | torch.device = "cpu",
    *,
    data: Sequence[str] = (),
    world_class: type[WorldCore] = WorldCore,
    **settings: Any,
) -> WorldCore:
    """Return the world in `source`; see `tinyworlds.World.load`.

    `data` names the gameplay that checkpoints get start clips and keys from; a `.world` file has its own.

    Raises:
        ConfigError: a stage is missing or unknown.
        MissingFileError: nothing is there.
        CheckpointError: a file is unreadable, of another stage, or the stages do not fit.
    """
    if isinstance(source, str):
        source = named_world(source, log.info)
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if path.suffix == ".world" or holds_world(path):
            world = load_world(path, device, world_class=world_class, **settings)
            world.source = f"{path.name}, which comes with TinyWorlds" if is_shipped(path) else str(path)
            return world
    stages = locate_world(source)
    world = world_from_checkpoints(stages, device, data=data, world_class=world_class, **settings)
    is_one = isinstance(source, str | os.PathLike)
    world.source = str(source) if is_one else listed([str(found.path) for found in stages.values()])
    return world


def world_from_checkpoints(
    stages: Mapping[str, Located],
    device: str | torch.device = "cpu",
    num_clips: int = 16,
    **settings: Any,
) -> WorldCore:
    """Build a world from the checkpoints of its stages.

    Without the gameplay it was trained on, such a world has no clips to start from and its actions no names;
    the log says so.

    Raises:
        ConfigError: a stage is missing or unknown.
        CheckpointError: a network cannot be built, or the three do not fit.
    """
    try:
        return build_world(stages, num_clips=num_clips, device=device, **settings)
    except (MissingFileError, ConfigError, DataError) as failure:
        world = build_world(stages, num_clips=0, device=device, **settings)  # raises again if that was not it
        log.warning("no clips to start from: %s", failure)
        return world
