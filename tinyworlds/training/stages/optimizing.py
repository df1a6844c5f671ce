"""How a stage is optimized: by an optimizer and a schedule of its own, or by those that the user names."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from lightning.pytorch import Callback, LightningModule
from lightning.pytorch.callbacks import Timer
from lightning.pytorch.cli import ReduceLROnPlateau
from lightning.pytorch.trainer.states import TrainerFn

from tinyworlds.errors import ConfigError
from tinyworlds.models.base import Network
from tinyworlds.training.averaging import AveragedWeights
from tinyworlds.training.chosen import Chosen, StepAtValidation
from tinyworlds.training.optim import (
    build_optimizer,
    by_time,
    cosine_with_warmup,
    rates_as_asked,
    settings_of,
)
from tinyworlds.training.settings import TrainingSettings
from tinyworlds.training.strategies import FullySharded
from tinyworlds.training.trainer_parts import parts_of

CHOSEN_KEY = "chosen"
"""Under which a checkpoint notes an optimizer and a schedule that are not the stage's own."""


class Optimizing(LightningModule):
    """The half of a stage that steps its network; what is minimised, the other half says.

    Attributes:
        chosen: an optimizer and a schedule that the user names, in place of the stage's own.
    """

    name: ClassVar[str]
    network: Network
    settings: TrainingSettings
    counts_no_more: ClassVar[dict[str, tuple[str, ...]]] = {
        "optimizer": (
            "learning_rate",
            "weight_decay",
            "optimizer",
            "beta2",
            "warmup_fraction",
            "final_fraction",
        ),
        "lr_scheduler": ("warmup_fraction", "final_fraction"),
    }
    """Settings that a named optimizer, or schedule, leaves without a meaning."""

    def __init__(self) -> None:
        super().__init__()
        self.chosen = Chosen()
        self._resumed = False
        self._asked_rates: list[dict[str, Any]] = []
        self._plateau = StepAtValidation()

    def configure_optimizers(self) -> Any:
        """Return the optimizer and the schedule that the user named, else those of the stage."""
        optimizer: torch.optim.Optimizer
        if self.chosen.optimizer:
            optimizer = self.chosen.build_optimizer(p for p in self.network.parameters() if p.requires_grad)
        else:
            optimizer = self.build_optimizer()
        scheduler: Any = None
        if self.chosen.lr_scheduler:
            scheduler = self.chosen.build_scheduler(optimizer)
        elif not self.chosen.optimizer:
            scheduler = self.build_schedule(optimizer)
        self._asked_rates = settings_of(optimizer, rates_only=bool(self.chosen.lr_scheduler))
        if isinstance(scheduler, ReduceLROnPlateau):
            self._plateau.watch(scheduler)
        elif scheduler is not None:
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
        return {"optimizer": optimizer}

    def build_optimizer(self) -> torch.optim.Optimizer:
        """Return the stage's own optimizer."""
        scaled = getattr(self.trainer.precision_plugin, "scaler", None) is not None  # 16-mixed
        own = self.settings
        return build_optimizer(
            self.network, own.optimizer, own.learning_rate, own.weight_decay, own.beta2, fused=not scaled
        )

    def build_schedule(self, optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
        """Return the stage's own schedule: warm-up and cosine over all of training, by steps or by time."""
        own, total = self.settings, self._total_steps()
        timer = next((c for c in parts_of(self.trainer).callbacks if isinstance(c, Timer)), None)

        def factor(step: int) -> float:
            # the learning rate of step k; +1 so that the first step is not lost to a rate of 0
            progress = (step + 1) / total if total else 0.0
            remaining = timer.time_remaining() if timer is not None else None
            if timer is not None and remaining is not None:
                elapsed = timer.time_elapsed()
                progress = by_time(progress, elapsed / max(elapsed + remaining, 1e-9))
            if not total and remaining is None:
                return 1.0  # no end in sight: a constant rate
            return cosine_with_warmup(max(progress, 1e-6), own.warmup_fraction, own.final_fraction)

        return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)

    def on_train_start(self) -> None:
        """Where training goes on with other settings of the optimizer than before, let them count."""
        if not self._resumed or len(self.trainer.optimizers) != 1:
            return
        schedulers = [config.scheduler for config in self.trainer.lr_scheduler_configs]
        changed = rates_as_asked(self.trainer.optimizers[0], self._asked_rates, schedulers)
        if changed and self.trainer.is_global_zero:
            print(f"{self.name}: going on with {', '.join(changed)}")

    def _total_steps(self) -> float | None:
        if self.trainer.max_steps > 0:
            return self.trainer.max_steps
        if self.trainer.max_epochs is None or self.trainer.max_epochs < 0:
            return None
        total = self.trainer.estimated_stepping_batches
        return total if total < float("inf") else None

    def configure_callbacks(self) -> list[Callback]:
        """Return what averages weights, and what steps a schedule by what is measured, if asked for."""
        steps: list[Callback] = [self._plateau] if self.chosen.lr_scheduler else []
        decay = self.settings.ema_decay
        if decay > 0 and self.trainer.state.fn == TrainerFn.FITTING:
            if isinstance(self.trainer.strategy, FullySharded):
                raise ConfigError(
                    f"--model.ema_decay {decay:g} excludes --trainer.strategy fsdp: averaged "
                    "weights are not sharded; use ddp or ema_decay 0"
                )
            return [*steps, AveragedWeights(decay, self.trainer.strategy.root_device)]
        return steps

    def _check_goes_on(self, checkpoint: dict[str, Any], noted: Any) -> None:
        """Refuse the state of another optimizer, where training goes on with it."""
        fits = self._trainer is not None and self.trainer.state.fn == TrainerFn.FITTING
        line = self.chosen.check_goes_on(noted) if fits and checkpoint.get("optimizer_states") else ""
        if line and self.trainer.is_global_zero:
            print(f"{self.name}: {line}")
