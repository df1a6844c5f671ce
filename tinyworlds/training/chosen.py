"""``--optimizer`` and ``--lr_scheduler``: those that the user names in place of a stage's own.

As with LightningCLI, an optimizer without a schedule keeps its learning rate. Schedules count optimizer steps
here, not epochs; one that waits for a figure to stop improving looks at it after each validation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.cli import ReduceLROnPlateau, instantiate_class
from lightning.pytorch.trainer.states import TrainerFn
from torch import nn
from torch.optim import Optimizer

from tinyworlds.errors import ConfigError, TinyWorldsError, did_you_mean, listed
from tinyworlds.system.user_code import in_one_line

Spec = Mapping[str, Any]
"""A class as the parser tells it: ``class_path`` and ``init_args``."""

OWN = "the stage's own"


@dataclass(frozen=True)
class Chosen:
    """What was named; None is the stage's own.

    Attributes:
        optimizer: of a subclass of `torch.optim.Optimizer`.
        lr_scheduler: of a subclass of `torch.optim.lr_scheduler.LRScheduler`, or Lightning's
            `ReduceLROnPlateau`, which names the figure that it monitors.
    """

    optimizer: Spec | None = None
    lr_scheduler: Spec | None = None

    def __bool__(self) -> bool:
        return bool(self.optimizer or self.lr_scheduler)

    def build_optimizer(self, parameters: Iterable[nn.Parameter]) -> Optimizer:
        """Return the optimizer over these parameters; errors as :meth:`build_scheduler`."""
        return _build("optimizer", self.optimizer, list(parameters))

    def build_scheduler(self, optimizer: Optimizer) -> Any:
        """Return the schedule of an optimizer.

        Raises:
            ConfigError: the class cannot be built with these arguments.
        """
        return _build("lr_scheduler", self.lr_scheduler, optimizer)

    def to_plain(self) -> dict[str, Any]:
        """Return what a checkpoint notes of it, plain values only; {} for a stage's own."""
        named = {"optimizer": self.optimizer, "lr_scheduler": self.lr_scheduler}
        return {name: _plain(spec) for name, spec in named.items() if spec}

    def check_goes_on(self, noted: Any) -> str:
        """Compare with what a checkpoint notes; return a line about settings that stay as they were there.

        Raises:
            ConfigError: it was trained with another optimizer or schedule, whose state this one cannot take.
        """
        noted = noted if isinstance(noted, dict) else {}
        now = self.to_plain()
        for name in ("optimizer", "lr_scheduler"):
            then, ours = (_class(each.get(name)) for each in (noted, now))
            if then != ours:
                raise ConfigError(
                    f"the checkpoint was trained with --{name} {then}, this is {ours}, which cannot go on "
                    "with its state: name the former, or start a new run without --ckpt_path"
                )
        then, ours = (each.get("lr_scheduler", {}).get("init_args", {}) for each in (noted, now))
        unlike = [f"{key} {then.get(key)}" for key in {**then, **ours} if then.get(key) != ours.get(key)]
        return f"--lr_scheduler goes on as in the checkpoint: {', '.join(unlike)}" if unlike else ""


def _class(spec: Any) -> str:
    return str(spec.get("class_path")) if isinstance(spec, dict) else OWN


def _plain(spec: Spec) -> dict[str, Any]:
    arguments = spec.get("init_args") or {}
    return {"class_path": str(spec["class_path"]), "init_args": {k: _value(v) for k, v in arguments.items()}}


def _value(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_value(each) for each in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _build(option: str, spec: Spec | None, argument: Any) -> Any:
    assert spec is not None
    try:
        return instantiate_class((argument,), {"init_args": {}, **spec})
    except TinyWorldsError:
        raise
    except Exception as failure:  # of a class that is not ours, with whatever arguments
        name = str(spec["class_path"]).rpartition(".")[2]
        raise ConfigError(f"--{option}: {name} cannot be built: {in_one_line(failure)}") from failure


class StepAtValidation(Callback):
    """Steps a `ReduceLROnPlateau` after each validation, and keeps its state in checkpoints.

    Lightning would step it with every batch or epoch, whether there is a new figure or not.
    """

    def __init__(self) -> None:
        self._scheduler: ReduceLROnPlateau | None = None
        self._restored: dict[str, Any] | None = None

    def watch(self, scheduler: ReduceLROnPlateau) -> None:
        """Take the schedule that is to be stepped."""
        self._scheduler = scheduler

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on as the checkpoint has it."""
        if self._scheduler is not None and self._restored is not None:
            self._scheduler.load_state_dict(self._restored)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the figure.

        Raises:
            ConfigError: nothing of that name is measured.
        """
        if self._scheduler is None or trainer.sanity_checking or trainer.state.fn != TrainerFn.FITTING:
            return
        name, figures = self._scheduler.monitor, trainer.callback_metrics
        if name not in figures:
            raise ConfigError(
                f"--lr_scheduler.monitor {name} is not measured.{did_you_mean(name, figures)} "
                f"There are {listed(sorted(figures))}"
            )
        self._scheduler.step(float(figures[name]))

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the schedule."""
        return dict(self._scheduler.state_dict()) if self._scheduler is not None else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep a state until there is a schedule."""
        self._restored = state_dict or None
