"""``tinyworlds fit|validate|test|predict``: LightningCLI with our layout, checkpoints and one-line errors.

What is added to LightningCLI: the run folder and its version, ``--ckpt_path last``, partners of the
dynamics, frame sizes handed from the data to the network, precision and strategy that suit the machine, and
no silent winners: the hyper-parameters inside a checkpoint never overrule the command line.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from jsonargparse import Namespace
from lightning.pytorch import Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from callbacks.find_batch_size import FindBatchSize, check_machine
from callbacks.saving import StepCheckpoint
from tinyworlds.checkpoints.lightning_io import AtomicCheckpointIO
from tinyworlds.checkpoints.run_folder import lock_file
from tinyworlds.errors import ConfigError, TinyWorldsError
from tinyworlds.fit.messages import built_from_settings
from tinyworlds.fit.own_classes import import_classes, is_of_the_user
from tinyworlds.fit.parser import OneLineParser
from tinyworlds.fit.resolve import Resolved
from tinyworlds.fit.subcommands import SUBCOMMANDS, SettingsOfRun
from tinyworlds.fit.unused import asked_settings, of_no_effect
from tinyworlds.fit.words import config_files_in, with_read_configs
from tinyworlds.models.registry import ALL_STAGES, named
from tinyworlds.system.locks import locked
from tinyworlds.system.shell import at_home
from tinyworlds.system.user_code import in_one_line
from tinyworlds.training.chosen import Chosen
from tinyworlds.training.peers import watched
from tinyworlds.training.precision import check_precision
from tinyworlds.training.stages import Stage, VideoTokenizerStage
from tinyworlds.training.strategies import pick_accelerator, pick_strategy
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
    """LightningCLI for every stage; what it is trained on, the table of stages says."""

    resolved: Resolved

    def __init__(self, subcommand: str, argv: Sequence[str], parent: int | None = None) -> None:
        # Lightning calls what newer versions of jsonargparse are about to drop (hence the bound below 5)
        os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")
        self.command = SUBCOMMANDS[subcommand]
        self._config_files = config_files_in(argv)
        self._typed = frozenset(word.partition("=")[0][2:] for word in argv if word.startswith("--"))
        self._parent = parent
        words = with_read_configs(argv)
        stage = import_classes(words) or VideoTokenizerStage
        self._spec = ALL_STAGES[stage.name]
        self._asked = asked_settings(words)
        with ExitStack() as self._held:
            super().__init__(
                Stage,
                stage.datamodule_class or named(self._spec.data),
                subclass_mode_model=True,
                parser_class=OneLineParser,
                auto_configure_optimizers=False,
                load_from_checkpoint_support=False,
                save_config_callback=SettingsOfRun if self.command.trains else None,
                save_config_kwargs={"overwrite": True},
                seed_everything_default=0,
                trainer_defaults={**TRAINER_DEFAULTS, **stage.trainer_defaults},
                args=[subcommand, *words],
            )

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]  # static in Lightning
        """Return the one that is run: a parser of each costs most of what a short run takes to start."""
        return {self.command.name: LightningCLI.subcommands()[self.command.name]}

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        """Give every subcommand the names of the YAML files, for its messages."""
        parser = super().init_parser(**kwargs)
        assert isinstance(parser, OneLineParser)
        parser.config_files, parser.typed = self._config_files, self._typed
        return parser

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse the given words (Lightning warns when the process has arguments of its own, as tests do)."""
        assert isinstance(parser, OneLineParser)
        parser.stage_parsers = tuple(self._subcommand_parsers.values())
        self.config = parser.parse_args(args)
        for key, value in self.config.items():
            self.config[key] = at_home(value)

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
        parser.add_argument("--scope", action="store_true", help="log for Scope too, the agent's own viewer")
        parser.add_argument(
            "--pictures", type=bool, default=True, help="draw pictures and measure code usage while training"
        )
        parser.add_argument(
            "--find_batch_size",
            type=bool,
            default=False,
            help="fit: find the largest data.batch_size that the GPU's memory holds; accumulate less for it",
        )
        parser.add_argument(
            "--follow_cores",
            type=bool,
            default=True,
            help="fit on a CPU: use as many threads as are fastest beside other programs",
        )
        parser.add_class_arguments(StepCheckpoint, "checkpoint", instantiate=False)
        parser.add_class_arguments(RolloutOptions, "rollout", instantiate=False)
        parser.add_optimizer_args()
        parser.add_lr_scheduler_args()

    def before_instantiate_classes(self) -> None:
        """Fill in what depends on the data, the run folder and the machine."""
        torch.set_float32_matmul_precision("high")  # TF32 where the GPU has it
        resolve = named(self._spec.resolver)
        self.resolved = resolve(self.config[self.command.name], self.command.name)
        self.config[self.command.name] = self.resolved.config
        if _is_first_process():
            for line in of_no_effect(
                self._asked, self.command.name, self.resolved.stage, self.resolved.config
            ):
                print(line)

    def instantiate_classes(self) -> None:
        """Build data, stage and trainer; the stage by hand, so that its errors arrive as they are raised."""
        without_model = self.config.clone()
        without_model[self.command.name].model = None
        with built_from_settings():
            self.config_init = self.parser.instantiate_classes(without_model)
        self.datamodule = self._get(self.config_init, "data")
        self.model = self._build_stage()
        if self.command.trains and _is_first_process() and not self.resolved.config.trainer.fast_dev_run:
            run, stage = self.resolved.run, self.resolved.stage.name
            lock = locked(lock_file(run, stage), f"training {run / stage}", wait=False, parent=self._parent)
            self._held.enter_context(lock)  # to the end of training
        self.trainer = self.instantiate_trainer()

    def _build_stage(self) -> Stage:
        """Build the stage; where it is the user's own, an error names the line in the user's file."""
        kind, config = self.resolved.stage, self.resolved.config
        arguments = config.model.init_args.as_dict()
        own = is_of_the_user(kind)
        try:
            model = kind(**arguments)
        except TinyWorldsError:
            raise
        except Exception as failure:
            if not own:
                raise
            raise ConfigError(f"{kind.__name__} cannot be built: {in_one_line(failure)}") from failure
        if own:  # ours tell themselves
            model.save_hyperparameters({**model.hparams, **arguments})
        named = (_as_dict(self._get(self.config_init, key)) for key in ("optimizer", "lr_scheduler"))
        model.chosen = Chosen(*named)
        self._check_chosen(model)
        return model

    def _check_chosen(self, model: Stage) -> None:
        """Raise a ConfigError where an optimizer is named and the stage makes its own, whatever is named."""
        makes_own = type(model).configure_optimizers is not Stage.configure_optimizers
        if model.chosen and (makes_own or not model.automatic_optimization):
            option = "--optimizer" if model.chosen.optimizer else "--lr_scheduler"
            why = "configure_optimizers of its own" if makes_own else "automatic_optimization False"
            raise ConfigError(
                f"{option} has no effect on {type(model).__name__}, which has {why}: leave the option out"
            )

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the Trainer with our loggers, callbacks and checkpoint plugin."""
        config = self._get(self.config_init, "trainer")
        resolved = self.resolved
        check_precision(config.get("precision"))
        kwargs["logger"] = self.command.loggers(resolved, config.get("logger"))
        if config.get("default_root_dir") is None:
            kwargs["default_root_dir"] = str(resolved.run)
        kwargs["accelerator"] = pick_accelerator(config.get("accelerator"))
        kwargs["strategy"] = pick_strategy(*(config.get(key) for key in STRATEGY_SETTINGS))
        kwargs["plugins"] = [*_as_list(config.get("plugins")), AtomicCheckpointIO(resolved.stage.name)]
        kwargs["callbacks"] = [
            *_as_list(config.get("callbacks")),
            *self.command.added_callbacks(resolved, {**config, **kwargs}),
        ]
        with built_from_settings():
            trainer = super().instantiate_trainer(**kwargs)
        check_precision(trainer.precision)  # a plugin may have changed it
        if any(isinstance(callback, FindBatchSize) for callback in kwargs["callbacks"]):
            check_machine(trainer)  # before other processes are started and data prepared
        return trainer

    def _run_subcommand(self, subcommand: str) -> None:
        """Run it; several processes watch each other."""
        with watched(self.trainer):
            super()._run_subcommand(subcommand)

    def before_predict(self) -> None:
        """Let the stage say how long the clips must be."""
        frames = self.model.prepare_predict(self.resolved.config.rollout.as_dict())
        if frames:
            self.datamodule.predict_frames = max(self.datamodule.predict_frames, frames)

    def after_fit(self) -> None:
        """Say where things are."""
        saver = next((c for c in self.trainer.checkpoint_callbacks if isinstance(c, StepCheckpoint)), None)
        if saver is not None and saver.last is not None and self.trainer.is_global_zero:
            steps = f"{self.trainer.global_step:,} steps done"
            print(f"{self.resolved.stage.name}: {steps}, saved in {saver.folder}")


def _is_first_process() -> bool:
    """Whether this is the process of a training that the others work for."""
    ranks = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID")
    return not any(os.environ.get(rank, "0").strip("0") for rank in ranks)


def _as_dict(value: Any) -> dict[str, Any] | None:
    """A class and its arguments as plain values; None where none is named."""
    return value.as_dict() if isinstance(value, Namespace) else value


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
