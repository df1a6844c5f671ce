"""Every format a checkpoint of one stage comes in, read into the one form that the rest of the program knows.

That form is a Lightning checkpoint with an entry of our own, ``tinyworlds``: schema version, stage, the
network's constructor arguments (``network``), the game, and what dynamics were trained with. Its
``state_dict`` names weights ``network.*``. Formats are told by content, not by the name of the file:

- ``.ckpt`` of ours; ``.pth`` files and folders of the original program; ``.safetensors``;
- one stage of a ``.world`` file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tinyworlds.checkpoints.own_networks import CLASS_KEY, CLASSES_KEY
from tinyworlds.checkpoints.plain_pickle import read_plain
from tinyworlds.checkpoints.safetensors_file import is_safetensors, read_safetensors, write_safetensors
from tinyworlds.checkpoints.v1_files import STATE_FILE, WEIGHTS_FILE, read_v1_folder, translate_v1
from tinyworlds.data.anchors import ANCHORS_KEY
from tinyworlds.data.trained_on import TRAINED_ON_KEY
from tinyworlds.errors import CheckpointError, MissingFileError
from tinyworlds.models.registry import STAGES

META_KEY = "tinyworlds"
SCHEMA_VERSION = 1
PREFIX = "network."


def read_checkpoint(path: str | Path, map_location: Any = "cpu", stage: str | None = None) -> dict[str, Any]:
    """Return a checkpoint of any format in our form, read as plain data.

    Args:
        path: a file, or a folder of the original program.
        map_location: where tensors go, as in ``torch.load``.
        stage: which stage to take from a ``.world`` file, which holds several.

    Raises:
        MissingFileError: there is no such file.
        CheckpointError: it is truncated, no checkpoint, or holds code.
    """
    path = Path(path)
    if path.name in (WEIGHTS_FILE, STATE_FILE) and path.is_file():
        path = path.parent
    if path.is_dir():
        return _in_our_form(read_v1_folder(path))
    if not path.is_file():
        raise MissingFileError(f"checkpoint {path} does not exist; check the path, or train the stage first")
    if is_safetensors(path):
        return _from_safetensors(path, stage)
    content = read_plain(path, map_location)
    return content if META_KEY in content else _in_our_form(translate_v1(content, path))


def holds_world(path: Path) -> bool:
    """Whether a file is a ``.world`` file, by its content."""
    return (
        path.is_file() and is_safetensors(path) and "configs" in read_safetensors(path, header_only=True)[0]
    )


def write_stage(path: Path, checkpoint: dict[str, Any]) -> None:
    """Write a checkpoint in our form as a ``.safetensors`` file; errors as `write_safetensors`."""
    header = {**checkpoint[META_KEY], "step": int(checkpoint.get("global_step", 0))}
    write_safetensors(path, header, network_weights(checkpoint))


def network_weights(checkpoint: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Return the network's own state dict out of a checkpoint in our form."""
    weights = checkpoint.get("state_dict")
    if not isinstance(weights, dict):
        return {}
    plain = {str(key).replace("_orig_mod.", ""): value for key, value in weights.items()}
    plain = {key.removeprefix("module."): value for key, value in plain.items()}
    return {key[len(PREFIX) :]: value for key, value in plain.items() if key.startswith(PREFIX)}


def _from_safetensors(path: Path, stage: str | None) -> dict[str, Any]:
    header, tensors = read_safetensors(path)
    if "configs" in header:
        return _from_world(path, header, tensors, stage)
    if "stage" not in header:
        return _in_our_form(translate_v1({**tensors, "config": header.get("config")}, path))
    meta = {key: value for key, value in header.items() if key != "step"}
    return _checkpoint(meta, tensors, header.get("step"))


def _from_world(
    path: Path, header: dict[str, Any], tensors: dict[str, torch.Tensor], stage: str | None
) -> dict[str, Any]:
    configs = header["configs"]
    held = [name for name, spec in STAGES.items() if isinstance(configs, dict) and spec.part in configs]
    if stage not in held:
        wanted = f"{stage} is not among them" if stage else "say which one, or take it as a whole"
        raise CheckpointError(f"{path} is a world with the stages {', '.join(held)}: {wanted}")
    part = STAGES[stage].part
    weights = {name[len(part) + 1 :]: value for name, value in tensors.items() if name.startswith(f"{part}.")}
    meta = {"schema_version": SCHEMA_VERSION, "stage": stage, "network": configs[part]}
    meta |= {key: header.get(key) for key in ("game", "fps", "actions")}
    classes = header.get(CLASSES_KEY)
    if isinstance(classes, dict) and part in classes:
        meta[CLASS_KEY] = classes[part]
    provenance = header.get("provenance")
    stages = provenance.get("stages") if isinstance(provenance, dict) else None
    known = stages.get(stage) if isinstance(stages, dict) else None
    known = known if isinstance(known, dict) else {}
    meta |= {key: known[key] for key in (TRAINED_ON_KEY, ANCHORS_KEY) if key in known}
    return _checkpoint(meta, weights, known.get("step", 0))


def _in_our_form(found: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint out of what :func:`translate_v1` tells."""
    meta = {"schema_version": SCHEMA_VERSION, "stage": found["stage"], "network": found["network"]}
    meta |= {"game": found["game"], "fps": found["fps"] or None, "settings": found["settings"]}
    if found["stage"] == "dynamics":
        meta["actions"] = "latent" if found["network"]["num_actions"] else "none"
    return _checkpoint(meta, found["weights"], found["step"])


def _checkpoint(meta: dict[str, Any], weights: dict[str, torch.Tensor], step: Any) -> dict[str, Any]:
    """Without optimizer states or loops: training that starts from it starts at step 0."""
    return {
        META_KEY: meta,
        "state_dict": {f"{PREFIX}{name}": value for name, value in weights.items()},
        "global_step": step if isinstance(step, int) else 0,
        "optimizer_states": [],
        "lr_schedulers": [],
        "pytorch-lightning_version": "2.6.6",
    }
