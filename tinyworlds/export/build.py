"""From checkpoints to a world: the three networks, clips to start from, keys and names."""

from __future__ import annotations

import dataclasses
import datetime
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from tinyworlds import __version__
from tinyworlds.actions.naming import name_actions
from tinyworlds.actions.proposal import measured_naming
from tinyworlds.checkpoints.load import fingerprint
from tinyworlds.checkpoints.search import Located, trained_settings
from tinyworlds.checkpoints.world_search import check_complete, locate_run, networks_of
from tinyworlds.data.anchors import ANCHORS_KEY, NotedAnchors, read_anchors
from tinyworlds.data.gameplay import Gameplay, check_followed, read_gameplay
from tinyworlds.data.trained_on import TRAINED_ON_KEY, read_trained_on
from tinyworlds.errors import ConfigError, DataError, MissingFileError
from tinyworlds.export.keeping import save_over
from tinyworlds.export.sampling_file import stored_sampling
from tinyworlds.media.pixels import frames_to_input
from tinyworlds.models.fit import check_fit
from tinyworlds.models.maskgit import AS_PLAYED
from tinyworlds.models.registry import INFERRED, STAGE_OF_PART
from tinyworlds.system.documents import read_json
from tinyworlds.world.action_source import infer_actions
from tinyworlds.world.core import WorldCore
from tinyworlds.world.info import ActionKind, WorldInfo
from tinyworlds.world.networks import Trio
from tinyworlds.world.start_clips import StartClips
from tinyworlds.world.sureness import note_sureness

log = logging.getLogger(__name__)


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
        metrics: figures of an evaluation, kept with the world; default those of the run's last evaluation.
        settings: further arguments of `World` to be stored, such as `num_steps`.

    Raises:
        MissingFileError: no run or no gameplay there.
        CheckpointError: a stage has no valid checkpoint, or the stages do not fit each other.
        StorageError: the file cannot be written.
    """
    stages = locate_run(run)
    metrics = evaluated_figures(Path(run)) if metrics is None else metrics
    world = build_world(stages, data, num_clips, metrics, **settings)
    note_sureness(world)
    if told := save_over(Path(out), world):
        log.warning(told)
    return Path(out)


def evaluated_figures(run: Path) -> dict[str, float]:
    """Return the figures in the report of ``tinyworlds evaluate`` on a run; {} without one."""
    try:
        report = read_json(run / "evaluation" / "metrics.json")
        values = {name: figure.get("value", figure.get("mean")) for name, figure in report["figures"].items()}
        return {name: float(value) for name, value in values.items() if value is not None}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def build_world(
    stages: Mapping[str, Located],
    data: Sequence[str] = (),
    num_clips: int = 16,
    metrics: Mapping[str, Any] | None = None,
    device: str | torch.device = "cpu",
    *,
    world_class: type[WorldCore] = WorldCore,
    **settings: Any,
) -> WorldCore:
    """Build a world from checkpoints and the gameplay they were trained on.

    Args:
        stages: the checkpoints, by stage.
        data: gameplay files; default those noted beside the dynamics' checkpoint.
        num_clips: how many clips to start from, at most; 0 leaves the gameplay alone.
        metrics: figures of an evaluation.
        device: where the world runs.
        world_class: what to build.
        settings: further arguments of the world.

    Raises:
        ConfigError: a stage that is needed is missing, or no gameplay is named anywhere.
        MissingFileError: the gameplay is not there.
        CheckpointError: a network cannot be built, or they do not fit each other.
        DataError: the gameplay is malformed or unlike the networks.
    """
    check_complete(stages)
    networks = Trio.of(networks_of(stages.values()))
    check_fit(*networks)
    dynamics = stages["dynamics"]
    meta = dynamics.info.meta
    actions: ActionKind = meta.get("actions") or "latent"
    if actions in INFERRED and networks.latent_actions is None:
        raise ConfigError(
            f"{dynamics.path} was trained with latent actions: name a checkpoint of latent_actions, too"
        )
    _tell_strangers(stages)
    gameplay = _gameplay(dynamics, data, networks, num_clips) if num_clips else None
    anchors = _anchors(stages) if actions == "anchored" else None
    naming = name_actions(meta.get("game") or "", actions, networks.latent_actions, gameplay, anchors)
    info = WorldInfo(
        game=meta.get("game") or "",
        fps=float((gameplay.fps if gameplay else meta.get("fps")) or WorldInfo.fps),
        key_map=naming.key_map,
        action_names=naming.names,
        idle_action=naming.idle,
        actions=actions,
        true_actions=naming.true_actions,
        metrics=dict(metrics or {}),
        provenance={
            **_provenance(stages, gameplay),
            "data_settings": _shareable_settings(dynamics, data),
            **art_of(meta.get("game")),
        },
    )
    compiled = settings.pop("compile", False)
    played = _as_played(networks, dynamics)
    world = world_class(*networks, info=info, device=device, **{**played, **settings})
    if gameplay:
        _add_start_clips(world, gameplay)
        naming = measured_naming(world, naming)
        world.info = dataclasses.replace(
            info, key_map=naming.key_map, action_names=naming.names, idle_action=naming.idle
        )
    if compiled:  # not before: dreams of many sessions would be compiled for
        world.compile()
    return world


def _anchors(stages: Mapping[str, Located]) -> NotedAnchors | None:
    """What the action model was told of the true actions, with a name for each of its actions."""
    noted = read_anchors(stages["latent_actions"].info.meta.get(ANCHORS_KEY))
    known = noted is not None and len(noted.names) == stages["latent_actions"].info.config["num_actions"]
    return noted if known else None


def _tell_strangers(stages: Mapping[str, Located]) -> None:
    """Warn when dynamics meet networks of the right size that they were not trained with."""
    partners = stages["dynamics"].info.meta.get("partners") or {}
    for part, noted in partners.items():
        found = stages.get(STAGE_OF_PART.get(part, ""))
        if found is not None and fingerprint(found.network) != noted["fingerprint"]:
            log.warning(
                "%s fits in size, but the dynamics were trained with another %s (%s): its codes may mean "
                "other things to them", found.path, found.stage, noted["path"],
            )  # fmt: skip


def _as_played(networks: Trio, dynamics: Located) -> dict[str, Any]:
    """How a fresh world decodes: as was chosen for it; weights of the original program as that did."""
    usual = AS_PLAYED if networks.dynamics.config["architecture"] == "v2" else None
    sampling = stored_sampling(dynamics) or usual
    return dataclasses.asdict(sampling) if sampling else {}


def _data_settings(dynamics: Located, data: Sequence[str]) -> dict[str, Any]:
    """Settings of the gameplay: `data`, else of the checkpoint, else the game's."""
    meta, version = dynamics.info.meta, dynamics.version
    settings = trained_settings(dynamics)
    if data:
        settings["files"] = list(data)
    if not settings and _has_spec(meta.get("game")):
        settings = {"game": meta["game"]}
    if not version and meta.get("fps"):
        settings["fps"] = float(meta["fps"])
    return settings


