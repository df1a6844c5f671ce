"""What each of ``fit``, ``validate``, ``test`` and ``predict`` does of its own: its loggers and callbacks.

What a stage adds, it names itself, see :class:`~tinyworlds.training.stages.Stage`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback
from lightning.pytorch.loggers import Logger, WandbLogger

import callbacks
from callbacks.find_batch_size import FindBatchSize
from callbacks.follow_cores import FollowCores
from callbacks.progress_bar import StepProgressBar
from callbacks.saving import GracefulInterrupt, StepCheckpoint, best_checkpoint
from tinyworlds.checkpoints.run_folder import version_of
from tinyworlds.fit.resolve import Resolved
from tinyworlds.models.registry import named
from tinyworlds.training.loggers import never_failing, tensorboard_logger, wandb_logger
from tinyworlds.training.run_logger import CSVRunLogger
from tinyworlds.training.scope_logger import ScopeLogger
from tinyworlds.training.stages import Stage
from tinyworlds.training.strategies import FullySharded


@dataclass(frozen=True)
class Subcommand:
    """One of Lightning's four.

    Attributes:
        name: the word on the command line.
        log: name of its CSV file in the version folder.
        trains: whether it changes the network, and so saves it, and can be stopped and go on.
        predicts: whether it writes what the network makes, rather than how good it is.
        measures: names in `callbacks` of those that a stage may have, unless ``--pictures false``.
    """

    name: str
    log: str
    trains: bool = False
    predicts: bool = False
    measures: tuple[str, ...] = ()

    def loggers(self, resolved: Resolved, asked: Logger | Iterable[Logger] | bool | None) -> list[Logger]:
        """Return the CSV file of a run, which says where everything of the run goes, and what was asked for.

        Args:
            resolved: the settings.
            asked: the Trainer's argument; False leaves out the rows of the CSV file.
        """
        config, run, stage = resolved.config, resolved.run, resolved.stage.name
        version = version_of(resolved.version_dir) if resolved.version_dir is not None else None
        csv = CSVRunLogger(run, stage, version, self.log if asked is not False else None)
        if self.trains and version is not None:
            csv.resume_at(resolved.resumed_step)
        loggers: list[Logger] = [csv]
        if self.trains and asked is not False:
            loggers += resolved.stage.own_loggers(Path(csv.log_dir))
        folder, own = Path(csv.log_dir), _loggers(asked)
        if self.predicts:  # measures nothing that could be logged
            return [*loggers, *map(never_failing, own)]
        if config.tensorboard:
            resumed = resolved.resumed_step if self.trains and version is not None else None
            loggers.append(tensorboard_logger(folder, resumed))
        if config.scope:
            loggers.append(never_failing(ScopeLogger(folder)))
        if config.wandb and any(isinstance(logger, WandbLogger) for logger in own):
            print("--wandb: trainer.logger names a W&B logger, which is used instead")
        elif config.wandb:
            loggers.append(wandb_logger(folder, resolved.game))
        return [*loggers, *map(never_failing, own)]

    def added_callbacks(self, resolved: Resolved, trainer: dict[str, Any]) -> Iterator[Callback]:
        """Yield what a run has besides the callbacks that were asked for; `trainer` are its arguments."""
        config, stage = resolved.config, resolved.stage
        if trainer.get("enable_progress_bar") is not False:
            yield StepProgressBar()
        if self.trains:
            yield GracefulInterrupt()
            if config.follow_cores:
                yield FollowCores()
            if config.find_batch_size:
                yield FindBatchSize()
            if trainer.get("enable_checkpointing") is not False:
                yield best_checkpoint(*stage.monitor)
                yield StepCheckpoint(**config.checkpoint.as_dict())
        names: tuple[str, ...] = ()
        if self.predicts:
            names = stage.predict_callbacks
        elif config.pictures and not isinstance(trainer.get("strategy"), FullySharded):
            # with sharded weights every process would have to draw along
            measures = (name for name in stage.measures if name in self.measures)
            names = (*measures, *stage.picture_callbacks)
        yield from (named(name, callbacks.__name__)() for name in names)


class SettingsOfRun(SaveConfigCallback):
    """Saves the settings as ``config.yaml``, and tells them to the loggers that show settings."""

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Tell the loggers."""
        settings = yaml.safe_load(self.parser.dump(self.config, skip_none=False))
        for logger in trainer.loggers:
            if hasattr(logger, "log_settings"):
                logger.log_settings(settings, cast(Stage, pl_module).monitor[0])


def _loggers(asked: Logger | Iterable[Logger] | bool | None) -> list[Logger]:
    if asked is None or isinstance(asked, bool):
        return []
    return [asked] if isinstance(asked, Logger) else [*asked]


SUBCOMMANDS = {
    command.name: command
    for command in (
        Subcommand("fit", "metrics.csv", trains=True, measures=("CodeUsage", "Throughput")),
        Subcommand("validate", "validate.csv", measures=("CodeUsage",)),
        Subcommand("test", "test.csv", measures=("CodeUsage",)),
        Subcommand("predict", "predict.csv", predicts=True),
    )
}
