"""What the three stages share: optimizer, schedule, logging, the seed of a step, what checkpoints say."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

import torch
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_warn

from tinyworlds.checkpoints.load import (
    META_KEY,
    SCHEMA_VERSION,
    check_stage,
    check_weights,
    info_of,
    network_weights,
)
from tinyworlds.checkpoints.own_networks import CLASS_KEY, check_config, own_class_path
from tinyworlds.checkpoints.run_folder import game_of
from tinyworlds.data.dataset import Batch
from tinyworlds.data.module import H5DataModule
from tinyworlds.data.trained_on import SPLIT_SETTINGS, TRAINED_ON_KEY, TrainedOn, read_trained_on
from tinyworlds.errors import CheckpointError, ConfigError, TrainingError
from tinyworlds.models.base import Network
from tinyworlds.models.fit import differences
from tinyworlds.models.registry import ALL_STAGES, network_class
from tinyworlds.nn.compiling import compile_network
from tinyworlds.training.settings import TrainingSettings
from tinyworlds.training.stages.optimizing import CHOSEN_KEY, Optimizing
from tinyworlds.training.strategies import shard
from tinyworlds.training.trainer_parts import parts_of

Losses = dict[str, torch.Tensor]


def warn_of_trained(data: Any, who: str, before: TrainedOn | None) -> None:
    """Warn when something was trained on frames that are held out here; `who` is it, with "was" or "were"."""
    if not isinstance(data, H5DataModule) or before is None:
        return
    trained, held_out = data.count_trained(before)
    if trained:
        then, now = (
            ", ".join(f"{name} {each.settings.get(name)}" for name in SPLIT_SETTINGS)
            for each in (before, data.trained_on())
        )
        rank_zero_warn(
            f"{who} trained on {trained:,} of the {held_out:,} frames that are held out here (then {then}; "
            f"now {now}): losses on them mean little, and `tinyworlds evaluate` leaves them out"
        )


class Stage(Optimizing):
    """One stage of training. Subclasses build the network and say what its losses are.

    One of your own is derived from one of the stages; see docs/extending.md.

    Args:
        network: the plain network to train.
        training: optimizer, schedule and averaging; subclasses take them one by one.
    """

    name: ClassVar[str]
    """Folder of the stage in a run, and its name in messages."""
    picture_callbacks: ClassVar[tuple[str, ...]] = ()
    """Names in `callbacks`, or paths, of those that show how it learns; cheap ones."""
    measures: ClassVar[tuple[str, ...]] = ("CodeUsage", "Throughput")
    """Names in `callbacks` of those that measure how training goes."""
    monitor: ClassVar[tuple[str, str]] = ("val/loss", "min")
    """What the best checkpoint is best in, and whether the least or the most is."""
    trainer_defaults: ClassVar[dict[str, Any]] = {}
    """What its Trainer does unless a config says otherwise, where others do otherwise."""
    predict_callbacks: ClassVar[tuple[str, ...]] = ()
    """Names or paths of those that write what it predicts; without one, it stays in memory."""
    datamodule_class: ClassVar[type[H5DataModule] | None] = None
    """What it is trained on, where that is not what others of the same name are."""

    def __init__(self, network: Network, training: TrainingSettings) -> None:
        super().__init__()
        self._check_network(network)
        self.network = network
        self.settings = training
        self._sharded = False
        self._trained_before: TrainedOn | None = None  # where training goes on

    def _check_network(self, network: Network) -> None:
        """Raise a ConfigError unless the network can take the place of ours, in checkpoints and in worlds."""
        ours: Any = network_class(self.name) if self.name in ALL_STAGES else Network
        if not isinstance(network, ours):
            raise ConfigError(f"{type(network).__name__} is no {ours.__name__}: derive it from that")
        check_config(network)

    def losses(self, batch: Batch) -> Losses:
        """Return scalars by name; "loss" is what is minimised, the others are logged."""
        raise NotImplementedError

    # ---- steps

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """One step on ``batch["frames"]`` [B, T, C, H, W] in [-1, 1] (or on codes, see DynamicsStage)."""
        losses = self.losses(batch)
        logged = (self.global_step + 1) % parts_of(self.trainer).log_every_n_steps == 0
        if logged or self.device.type == "cpu":  # asking a GPU at every step would make it wait
            self._check_finite(losses["loss"])
        if logged:
            rate = self.trainer.optimizers[0].param_groups[0]["lr"]
            values = {f"train/{key}": value.detach() for key, value in losses.items()}
            self.log_dict({**values, "train/learning_rate": rate}, batch_size=1)
        return losses["loss"]

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Log the mean of every loss as ``val/*``."""
        self._evaluate("val", batch)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Log the mean of every loss as ``test/*``."""
        self._evaluate("test", batch)

    def _evaluate(self, split: str, batch: Batch) -> None:
        values = {f"{split}/{key}": value for key, value in self.evaluation(batch).items()}
        size = next(iter(batch.values())).shape[0]
        self.log_dict(values, on_step=False, on_epoch=True, sync_dist=True, batch_size=size)

    def evaluation(self, batch: Batch) -> Losses:
        """Return what is logged in validation and test: the losses, unless a stage adds figures."""
        return self.losses(batch)

    def _check_finite(self, loss: torch.Tensor) -> None:
        if not torch.isfinite(loss):
            own = f"--model.learning_rate (now {self.settings.learning_rate:g})"
            raise TrainingError(
                f"the loss of {self.name} is {loss.item()} at step {self.global_step}; lower "
                f"{'--optimizer.lr' if self.chosen.optimizer else own} and go on with --ckpt_path last"
            )

    # ---- the same noise at step k, whatever happened before: what makes resume exact

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed torch from (seed, batch number, rank)."""
        loop = self.trainer.fit_loop.epoch_loop
        # after some resumes Lightning's counter for logging is one ahead or behind of the steps done
        loop._batches_that_stepped = self.global_step
        self._seed(loop.batch_progress.total.ready)

    def on_validation_batch_start(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Draw the same masks in every validation, so that its losses compare."""
        self._seed(-1 - batch_idx)

    def on_test_batch_start(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Draw the same masks in every test."""
        self._seed(-1 - batch_idx)

    def _seed(self, number: int) -> None:
        seed = int(os.environ.get("PL_GLOBAL_SEED", 0))
        # odd constants spread neighbouring numbers over the 63 bits a seed has
        mixed = (
            seed * 0x9E3779B97F4A7C15 + number * 0xBF58476D1CE4E5B9 + self.global_rank * 0x94D049BB133111EB
        )
        torch.manual_seed(mixed % 2**63)

    def prepare_predict(self, rollout: dict[str, Any]) -> int:
        """Take the settings of rollouts; return how many frames of a clip they need (0: any number does)."""
        return 0

    def setup(self, stage: str) -> None:
        """Compile the network, if asked."""
        if self.settings.compile:
            compile_network(self.network)

    def configure_model(self) -> None:
        """Shard the network, where the strategy is FSDP."""
        if self.device_mesh is not None and not self._sharded:
            shard(self.network, self.device_mesh["data_parallel"])
            self._sharded = True

    @classmethod
    def own_loggers(cls, folder: Path) -> list[Logger]:
        """Loggers that a stage has besides those of all; `folder` is the version folder of the run."""
        return []

    # ---- checkpoints

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: Any, *args: Any, **settings: Any) -> Any:
        """Build a stage as Lightning does, but from plain data unless told otherwise."""
        return super().load_from_checkpoint(checkpoint_path, *args, **{"weights_only": True, **settings})

    def checkpoint_meta(self) -> dict[str, Any]:
        """Return what a checkpoint says about itself: plain values only."""
        data = getattr(self.trainer, "datamodule", None)
        return {
            "schema_version": SCHEMA_VERSION,
            "stage": self.name,
            "network": self.network.config,
            **self._classes_meta(),
            "game": game_of(getattr(data, "game", None), getattr(data, "files", None)),
            "fps": getattr(data, "fps", None),
            "finished": self.trainer.fit_loop.done,
            **self._data_meta(data),
        }

    def _classes_meta(self) -> dict[str, Any]:
        """Names of classes that are not ours, and an optimizer that is not the stage's own."""
        kind, network = type(self), own_class_path(self.network)
        is_ours = kind.__module__.startswith("tinyworlds.")
        named = {
            "stage_class": None if is_ours else f"{kind.__module__}.{kind.__qualname__}",
            CLASS_KEY: network,
        }
        noted = {name: path for name, path in named.items() if path is not None}
        return {**noted, **({CHOSEN_KEY: self.chosen.to_plain()} if self.chosen else {})}

    def _data_meta(self, data: Any) -> dict[str, Any]:
        """What is trained on and what is held out; nothing for data modules other than ours."""
        if not isinstance(data, H5DataModule):
            return {}
        now = data.trained_on()
        return {TRAINED_ON_KEY: (now.after(self._trained_before) if self._resumed else now).to_plain()}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add our entry to Lightning's."""
        checkpoint[META_KEY] = self.checkpoint_meta()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of another stage or network, in plain words; keep what it was trained on."""
        info = info_of(checkpoint, "the checkpoint")
        check_stage("the checkpoint", info.stage, self.name)
        if "state_dict" in checkpoint:  # FSDP has taken it out already
            check_weights("the checkpoint", network_weights(checkpoint))
        theirs, ours = info.meta.get(CLASS_KEY), own_class_path(self.network)
        if theirs != ours:
            raise CheckpointError(
                f"the checkpoint is of {theirs or 'the usual network'}, this stage builds "
                f"{ours or 'the usual one'}: name the stage that it was trained with by --model.class_path"
            )
        unlike = differences(info.config, self.network.config)
        if unlike:
            values = ", ".join(
                f"{key} {theirs} there and {ours} here" for key, (theirs, ours) in unlike.items()
            )
            raise CheckpointError(
                f"the checkpoint does not fit the configuration: {values}; "
                "set --model.* as there, or start a new run"
            )
        self._check_goes_on(checkpoint, info.meta.get(CHOSEN_KEY))
        self._resumed, self._trained_before = True, read_trained_on(info.meta.get(TRAINED_ON_KEY))
        if self._trainer is not None and self._trained_before is not None:
            warn_of_trained(parts_of(self.trainer).datamodule, "these weights were", self._trained_before)
