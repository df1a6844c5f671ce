"""Checkpoint files of the original program, read without its classes.

A single ``.pth`` file, or a folder ``<stage>_step_<n>`` with ``model_state_dict.pt``,
``optim_state_dict.pt`` and ``state.pt``; names and settings inside are translated by
:mod:`tinyworlds.checkpoints.v1_keys`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tinyworlds.checkpoints.plain_pickle import plain_values, read_plain
from tinyworlds.checkpoints.v1_keys import (
    STAGE_NAMES,
    find_stage,
    network_config,
    rename,
    unseen_settings,
    unwrap,
)
from tinyworlds.errors import CheckpointError
from tinyworlds.system.documents import read_json

WEIGHTS_FILE, STATE_FILE = "model_state_dict.pt", "state.pt"
_WEIGHTS = ("model", "state_dict", "model_state_dict")
_STEP = re.compile(r"_step_?(\d{1,12})")
_PUBLISHED = {"num_heads": 8, "frame_size": 64, "patch_size": 4}
"""What most published weights have, for settings that are neither stored nor visible in weights."""

log = logging.getLogger(__name__)


def is_v1_folder(path: Path) -> bool:
    """Whether a folder is one checkpoint of the original program, complete or not."""
    return (path / WEIGHTS_FILE).is_file() or (path / STATE_FILE).is_file()


def read_v1_folder(path: Path) -> dict[str, Any]:
    """Return a checkpoint folder as :func:`translate_v1` does; without ``state.pt``, from the weights alone.

    Raises:
        CheckpointError: the weights are missing, a file is damaged, or they are of no network of ours.
    """
    if not is_v1_folder(path):
        raise CheckpointError(f"{path} is no checkpoint (no {WEIGHTS_FILE} in it); name a checkpoint in it")
    if not (path / WEIGHTS_FILE).is_file():
        raise CheckpointError(f"{path / WEIGHTS_FILE} is missing; copy the whole folder of the checkpoint")
    weights = read_plain(path / WEIGHTS_FILE)
    state = read_plain(path / STATE_FILE) if (path / STATE_FILE).is_file() else {}
    return translate_v1({**state, "model": weights}, path)


def translate_v1(content: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return what a file of the original program holds, in our words.

    Settings that are missing are looked for in a ``config.json`` beside the file, then read off the shapes
    of the weights; those that leave no trace there are assumed as published, and the log says so.

    Returns:
        ``stage``, ``network`` (constructor arguments), ``weights`` (under our names), ``step``, ``game``,
        ``fps`` (0 if unknown), ``settings`` (as stored, plain values only).

    Raises:
        CheckpointError: the weights are of no network of ours.
    """
    weights = next((content[key] for key in _WEIGHTS if isinstance(content.get(key), dict)), content)
    weights = unwrap({str(key): value for key, value in weights.items() if isinstance(value, torch.Tensor)})
    stored = content.get("config")
    settings = plain_values(stored) if isinstance(stored, dict) else {}
    try:
        stage = find_stage(weights)
        complete = _completed(stage, settings, path)
        network = network_config(stage, complete, weights)
    except CheckpointError as failure:
        raise CheckpointError(f"{path}: {failure}") from None
    except Exception as failure:  # settings and shapes of a file that anybody may have written
        raise CheckpointError(
            f"{path}: its settings and weights make no sense together ({failure!r:.100}); use another file"
        ) from failure
    return {
        "stage": stage,
        "network": network,
        "weights": rename(stage, weights),
        "step": _step(content.get("step"), path),
        "game": _game(complete, path),
        "fps": float(complete.get("fps") or 0),
        "settings": settings,
    }


def _completed(stage: str, settings: dict[str, Any], path: Path) -> dict[str, Any]:
    """The settings, with what is missing from ``config.json`` beside the file, the game, or as published."""
    complete = {**_beside(path, stage), **settings}
    game = _game(complete, path)
    assumed = {}
    for name in unseen_settings(complete, stage):
        assumed[name] = _frame_size_of(game) if name == "frame_size" else _PUBLISHED[name]
    if assumed:
        told = ", ".join(f"{name} {value}" for name, value in assumed.items())
        log.warning(
            "%s does not say its %s; assumed: %s. If the pictures are noise, put the right values into %s",
            path, " and ".join(assumed), told, path.parent / "config.json",
        )  # fmt: skip
    return {**complete, **assumed}


def _beside(path: Path, stage: str) -> dict[str, Any]:
    """Settings in ``config.json`` beside a checkpoint, where they may be grouped, or differ by stage."""
    try:
        found = read_json(path.parent / "config.json", 1 << 20)
    except (OSError, ValueError):
        return {}
    groups = {name: value for name, value in found.items() if isinstance(value, dict)}
    for name, group in groups.items():
        found |= {name: group[stage]} if stage in group else group
    return plain_values(found)


def _game(settings: Mapping[str, Any], path: Path) -> str:
    """The game's name: from the settings, else from a name such as ``sonic_dynamics_step_60_....pth``."""
    if isinstance(settings.get("dataset"), str):
        return settings["dataset"].lower()
    before = _STEP.split(path.name)[0].lower()
    found = re.fullmatch(rf"([a-z0-9_]+?)_(?:{'|'.join(STAGE_NAMES)})", before)
    return found.group(1) if found and before not in STAGE_NAMES else ""


def _frame_size_of(game: str) -> int:
    from games.registry import get, titles

    return get(game).frame_size if game in titles() else _PUBLISHED["frame_size"]


def _step(stored: Any, path: Path) -> int:
    if isinstance(stored, int):
        return stored
    found = _STEP.search(path.name)
    return int(found.group(1)) if found else 0
