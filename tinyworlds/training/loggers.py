"""Loggers besides the CSV file: they never end a run because they fail."""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger

from tinyworlds.errors import MissingExtraError
from tinyworlds.training.run_logger import Silence
from tinyworlds.training.wandb_account import is_logged_in

_GUARDED = (
    "log_metrics",
    "log_hyperparams",
    "log_graph",
    "log_image",
    "after_save_checkpoint",
    "save",
    "finalize",
)


def never_failing(logger: Logger) -> Logger:
    """Return the very logger, now of a class whose first failure is a warning, after which it is silent.

    It stays an instance of its own class, which other code asks for.
    """
    kind = type(logger)
    guarded: dict[str, Any] = {name: _guard(getattr(kind, name)) for name in _GUARDED if hasattr(kind, name)}
    if hasattr(kind, "experiment"):
        guarded["experiment"] = property(_guard(lambda self: super(safe, self).experiment, Silence()))
    guarded["failed"] = False
    guarded["__reduce_ex__"] = lambda self, protocol: (_again, (kind, _state(self)))
    # another name: a configuration may name the class in short, and there must be one of that name
    safe: Any = type(f"NeverFailing{kind.__name__}", (kind,), guarded)
    logger.__class__ = safe
    return logger


def _state(logger: Logger) -> dict[str, Any]:
    """What is kept of a logger on its way to another process."""
    own = getattr(logger, "__getstate__", None)
    return dict(own()) if own is not None else dict(vars(logger))


def _again(kind: type[Logger], state: dict[str, Any]) -> Logger:
    logger = kind.__new__(kind)
    logger.__dict__.update(state)
    return never_failing(logger)


def _guard(call: Callable[..., Any], otherwise: Any = None) -> Callable[..., Any]:
    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.failed:
            return otherwise
        try:
            return call(self, *args, **kwargs)
        except Exception as failure:
            self.failed = True
            name, reason = type(self).__bases__[0].__name__, " ".join(str(failure).split())[:300]
            warnings.warn(f"{name} failed and is switched off for this run: {reason}", stacklevel=3)
            return otherwise

    return guarded


class RunWandbLogger(WandbLogger):
    """W&B whose run is kept on disk when W&B cannot be reached, and ends with the training.

    Lightning's `offline` sets a variable that wandb may have read already; the mode is told to `wandb.init`.
    """

    @property
    def experiment(self) -> Any:
        """The W&B run."""
        try:
            return super().experiment
        except Exception as failure:
            if self._wandb_init.get("mode") != "online":
                raise
            self._wandb_init["mode"] = "offline"
            reason = " ".join(str(failure).split())[:200]
            warnings.warn(
                f"W&B cannot be reached ({reason}): this run is logged offline, `wandb sync` sends it later",
                stacklevel=2,
            )
            return super().experiment

    def finalize(self, status: str) -> None:
        """End the W&B run, so that the next one in this process is another."""
        super().finalize(status)
        if self._experiment is not None:
            self._experiment.finish(exit_code=0 if status == "success" else 1)
            self._experiment = None


def wandb_logger(run: str | Path, stage: str, game: str) -> Logger | None:
    """Return a W&B logger, offline without an account; None (with a warning) when wandb is not installed."""
    if importlib.util.find_spec("wandb") is None:
        warnings.warn("--wandb ignored: wandb is not installed (pip install wandb)", stacklevel=2)
        return None
    Path(run).mkdir(parents=True, exist_ok=True)
    mode = os.environ.get("WANDB_MODE") or ("online" if is_logged_in() else "offline")
    return never_failing(
        RunWandbLogger(project="tinyworlds", name=f"{game}-{stage}", save_dir=str(run), mode=mode)
    )


def tensorboard_logger(run: str | Path, stage: str, version: int | str) -> Logger:
    """Return a TensorBoard logger that writes into the same version folder.

    Raises:
        MissingExtraError: tensorboard is not installed.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise MissingExtraError('--tensorboard needs tensorboard: pip install "tinyworlds[tensorboard]"')
    return never_failing(
        TensorBoardLogger(str(run), name=stage, version=f"version_{version}", default_hp_metric=False)
    )
