"""From a trained run to a world: the three networks, clips to start from, keys and names.

The newest valid dynamics decide: the tokenizer and the action model are those it was trained with.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from tinyworlds import __version__
from tinyworlds.action_naming import infer_actions, name_actions
from tinyworlds.checkpoints import (
    CheckpointInfo,
    find_checkpoint,
    fingerprint,
    info_of,
    load_network,
    read_checkpoint,
)
from tinyworlds.errors import CheckpointError, ConfigError, MissingFileError, TinyWorldsError
from tinyworlds.models.world import World
from tinyworlds.models.world_info import WorldInfo
from tinyworlds.run_layout import STAGES, version_dir_of_checkpoint
from tinyworlds.start_clips import Gameplay, data_settings, read_gameplay
from tinyworlds.world_file import check_fit, save_world

_ARGUMENTS = {"video_tokenizer": "tokenizer", "latent_actions": "latent_actions", "dynamics": "dynamics"}
"""Stage to its argument of `World`, which is also what a dynamics checkpoint calls its partners."""


def export_world(
    run: str | os.PathLike[str],
    out: str | os.PathLike[str],
    data: Sequence[str] = (),
    num_clips: int = 16,
    metrics: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Path:
    """Write a run as one `.world` file and return its path.

    Args:
        run: folder with the three stages.
        out: the file to write.
        data: gameplay files for the start clips; default those the run was trained on.
        num_clips: how many clips to start from, at most.
        metrics: figures of an evaluation, kept with the world.
        settings: further arguments of `World` to be stored, such as `num_steps`.

    Raises:
        MissingFileError: no run or no gameplay there.
        CheckpointError: a stage has no valid checkpoint, or the stages do not fit each other.
        StorageError: the file cannot be written.
    """
    paths = newest_checkpoints(run)
    return save_world(out, build_world(paths, data, num_clips, metrics, **settings))


def world_from_run(run: str | os.PathLike[str], device: str | torch.device = "cpu", **settings: Any) -> World:
    """Build a world from the newest valid checkpoints of a run folder; see `world_from_checkpoints`."""
    return world_from_checkpoints(newest_checkpoints(run), device, **settings)


def world_from_checkpoints(
    paths: Mapping[str, str | os.PathLike[str]], device: str | torch.device = "cpu", **settings: Any
) -> World:
    """Build a world from the checkpoints of its stages.

    Without the gameplay it was trained on, such a world has no clips to start from and its actions no names.

    Raises:
        ConfigError: a stage is missing or unknown.
        MissingFileError: a checkpoint is not there.
        CheckpointError: a checkpoint is unreadable, of another stage, or the three do not fit.
    """
    paths = {stage: Path(path) for stage, path in paths.items()}
    try:
        return build_world(paths, device=device, **settings)
    except (MissingFileError, ConfigError):
        if not all(path.exists() for path in paths.values()) or not {*paths} <= {*STAGES}:
            raise
        return build_world(paths, num_clips=0, device=device, **settings)


def newest_checkpoints(run: str | os.PathLike[str]) -> dict[str, Path]:
    """Return the newest valid dynamics of a run and the partners they were trained with, by stage.

    Raises:
        MissingFileError: there is no such folder.
        CheckpointError: a stage has no valid checkpoint.
    """
    run = Path(run)
    if not run.is_dir():
        raise MissingFileError(f"there is no run folder {run}: train one with 'tinyworlds train GAME'")
    dynamics = find_checkpoint(run, "dynamics")
    if dynamics is None:
        raise CheckpointError(f"{run} holds no valid checkpoint of dynamics: train it to the end first")
    info = info_of(read_checkpoint(dynamics), dynamics)
    found = {"dynamics": dynamics}
    for stage in ("video_tokenizer", "latent_actions"):
        partner = info.meta.get("partners", {}).get(_ARGUMENTS[stage])
        if partner is not None:
            found[stage] = _partner(run, stage, partner, dynamics)
    return found


def build_world(
    paths: Mapping[str, Path],
    data: Sequence[str] = (),
    num_clips: int = 16,
    metrics: Mapping[str, Any] | None = None,
    device: str | torch.device = "cpu",
    **settings: Any,
) -> World:
    """Build a world from checkpoints and the gameplay they were trained on.

    Args:
        paths: stage to checkpoint.
        data: gameplay files; default those noted beside the dynamics' checkpoint.
        num_clips: how many clips to start from, at most; 0 leaves the gameplay alone.
        metrics: figures of an evaluation.
        device: where the world runs.
        settings: further arguments of `World`.

    Raises:
        ConfigError: a stage is missing, or no gameplay is named anywhere.
        MissingFileError: a file is not there.
        CheckpointError: a checkpoint is unreadable or of another stage, or they do not fit each other.
        DataError: the gameplay is malformed or unlike the networks.
    """
    _check_stages(paths)
    networks = {_ARGUMENTS[stage]: load_network(path, stage=stage) for stage, path in paths.items()}
    check_fit(**networks)
    infos = {stage: info_of(read_checkpoint(path), path) for stage, path in paths.items()}
    meta = infos["dynamics"].meta
    gameplay = None
    if num_clips:
        gameplay = _gameplay(paths["dynamics"], data, networks, num_clips)
    actions = meta.get("actions", "latent")
    naming = name_actions(meta.get("game", ""), actions, networks.get("latent_actions"), gameplay)
    info = WorldInfo(
        game=meta.get("game", ""),
        fps=float((gameplay.fps if gameplay else meta.get("fps")) or WorldInfo.fps),
        key_map=naming.key_map,
        action_names=naming.names,
        idle_action=naming.idle,
        actions=actions,
        metrics=dict(metrics or {}),
        provenance={
            **_provenance(infos, networks, gameplay),
            "data_settings": _shareable_settings(paths["dynamics"], data),
        },
    )
    world = World(**networks, info=info, device=device, **settings)
    if gameplay:
        _add_start_clips(world, gameplay)
    return world


def _check_stages(paths: Mapping[str, Path]) -> None:
    needed = {"video_tokenizer", "dynamics"}
    if not needed <= {*paths} <= {*STAGES}:
        raise ConfigError(
            f"a world needs checkpoints of {', '.join(STAGES)}; got {', '.join(paths) or 'none'}"
        )


def _partner(run: Path, stage: str, partner: Mapping[str, str], dynamics: Path) -> Path:
    """Return the checkpoint of `stage` that the dynamics were trained with: where it was, or in the run."""
    noted, wanted = Path(partner["path"]), partner["fingerprint"]
    try:
        if noted.exists() and fingerprint(load_network(noted, stage=stage)) == wanted:
            return noted
    except TinyWorldsError:
        pass  # damaged since; another file of the run may hold the same weights
    found = find_checkpoint(run, stage, wanted_fingerprint=wanted)
    if found is None:
        raise CheckpointError(
            f"{dynamics} was trained with {stage} {noted}, which is gone or changed (fingerprint {wanted}): "
            f"bring it back, or train the dynamics again"
        )
    return found


def _gameplay(
    dynamics: Path, data: Sequence[str], networks: Mapping[str, torch.nn.Module], num_clips: int
) -> Gameplay:
    """Read clips from `data`, or from the files that the `config.yaml` beside the checkpoint names."""
    version = version_dir_of_checkpoint(dynamics)
    settings = data_settings(version) if version else {}
    if data:
        settings["files"] = list(data)
    if not settings.get("files") and not settings.get("game"):
        raise ConfigError(f"{dynamics} does not say what it was trained on: name it with --data FILE")
    settings["frame_size"] = networks["tokenizer"].config["frame_size"]
    try:
        return read_gameplay(settings, networks["dynamics"].context_frames, num_clips)
    except MissingFileError:
        named = settings.get("files") or f"of {settings['game']}"
        raise MissingFileError(f"the gameplay {named} is not here: name it with --data FILE") from None


def _shareable_settings(dynamics: Path, data: Sequence[str]) -> dict[str, Any]:
    """The data and their split, so that a world file can be measured again; no paths of this machine."""
    version = version_dir_of_checkpoint(dynamics)
    settings = data_settings(version) if version else {}
    if data:
        settings["files"] = list(data)
    files = settings.pop("files", None)
    files = [files] if isinstance(files, str) else list(files or ())
    if files and not any(Path(file).is_absolute() for file in files):
        settings["files"] = files
    return settings


def _provenance(
    infos: Mapping[str, CheckpointInfo], networks: Mapping[str, torch.nn.Module], gameplay: Gameplay | None
) -> dict[str, Any]:
    """Where everything comes from: names and fingerprints, no paths of this machine."""
    stages = {
        stage: {
            "checkpoint": info.path.name,
            "step": info.step,
            "fingerprint": fingerprint(networks[_ARGUMENTS[stage]]),
        }
        for stage, info in infos.items()
    }
    return {
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "tinyworlds": __version__,
        "torch": torch.__version__,
        "stages": stages,
        "data": list(gameplay.files) if gameplay else [],
    }


def _add_start_clips(world: World, gameplay: Gameplay) -> None:
    """Give a world its start clips, as long as what it remembers, and the actions in them."""
    length = world.context_frames
    world.start_frames = gameplay.clips[:, -length:]
    if world.info.actions == "labels" and gameplay.clip_actions is not None:
        world.start_actions = gameplay.clip_actions[:, -length:-1]
    elif world.latent_actions is not None:
        found = infer_actions(world.latent_actions, gameplay.clips)  # [n, T-1]
        world.start_actions = found[:, found.shape[1] - (world.start_frames.shape[1] - 1) :]
