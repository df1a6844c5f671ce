"""What a command means by its settings once the data, the run folder and earlier checkpoints are looked at.

``resolve`` takes the parsed configuration and returns it filled in: the frame size of the network from the
data, ``last`` as a path, the partners of the dynamics. Everything it decides by itself, it prints.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jsonargparse import Namespace

from tinyworlds.checkpoints.load import CheckpointInfo
from tinyworlds.checkpoints.run_folder import default_run, game_of
from tinyworlds.checkpoints.search import Located, Say, find_newest, locate, trained_settings
from tinyworlds.data.anchors import files_with_actions
from tinyworlds.data.module import WINDOW_FRAMES, H5DataModule
from tinyworlds.data.schema import read_info
from tinyworlds.data.sources import find_files, game_defaults
from tinyworlds.data.splits import as_dealt_before
from tinyworlds.data.trained_on import SPLIT_SETTINGS
from tinyworlds.errors import ConfigError, listed
from tinyworlds.fit.start import Start, find_start
from tinyworlds.models.base import Network
from tinyworlds.models.registry import ALL_STAGES, INFERRED, STAGES
from tinyworlds.training.stages import Stage
from tinyworlds.training.stages.latent_actions import ANCHORED_FRAMES, check_share
from tinyworlds.training.stages.partners import check_same_partner, find_partner, load_partner, noted_partner
from tinyworlds.training.strategies import uses_cuda


@dataclass(frozen=True)
class Resolved:
    """What was decided.

    Attributes:
        config: all settings of the subcommand, none of them left open.
        run: the run folder.
        game: the game's name.
        stage: the stage's class.
        version_dir: version folder of the checkpoint in use, which training goes on in; None for a new one.
        resumed_step: optimizer steps already done there.
    """

    config: Namespace
    run: Path
    game: str
    stage: type[Stage]
    version_dir: Path | None
    resumed_step: int


def resolve(config: Namespace, subcommand: str, say: Say = print) -> Resolved:
    """Return what the settings of one subcommand come to; `config` stays as it is.

    Raises:
        ConfigError: settings contradict each other.
        CheckpointError: a checkpoint that is needed does not exist or does not fit.
    """
    stage = stage_class(config.model)
    game = game_of(config.data.game, config.data.files)
    run = Path(config.run) if config.run else default_run(game)
    start = find_start(config.get("ckpt_path"), run, stage.name, subcommand, say)
    model = config.model.init_args.as_dict()
    if config.compile:
        model["compile"] = True
    checkpoint = start.checkpoint
    measured = checkpoint if subcommand != "fit" else None
    if measured is not None:
        model |= as_in_checkpoint(model, measured.info, say)
    frame_size = config.data.frame_size
    if frame_size is None:
        frame_size = read_info(_files(config.data)[0]).height
    model |= network_frame_size(model, frame_size)
    num_frames, batch_size = config.data.num_frames, config.data.batch_size
    if "label_share" in model:
        model |= anchoring(model, start, config.data, say)
        if model["label_share"]:
            num_frames, batch_size = anchored_windows(num_frames, batch_size, say)
    if "context_frames" in model:
        num_frames = model["context_frames"] = window_frames(model, None if measured else num_frames)
    if STAGES[stage.name].partners:
        model |= _partners(stage.name, model, start, run, config.data, say)

    filled = config.clone()
    filled.ckpt_path = str(checkpoint.path) if checkpoint is not None else None
    filled.data.frame_size = frame_size
    filled.data.num_frames, filled.data.batch_size = num_frames or WINDOW_FRAMES, batch_size
    if checkpoint is not None:
        filled.data.update(_held_out_as_in(checkpoint, config.data, subcommand, say))
    filled.model.init_args = Namespace(**model)
    filled.trainer.update(trainer_settings(config.trainer, subcommand, stage))
    return resolved_at(checkpoint, filled, run, game, stage, subcommand, say)


def resolved_at(
    checkpoint: Located | None,
    filled: Namespace,
    run: Path,
    game: str,
    stage: type[Stage],
    subcommand: str,
    say: Say,
) -> Resolved:
    """Return what was decided, with the version and step of the checkpoint it goes on from, which is told."""
    if checkpoint is None:
        return Resolved(filled, run, game, stage, None, 0)
    if subcommand == "fit":
        say(f"going on from {checkpoint.path} (step {checkpoint.info.step:,})")
    version = checkpoint.version if checkpoint.run == run.resolve() else None
    return Resolved(filled, run, game, stage, version, checkpoint.info.step)


def stage_class(model: Namespace) -> type[Stage]:
    """Return the class that a parsed ``model`` names.

    Raises:
        ConfigError: it is no stage.
    """
    module, _, name = model.class_path.rpartition(".")
    named = getattr(importlib.import_module(module), name)
    if not issubclass(named, Stage) or getattr(named, "name", None) not in ALL_STAGES:
        raise ConfigError(
            f"model.class_path {model.class_path} is no stage to train; use DynamicsStage or its siblings"
        )
    return named


# ---- settings of the network; each function returns those that change


def as_in_checkpoint(model: dict[str, Any], info: CheckpointInfo, say: Say) -> dict[str, Any]:
    """Build the network that is in a checkpoint, and say where settings were otherwise.

    Other sizes could not be measured, and nobody knows those of a file from elsewhere.
    """
    settings = {**info.config, "actions": info.meta.get("actions") if "actions" in model else None}
    settings.pop("num_patches", None)  # follows from sizes
    unlike = {key: value for key, value in settings.items() if value not in (None, model.get(key))}
    if unlike:
        say(f"{info.stage}: as in the checkpoint, {', '.join(f'{k} {v}' for k, v in unlike.items())}")
    return unlike


def _held_out_as_in(found: Located, data: Namespace, subcommand: str, say: Say) -> Namespace:
    """Return settings by which those frames are held out that a checkpoint was not trained on.

    What is measured is measured on these. Training may go on with others (a warning says what that means),
    but not by chance with another deal than that of a version which recorded none.
    """
    then = trained_settings(found)
    names = ["split"] if subcommand == "fit" else SPLIT_SETTINGS
    if subcommand == "fit" and as_dealt_before(data.split) != then.get("split"):
        names = []
    unlike = {name: then[name] for name in names if name in then and then[name] != data.get(name)}
    if unlike:
        told = ", ".join(f"data.{name} {value}" for name, value in unlike.items())
        say(f"{found.stage}: held out as when {found.path} was trained, {told}")
    return Namespace(**unlike)


def network_frame_size(model: dict[str, Any], size: int) -> dict[str, Any]:
    """Give the network the data's frame size; one number, set once.

    Raises:
        ConfigError: another size was asked for.
    """
    own = model.get("frame_size")
    from_default = own in (None, 64)  # the networks' default: nobody asked for it
    if not from_default and own != size:
        raise ConfigError(
            f"model.frame_size {own} contradicts data.frame_size {size}; set data.frame_size only"
        )
    return {"frame_size": size}


def window_frames(model: Mapping[str, Any], num_frames: int | None) -> int:
    """Return the frames of a window, which are those that dynamics look at: one number, set once.

    Args:
        model: settings of dynamics.
        num_frames: what the data were told, if anything.

    Raises:
        ConfigError: the two were told different numbers.
    """
    own = model["context_frames"]
    if num_frames is not None and own not in (num_frames, WINDOW_FRAMES):  # the default nobody asked for
        raise ConfigError(
            f"model.context_frames {own} contradicts data.num_frames {num_frames}, but they are one setting; "
            "set data.num_frames only"
        )
    return num_frames or own


def anchoring(model: Mapping[str, Any], start: Start, data: Namespace, say: Say) -> dict[str, Any]:
    """Decide whether recorded actions anchor an action model, and how many actions it then has.

    Raises:
        ConfigError: the share is out of range, or the network cannot be anchored.
        DataError: actions are asked for, and no file holds any.
    """
    share = model["label_share"]
    check_share(share)
    if share == 0 or (share is None and (model["anchored"] or model["architecture"] == "v1")):
        return {}  # a network out of a checkpoint knows itself
    files = _files(data)
    if share is None and len(files) == 1:
        return {}
    module = H5DataModule(files, game=data.game, cache=False)
    if share is None:
        if not module.has_some_actions:
            return {}
        share = 1.0
        with_keys = [str(file.info.path) for file in module.frame_files if file.actions is not None]
        say(
            f"latent_actions: {listed(with_keys)} holds keys and other files do not, so its keys anchor the "
            "actions of all (--model.label_share 1; 0 leaves them to be found)"
        )
    files_with_actions(module, share)
    trained = start.checkpoint.info.config.get("num_actions") if start.checkpoint is not None else None
    num_actions = trained or max(len(module.action_names), 2)
    if model["num_actions"] not in (num_actions, 16):  # the networks' default: nobody asked for it
        say(
            f"latent_actions: anchored, so of the {num_actions} actions in the data, "
            f"not {model['num_actions']}"
        )
    return {"label_share": share, "anchored": True, "num_actions": num_actions}


def anchored_windows(num_frames: int | None, batch_size: int, say: Say) -> tuple[int, int]:
    """Return frames of a window and windows of a batch, long enough to show for how long a key is held."""
    own = num_frames or WINDOW_FRAMES
    if own >= ANCHORED_FRAMES:
        return own, batch_size
    fewer = max(1, round(batch_size * (own - 1) / (ANCHORED_FRAMES - 1)))
    say(
        f"latent_actions: anchored, so from windows of {ANCHORED_FRAMES} frames, {fewer} of them in a batch, "
        f"not {batch_size} of {own}"
    )
    return ANCHORED_FRAMES, fewer


def _files(data: Namespace) -> list[str]:
    return find_files(data.files, game_defaults(data.game).data_file)


def _partners(
    name: str, model: dict[str, Any], start: Start, run: Path, data: Namespace, say: Say
) -> dict[str, Any]:
    """Name the checkpoints that a stage is trained on: as asked, those it was trained on, or the newest."""
    changes: dict[str, Any] = {}
    actions = model.get("actions", "latent")
    if actions == "labels" and model.get("num_actions") is None:
        # a run that goes on keeps its size: earlier versions rounded it up
        trained = start.checkpoint.info.config.get("num_actions") if start.checkpoint is not None else None
        changes["num_actions"] = trained or _num_labels(data)
    for stage in STAGES[name].partners:
        if STAGES[stage].optional and actions not in INFERRED:
            continue
        option = STAGES[stage].part
        noted = noted_partner(start.checkpoint.info, option) if start.checkpoint is not None else None
        if model.get(option) is None:
            weights = noted[1] if noted is not None else None
            there = start.others.get(stage) or _beside(start, stage, weights)
            partner = there or find_partner(run, stage, say, weights)
            changes[option] = str(partner.path)
        elif noted is not None:
            partner = locate(model[option], stage)
        if noted is not None:
            check_same_partner(load_partner(partner, Network), option, *noted)
    return changes


def _beside(start: Start, stage: str, weights: str | None) -> Located | None:
    """Return the very partner that a checkpoint from elsewhere was trained with, out of its own run."""
    home = start.checkpoint.run if start.named and start.checkpoint is not None else None
    return find_newest(home, stage, lambda skipped: None, weights=weights) if home and weights else None


def _num_labels(data: Namespace) -> int | None:
    """Return how many true actions the files name or hold; None without any.

    Raises:
        ConfigError: it is one, so that there is nothing to choose.
    """
    names = H5DataModule(_files(data), game=data.game, cache=False).action_names
    if len(names) == 1:
        raise ConfigError(
            f"--model.actions labels: the only action in the data is '{names[0]}', so there is nothing to "
            "choose; use --model.actions none"
        )
    return len(names) or None


# ---- settings of the trainer


def trainer_settings(trainer: Namespace, subcommand: str, stage: type[Stage]) -> Namespace:
    """Return what suits the machine and the length of training."""
    changes = Namespace()
    if trainer.precision is None:
        on_cuda = uses_cuda(trainer.accelerator)
        half = "bf16-mixed" if on_cuda and torch.cuda.is_bf16_supported() else "16-mixed"
        changes.precision = half if on_cuda else "32-true"
    if isinstance(trainer.val_check_interval, int) and trainer.max_steps > 0:
        batches = trainer.max_steps * trainer.accumulate_grad_batches
        changes.val_check_interval = min(trainer.val_check_interval, batches)
    if subcommand == "predict" and not stage.predict_callbacks:
        changes.limit_predict_batches = trainer.limit_predict_batches or 1  # it all stays in memory
    return changes
