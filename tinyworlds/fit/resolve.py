"""What a command means by its settings once the data, the run folder and earlier checkpoints are looked at.

``resolve`` fills in the parsed configuration in place: the frame size of the network from the data,
``last`` as a path, the partners of the dynamics. Everything it decides by itself, it prints.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from tinyworlds.checkpoints.candidates import holds_several
from tinyworlds.checkpoints.formats import holds_world
from tinyworlds.checkpoints.load import info_of, read_checkpoint
from tinyworlds.checkpoints.run_folder import default_run, game_of, version_dir_of_checkpoint
from tinyworlds.checkpoints.search import find_newest, locate
from tinyworlds.checkpoints.world_search import locate_world
from tinyworlds.data.schema import read_info
from tinyworlds.data.sources import find_files, game_defaults
from tinyworlds.errors import CheckpointError, ConfigError
from tinyworlds.models.registry import STAGES
from tinyworlds.training.stages import DynamicsStage, Stage
from tinyworlds.training.stages.partners import (
    check_same_partner,
    find_partner,
    load_partner,
    partner_of_checkpoint,
)

FROM_RUN = ("last", "best")
PARTNERS = {STAGES[name].part: name for name in STAGES["dynamics"].partners}
"""Option of the dynamics to the stage it names a checkpoint of."""


@dataclass(frozen=True)
class RunSettings:
    """What was decided.

    Attributes:
        run: the run folder.
        game: the game's name.
        stage: the stage's name.
        version_dir: version folder of the checkpoint in use, which training goes on in; None for a new one.
        resumed_step: optimizer steps already done there.
    """

    run: Path
    game: str
    stage: str
    version_dir: Path | None
    resumed_step: int


def resolve(config: Namespace, subcommand: str, say: Callable[[str], None] = print) -> RunSettings:
    """Fill in `config` (of one subcommand) and return what was decided.

    Raises:
        ConfigError: settings contradict each other.
        CheckpointError: a checkpoint that is needed does not exist or does not fit.
    """
    game = game_of(config.data.game, config.data.files)
    run = Path(config.run) if config.run else default_run(game)
    stage = stage_class(config.model)
    model = config.model.init_args
    asked = config.get("ckpt_path")
    named = asked not in (None, *FROM_RUN)
    beside = _stages_in(asked, stage.name, say) if named else {}
    asked = str(beside.get(stage.name, asked)) if named else asked
    config.ckpt_path = _checkpoint(asked, run, stage.name, subcommand, say)
    if named and subcommand != "fit":
        _measure_as_it_is(model, config.ckpt_path, stage, say)
    share_frame_size(config, model)
    if issubclass(stage, DynamicsStage):
        for option, partner in PARTNERS.items():
            if partner in beside and model.get(option) is None:
                model[option] = str(beside[partner])
        _choose_partners(model, config.ckpt_path, run, config.data, say)
    if subcommand == "predict" and stage is not DynamicsStage:
        # what is predicted stays in memory; for dynamics, the writer of the pictures sets the limit
        config.trainer.limit_predict_batches = config.trainer.limit_predict_batches or 1
    version, step = None, 0
    if config.ckpt_path is not None:
        version = version_dir_of_checkpoint(config.ckpt_path)
        inside = version is not None and version.parent.parent == run.resolve()
        version = version if inside else None
    if subcommand == "fit" and config.ckpt_path is not None:
        step = locate(config.ckpt_path, stage.name).info.step
        say(f"going on from {config.ckpt_path} (step {step:,})")
    return RunSettings(run, game, stage.name, version, step)


def stage_class(model: Namespace) -> type[Stage]:
    """Return the class that a parsed ``model`` names.

    Raises:
        ConfigError: it is no stage.
    """
    module, _, name = model.class_path.rpartition(".")
    found = getattr(importlib.import_module(module), name)
    if not issubclass(found, Stage) or found is Stage:
        raise ConfigError(
            f"model.class_path {model.class_path} is no stage to train; use DynamicsStage or its siblings"
        )
    return found


def _checkpoint(
    asked: str | None, run: Path, stage: str, subcommand: str, say: Callable[[str], None]
) -> str | None:
    """Return the checkpoint file that is meant, or None to start from scratch."""
    if asked not in (None, *FROM_RUN):
        info = info_of(read_checkpoint(asked, stage=stage), asked)
        if info.stage != stage:
            raise CheckpointError(
                f"--ckpt_path {asked} is a checkpoint of {info.stage}, this is {stage}; name another"
            )
        return str(asked)
    if asked is None and subcommand == "fit":
        return None
    found = find_newest(run, stage, say, name=asked if asked == "best" else None)
    if found is not None:
        if subcommand != "fit":
            say(f"{stage}: using {found.path}")
        return str(found.path)
    if asked is None:
        say(f"{stage}: no checkpoint in {run}, so an untrained network is measured")
        return None
    raise CheckpointError(
        f"--ckpt_path {asked}: {run / stage} holds no valid checkpoint; leave the option out to start anew"
    )


def _stages_in(asked: str, stage: str, say: Callable[[str], None]) -> dict[str, Path]:
    """Return the checkpoints by stage of a `.world` file or a folder of several; {} for anything else."""
    path = Path(asked)
    if holds_several(path) and stage != DynamicsStage.name:
        return {stage: locate(path, stage, say).path}
    if not holds_several(path) and not holds_world(path):
        return {}
    found = {name: each.path for name, each in locate_world(path, say).items()}
    if stage not in found:
        raise CheckpointError(f"--ckpt_path {asked} holds {', '.join(found)}, this is {stage}; name another")
    return found


def _measure_as_it_is(model: Namespace, path: str, stage: type[Stage], say: Callable[[str], None]) -> None:
    """Build the network that is in a checkpoint, and say where settings were otherwise.

    Other sizes could not be measured, and nobody knows those of a file from elsewhere.
    """
    info = locate(path, stage.name).info
    settings = {
        key: value for key, value in info.config.items() if key != "num_patches"
    }  # follows from sizes
    if issubclass(stage, DynamicsStage) and info.meta.get("actions"):
        settings["actions"] = info.meta["actions"]
    unlike = {key: value for key, value in settings.items() if value not in (None, model.get(key))}
    for key, value in unlike.items():
        model[key] = value
    if unlike:
        say(f"{stage.name}: as in the checkpoint, {', '.join(f'{k} {v}' for k, v in unlike.items())}")


def share_frame_size(config: Namespace, model: Namespace) -> None:
    """Give the network the data's frame size; one number, set once."""
    if config.data.frame_size is None:
        config.data.frame_size = read_info(_files(config.data)[0]).height
    size, own = config.data.frame_size, model.get("frame_size")
    if size is None:
        return
    from_default = own in (None, 64)  # the networks' default: nobody asked for it
    if not from_default and own != size:
        raise ConfigError(
            f"model.frame_size {own} contradicts data.frame_size {size}; set data.frame_size only"
        )
    model.frame_size = size


