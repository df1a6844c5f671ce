"""How a network is trained: what the three stages share, checked once, under keys without a group."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from tinyworlds.errors import ConfigError
from tinyworlds.training.optim import check_optimizer


@dataclass(frozen=True)
class TrainingSettings:
    """Optimizer, schedule (warm-up, then half a cosine), averaging, compiling.

    Args:
        learning_rate: peak learning rate.
        weight_decay: on weight matrices; biases and norms have none.
        warmup_fraction: share of training in which the learning rate rises from 0.
        final_fraction: learning rate at the end, as a share of the peak.
        optimizer: "adamw" or "muon".
        beta2: AdamW's decay of squared gradients; 0.95 learns faster in runs of a few hundred updates.
        ema_decay: decay of the averaged weights that are validated and saved; 0 switches averaging off.
        compile: compile the parts of the network with torch.compile.

    Raises:
        ConfigError: a setting is out of range.
    """

    learning_rate: float
    weight_decay: float = 0.01
    warmup_fraction: float = 0.05
    final_fraction: float = 0.01
    optimizer: str = "adamw"
    beta2: float = 0.999
    ema_decay: float = 0.0
    compile: bool = False

    def __post_init__(self) -> None:
        check_optimizer(self.optimizer)
        for name in ("warmup_fraction", "final_fraction", "beta2", "ema_decay", "learning_rate"):
            value, top = getattr(self, name), float("inf") if name == "learning_rate" else 1.0
            if not 0.0 <= value < top and not (name == "final_fraction" and value == 1.0):
                raise ConfigError(f"{name} must be at least 0 and below {top:g}, got {value:g}")


def flat_training(learning_rate: float) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Let a stage's constructor take the settings of its argument `training` one by one.

    jsonargparse would nest a dataclass: ``--model.training.learning_rate`` instead of
    ``--model.learning_rate``. It reads the signature and the docstring that the constructor gets here. What
    the constructor is given becomes the hyper-parameters of the stage.

    Args:
        learning_rate: the stage's default.
    """
    single = dict(inspect.signature(TrainingSettings, eval_str=True).parameters)
    single["learning_rate"] = single["learning_rate"].replace(default=learning_rate)

    def decorate(init: Callable[..., None]) -> Callable[..., None]:
        *own, _, network = inspect.signature(init).parameters.values()
        signature = inspect.Signature([*own, *single.values(), network])

        @wraps(init)
        def flat_init(self: Any, *args: Any, **kwargs: Any) -> None:
            bound = signature.bind(self, *args, **kwargs)
            bound.apply_defaults()
            _, *given = bound.arguments.items()
            settings = {**dict(given), **bound.arguments[network.name]}
            del settings[network.name]
            training = TrainingSettings(**{name: settings[name] for name in single})
            init(self, training=training, **{k: v for k, v in settings.items() if k not in single})
            self.save_hyperparameters(settings)

        flat_init.__signature__ = signature  # type: ignore[attr-defined]
        flat_init.__doc__ = TrainingSettings.__doc__
        return flat_init

    return decorate
