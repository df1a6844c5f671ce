"""``tinyworlds fit|validate|test|predict``: LightningCLI with our layout, checkpoints and one-line errors.

What is added to LightningCLI: the run folder and its version, ``--ckpt_path last``, partners of the
dynamics, frame sizes handed from the data to the network, precision and strategy that suit the machine, and
no silent winners: the hyper-parameters inside a checkpoint never overrule the command line.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable
from typing import Any

import torch
from jsonargparse import Namespace
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities.exceptions import SIGTERMException

from callbacks.find_batch_size import FindBatchSize, check_machine
from callbacks.progress_bar import StepProgressBar
from callbacks.saving import (
    GracefulInterrupt,
    StepCheckpoint,
    TrainingInterrupted,
    best_checkpoint,
    quiet_lightning,
)
from tinyworlds.checkpoints.lightning_io import AtomicCheckpointIO
from tinyworlds.checkpoints.run_folder import version_of
from tinyworlds.data import H5DataModule
from tinyworlds.errors import ConfigError
from tinyworlds.fit.parser import OneLineParser
from tinyworlds.fit.resolve import RunSettings, default_callbacks, resolve, stage_class
from tinyworlds.fit.words import config_files_in, with_saved_config, with_shipped_configs, without_ckpt_path
from tinyworlds.system.processes import end_with_parent
from tinyworlds.training.loggers import CSVRunLogger, tensorboard_logger, wandb_logger
from tinyworlds.training.stages import Stage
from tinyworlds.training.strategies import (
    FullySharded,
    pick_accelerator,
    pick_strategy,
    prepare_windows,
    uses_cuda,
)
from tinyworlds.world.rollout import RolloutOptions

TRAINER_DEFAULTS: dict[str, Any] = {
    "max_epochs": -1,
    "max_steps": 10_000,
    "log_every_n_steps": 50,
    "gradient_clip_val": 1.0,
    "num_sanity_val_steps": 0,
    "enable_model_summary": False,
    "check_val_every_n_epoch": None,
    "val_check_interval": 1000,
    "limit_val_batches": 16,
}
"""What a Trainer does unless a config says otherwise; steps count, epochs do not."""

STRATEGY_SETTINGS = ("strategy", "accelerator", "devices", "num_nodes")


class StageCLI(LightningCLI):
    """LightningCLI for the three stages."""

    settings: RunSettings
    config_files: tuple[str, ...] = ()

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        """Give every subcommand the names of the YAML files, for its messages."""
        parser = super().init_parser(**kwargs)
        parser.config_files = self.config_files
        return parser

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse the given words (Lightning warns when the process has arguments of its own, as tests do)."""
        parser.stage_parsers = tuple(self._subcommand_parsers.values())
        self.config = parser.parse_args(args)

    def _parse_ckpt_path(self) -> None:
        """Leave the configuration alone: what a checkpoint says never overrules what the user says."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the settings of a run."""
        parser.add_argument(
            "--run", type=str | None, default=None, help="run folder (default: lightning_logs/<game>)"
        )
        parser.add_argument(
            "--wandb", action="store_true", help="log to Weights & Biases too, offline if logged out"
        )
        parser.add_argument("--compile", action="store_true", help="short for --model.compile true")
        parser.add_argument("--tensorboard", action="store_true", help="log to TensorBoard too")
        parser.add_argument(
            "--pictures", type=bool, default=True, help="draw pictures and measure code usage while training"
        )
        parser.add_argument(
            "--find_batch_size",
            type=bool,
            default=False,
            help="fit: find the largest data.batch_size that the GPU's memory holds; accumulate less for it",
        )
        parser.add_class_arguments(StepCheckpoint, "checkpoint", instantiate=False)
        parser.add_class_arguments(RolloutOptions, "rollout", instantiate=False)

    def before_instantiate_classes(self) -> None:
        """Fill in what depends on the data, the run folder and the machine."""
        config = self.config[self.subcommand]
        if config.compile:
            config.model.init_args.compile = True
        self.settings = resolve(config, self.subcommand)
        self._fit_to_machine(config.trainer)

    def instantiate_classes(self) -> None:
        """Build data, stage and trainer; the stage by hand, so that its errors arrive as they are raised."""
        own = self.config[self.subcommand]
        model, own.model = own.model, None
        self.config_init = self.parser.instantiate_classes(self.config)
        own.model = model
        self.datamodule = self._get(self.config_init, "data")
        self.model = stage_class(model)(**model.init_args.as_dict())
        self.trainer = self.instantiate_trainer()

    def _fit_to_machine(self, trainer: Namespace) -> None:
        torch.set_float32_matmul_precision("high")  # TF32 where the GPU has it
        on_cuda = uses_cuda(trainer.accelerator)
        if trainer.precision is None:
            half = "bf16-mixed" if on_cuda and torch.cuda.is_bf16_supported() else "16-mixed"
            trainer.precision = half if on_cuda else "32-true"
        interval = trainer.val_check_interval
        if isinstance(interval, int) and trainer.max_steps > 0:
            batches = trainer.max_steps * trainer.accumulate_grad_batches
            trainer.val_check_interval = min(interval, batches)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the Trainer with our loggers, callbacks and checkpoint plugin."""
        config = self._get(self.config_init, "trainer")
        own = Namespace(self.config[self.subcommand])
        if config.get("logger") in (None, True):
            kwargs["logger"] = self._loggers(own)
        if config.get("default_root_dir") is None:
            kwargs["default_root_dir"] = str(self.settings.run)
        kwargs["accelerator"] = pick_accelerator(config.get("accelerator"))
        kwargs["strategy"] = pick_strategy(*(config.get(key) for key in STRATEGY_SETTINGS))
        kwargs["plugins"] = [*_as_list(config.get("plugins")), AtomicCheckpointIO(self.settings.stage)]
        kwargs["callbacks"] = [
            *_as_list(config.get("callbacks")),
            *self._callbacks(own, {**config, **kwargs}),
        ]
        try:
            trainer = super().instantiate_trainer(**kwargs)
        except (ValueError, TypeError) as error:  # its own checks of its own settings
            raise ConfigError(f"trainer: {' '.join(str(error).split())[:300]}") from error
        if any(isinstance(callback, FindBatchSize) for callback in trainer.callbacks):
            check_machine(trainer)  # before other processes are started and data prepared
        return trainer

    def _loggers(self, own: Namespace) -> list[Logger]:
        settings = self.settings
        fitting = self.subcommand == "fit"
        version = version_of(settings.version_dir) if settings.version_dir is not None else None
        name = "metrics.csv" if fitting else f"{self.subcommand}.csv"
        csv = CSVRunLogger(settings.run, settings.stage, version, name)
        if fitting and version is not None:
            csv.resume_at(settings.resumed_step)
        loggers: list[Logger] = [csv]
        if own.tensorboard:
            loggers.append(tensorboard_logger(settings.run, settings.stage, csv.version))
        if own.wandb:
            extra = wandb_logger(settings.run, settings.stage, settings.game)
            loggers += [extra] if extra is not None else []
        return loggers

    def _callbacks(self, own: Namespace, trainer: dict[str, Any]) -> Iterable[Any]:
        if trainer.get("enable_progress_bar") is not False:
            yield StepProgressBar()
        if self.subcommand == "fit":
            yield GracefulInterrupt()
            if own.find_batch_size:
                yield FindBatchSize()
            if trainer.get("enable_checkpointing") is not False:
                yield best_checkpoint()
                yield StepCheckpoint(**own.checkpoint.as_dict())
        if own.pictures and not isinstance(trainer.get("strategy"), FullySharded):
            # with sharded weights every process would have to draw along
            yield from default_callbacks(self.settings.stage, self.subcommand)
        if self.subcommand == "predict" and self.settings.stage == "dynamics":
            options = RolloutOptions(**own.rollout.as_dict())
            self.model.rollout_options = options
            wanted = options.num_frames(self.model.network)
            self.datamodule.predict_frames = max(self.datamodule.predict_frames, wanted)
            yield from _rollout_writer(options)

    def after_fit(self) -> None:
        """Say where things are."""
        saver = next((c for c in self.trainer.checkpoint_callbacks if isinstance(c, StepCheckpoint)), None)
        if saver is not None and saver.last is not None and self.trainer.is_global_zero:
            print(f"{self.settings.stage}: {self.trainer.global_step:,} steps done, saved in {saver.folder}")


def _rollout_writer(options: RolloutOptions) -> list[Any]:
    from callbacks import OpenLoopWriter

    return [OpenLoopWriter(options)]


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def hush_parser() -> None:
    """Lightning calls what newer versions of jsonargparse are about to drop (hence the bound below 5)."""
    os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")


def run(subcommand: str, argv: list[str]) -> int:
    """Run one of Lightning's subcommands and return the exit code.

    Raises:
        TinyWorldsError: for the dispatcher to print.
    """
    end_with_parent()
    quiet_lightning()
    prepare_windows()
    hush_parser()
    argv = with_shipped_configs(with_saved_config(argv))
    StageCLI.config_files = config_files_in(argv)
    try:
        with warnings.catch_warnings():
            _filter_warnings()
            StageCLI(
                Stage,
                H5DataModule,
                subclass_mode_model=True,
                parser_class=OneLineParser,
                auto_configure_optimizers=False,
                load_from_checkpoint_support=False,
                save_config_callback=SaveConfigCallback if subcommand == "fit" else None,
                save_config_kwargs={"overwrite": True},
                seed_everything_default=0,
                trainer_defaults=dict(TRAINER_DEFAULTS),
                args=[subcommand, *argv],
            )
    except TrainingInterrupted as stop:
        return _interrupted(stop, subcommand, argv)
    except MisconfigurationException as error:
        raise ConfigError(" ".join(str(error).split())) from error
    except torch.OutOfMemoryError as error:
        raise ConfigError(
            "the GPU's memory is full; lower --data.batch_size and raise --trainer.accumulate_grad_batches, "
            "or find the largest batch with --find_batch_size true"
        ) from error
    except SIGTERMException:  # a SystemExit without a code, which would read as success
        return _terminated(subcommand, argv)
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        return int(stop.code or 0)
    return 0


def _interrupted(stop: TrainingInterrupted, subcommand: str, argv: list[str]) -> int:
    from tinyworlds.system.exits import INTERRUPTED

    words = without_ckpt_path(argv)
    where = (
        f"saved {stop.checkpoint}; go on" if stop.checkpoint is not None else "nothing was saved; start again"
    )
    go_on = " --ckpt_path last" if stop.checkpoint is not None else ""
    print(f"interrupted, {where} with: tinyworlds {subcommand} {' '.join(words)}{go_on}", file=sys.stderr)
    return INTERRUPTED


def _terminated(subcommand: str, argv: list[str]) -> int:
    from tinyworlds.system.exits import TERMINATED

    words = " ".join(without_ckpt_path(argv))
    print(f"ended by SIGTERM; go on with: tinyworlds {subcommand} {words} --ckpt_path last", file=sys.stderr)
    return TERMINATED


def _filter_warnings() -> None:
    # advice for other set-ups: a CPU has few workers to offer, and step-counted runs have no epochs
    for message in (
        ".*does not have many workers.*",
        ".*isinstance.treespec, LeafSpec.*",
        ".*Checkpoint directory .* exists and is not empty.*",
        ".*You defined a `validation_step` but have no `val_dataloader`.*",
        ".*The number of training batches .* is smaller than the logging interval.*",
        ".*`max_epochs` was not set.*",
        ".*GPU available but not used.*",
        ".*Starting from v1.9.0, `tensorboardX`.*",
        ".*Cannot dispatch to fused.*",
        ".*callbacks used to create the checkpoint need to be provided.*",
        ".*WeightAveraging callback with a model that overrides the configure_model.*",  # refused in Stage
    ):
        warnings.filterwarnings("ignore", message=message)