def _files(data: Namespace) -> list[str]:
    return find_files(data.files, game_defaults(data.game).data_file)


def _choose_partners(
    model: Namespace, ckpt_path: str | None, run: Path, data: Namespace, say: Callable[[str], None]
) -> None:
    wanted = [*PARTNERS.items()]
    if model.get("actions", "latent") != "latent":
        wanted.pop()
    if model.get("actions") == "labels" and model.get("num_actions") is None:
        model.num_actions = _num_labels(data)
    for option, stage in wanted:
        noted = partner_of_checkpoint(ckpt_path, option) if ckpt_path is not None else None
        fingerprint = noted[1] if noted is not None else None
        if model.get(option) is None:
            model[option] = str(find_partner(run, stage, say, fingerprint).path)
        elif noted is not None:
            check_same_partner(load_partner(locate(model[option], stage), "cpu"), option, *noted)


def _num_labels(data: Namespace) -> int | None:
    """Return the number of true actions the files name, rounded up to a power of two."""
    count = max((len(read_info(path).action_names) for path in _files(data)), default=0)
    return 1 << (count - 1).bit_length() if count > 1 else None


def default_callbacks(stage: str, subcommand: str) -> Iterable[Any]:
    """Yield the callbacks that every run of `stage` has unless ``--pictures false``; cheap ones."""
    if subcommand == "predict":
        return
    from callbacks import CodeUsage, OpenLoopClip, ReconstructionAB, Throughput

    yield CodeUsage()
    if subcommand == "fit":
        yield Throughput()
    if stage == "video_tokenizer":
        yield ReconstructionAB()
    elif stage == "dynamics":
        yield OpenLoopClip()
