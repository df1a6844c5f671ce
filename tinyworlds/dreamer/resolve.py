"""What a command means by an agent's settings once its game, the run folder and checkpoints are looked at."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from tinyworlds.checkpoints.run_folder import default_run
from tinyworlds.checkpoints.search import Say
from tinyworlds.dreamer.games import AgentGame
from tinyworlds.dreamer.sizes import sizes_of
from tinyworlds.dreamer.stage import DreamerStage
from tinyworlds.dreamer.tasks import find_task
from tinyworlds.errors import ConfigError
from tinyworlds.fit.resolve import Resolved, as_in_checkpoint, resolved_at, stage_class, trainer_settings
from tinyworlds.fit.start import find_start

_OF_DATA = ("batch_size", "length")


def resolve(config: Namespace, subcommand: str, say: Say = print) -> Resolved:
    """Return what the settings of one subcommand come to; `config` stays as it is.

    Raises:
        ConfigError: settings contradict each other, or there is no such game.
        CheckpointError: a checkpoint that is needed does not exist or does not fit.
    """
    stage = stage_class(config.model)
    if not issubclass(stage, DreamerStage):
        raise ConfigError(f"model.class_path {config.model.class_path} trains no agent; use DreamerStage")
    if config.data.task is None:
        raise ConfigError("data.task is not set: name a game, such as --data.task atari_boxing")
    task = find_task(config.data.task)
    run = Path(config.run) if config.run else default_run(task.name)
    start = find_start(config.get("ckpt_path"), run, stage.name, subcommand, say)
    model = config.model.init_args.as_dict()
    if config.compile:
        model["compile"] = True
    checkpoint = start.checkpoint
    if start.named and checkpoint is not None and subcommand != "fit":
        model |= as_in_checkpoint(model, checkpoint.info, say)
    filled = config.clone()
    data = config.data
    game = AgentGame(task, data.frame_size, data.grey, data.observe, data.env_kwargs)
    game.close()
    model |= asdict(game.spaces)  # one source, so that they cannot differ
    _take_preset(filled, model, say)
    filled.ckpt_path = str(checkpoint.path) if checkpoint is not None else None
    filled.model.init_args = Namespace(**model)
    filled.trainer.update(trainer_settings(config.trainer, subcommand, stage))
    return resolved_at(checkpoint, filled, run, task.name, stage, subcommand, say)


def _take_preset(config: Namespace, model: dict[str, Any], say: Say) -> None:
    """Let a preset that changes more than sizes fill in what was not asked for, and say so."""
    preset = str(model["preset"])
    taken = []
    for name, value in sizes_of(preset).changes.items():
        if name in _OF_DATA and config.data.get(name) is None:
            config.data[name] = value
        elif name in model and model[name] is None:
            model[name] = value
        else:
            continue
        taken.append(f"{name} {value:g}")
    if taken:
        say(f"agent: preset {preset} is ours, not the paper's: {', '.join(taken)}")