def art_of(game: Any) -> dict[str, str]:
    """The licences of what is seen, where the game is a title that says so."""
    from games.registry import get

    art = get(game).art if _has_spec(game) else ""
    return {"art": art} if art else {}


def _has_spec(game: Any) -> bool:
    from games.registry import titles

    return game in titles()


def _gameplay(dynamics: Located, data: Sequence[str], networks: Trio, num_clips: int) -> Gameplay:
    """Read clips from the gameplay that the dynamics were trained on, or from `data`."""
    settings = _data_settings(dynamics, data)
    if not settings.get("files") and not settings.get("game"):
        raise ConfigError(f"{dynamics.path} does not say what it was trained on: name it with --data FILE")
    if not data:
        check_followed(settings, dynamics.version or dynamics.path)
    settings["frame_size"] = networks.tokenizer.config["frame_size"]
    try:
        return read_gameplay(settings, networks.dynamics.context_frames, num_clips)
    except MissingFileError:
        named = settings.get("files") or f"of {settings['game']}"
        raise MissingFileError(
            f"the gameplay {named} is not here: name it with --data FILE, of `tinyworlds convert` or `export`"
        ) from None


def _shareable_settings(dynamics: Located, data: Sequence[str]) -> dict[str, Any]:
    """The data and their split, so that a world file can be measured again; no paths of this machine."""
    settings = _data_settings(dynamics, data)
    files = settings.pop("files", None)
    files = [files] if isinstance(files, str) else list(files or ())
    if files and not any(Path(file).is_absolute() for file in files):
        settings["files"] = files
    return settings


def _provenance(stages: Mapping[str, Located], gameplay: Gameplay | None) -> dict[str, Any]:
    """Where everything comes from: names and fingerprints, no paths of this machine."""
    origins = {
        stage: {
            "checkpoint": found.path.name,
            "step": found.info.step,
            "fingerprint": fingerprint(found.network),
            **_trained_on(found),
            **({ANCHORS_KEY: found.info.meta[ANCHORS_KEY]} if ANCHORS_KEY in found.info.meta else {}),
        }
        for stage, found in stages.items()
    }
    return {
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "tinyworlds": __version__,
        "torch": torch.__version__,
        "stages": origins,
        "data": list(gameplay.files) if gameplay else [],
    }


def _trained_on(found: Located) -> dict[str, Any]:
    """What a network was trained on, as its checkpoint notes it."""
    noted = read_trained_on(found.info.meta.get(TRAINED_ON_KEY))
    if noted is None:
        return {}
    settings = {name: value for name, value in noted.settings.items() if name != "files"}
    return {TRAINED_ON_KEY: dataclasses.replace(noted, settings=settings).to_plain()}


def _add_start_clips(world: WorldCore, gameplay: Gameplay) -> None:
    """Give a world its clips, what it starts from and what really followed, and the actions in them."""
    actions = None
    if world.info.actions == "labels" and gameplay.clip_actions is not None:
        actions = gameplay.clip_actions[:, :-1]
        if actions.min() < 0:
            raise DataError(
                f"{', '.join(gameplay.files)} does not know the action of every frame, and this world was "
                "trained on recorded ones: name another recording with --data FILE"
            )
    elif world.latent_actions is not None:
        frames = frames_to_input(torch.from_numpy(gameplay.clips).to(world.device))
        actions = infer_actions(world.latent_actions, frames, world.dynamics.context_frames).cpu().numpy()
    world.start_clips = StartClips(gameplay.clips, actions)
