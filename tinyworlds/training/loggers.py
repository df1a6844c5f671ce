"""Loggers besides the CSV file: TensorBoard and W&B alike, and they never end a run because they fail.

Both have the name of the version folder and write into it, are told all settings, take the pictures, and go
on in the same run where training goes on.
"""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only
from PIL import Image

from tinyworlds.errors import MissingExtraError
from tinyworlds.system.files import write_text
from tinyworlds.training.run_logger import Silence
from tinyworlds.training.wandb_account import is_logged_in

_GUARDED = (
    "log_metrics",
    "log_hyperparams",
    "log_graph",
    "log_image",
    "log_settings",
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


class RunTensorBoardLogger(TensorBoardLogger):
    """TensorBoard in a version folder; figures of the steps that come again after a resume are hidden.

    Args:
        folder: the version folder, in that of the stage, in that of the run.
        resumed_step: updates already done there; None for a new run.
    """

    def __init__(self, folder: Path, resumed_step: int | None = None) -> None:
        again: dict[str, Any] = {} if resumed_step is None else {"purge_step": resumed_step}
        run, stage, version = folder.parent.parent, folder.parent.name, folder.name
        super().__init__(str(run), name=stage, version=version, default_hp_metric=False, **again)

    @rank_zero_only
    def log_settings(self, settings: Mapping[str, Any], figure: str) -> None:
        """Show settings as text and in the table of hyper-parameters, beside the last value of a figure."""
        from torch.utils.tensorboard.summary import hparams

        flat = flat_settings(settings)
        lines = "\n".join(f"    {name}: {value}" for name, value in flat.items())
        self.experiment.add_text("settings", lines, 0)
        for part in hparams(flat, {figure: 0.0}):  # the value comes from what is logged
            self.experiment._get_file_writer().add_summary(part)

    @rank_zero_only
    def log_image(self, key: str, images: Sequence[str], step: int | None = None) -> None:
        """Show the first of some pictures on disk."""
        pixels = np.asarray(Image.open(images[0]).convert("RGB"))
        self.experiment.add_image(key, pixels, step, dataformats="HWC")


class RunWandbLogger(WandbLogger):
    """W&B whose run is kept on disk when W&B cannot be reached, and ends with the training.

    Its id lies in the version folder, so that training which goes on there is the same run. Lightning's
    `offline` sets a variable that wandb may have read already; the mode is told to `wandb.init`. Of what the
    environment says (``WANDB_PROJECT``, ``WANDB_NAME``, ``WANDB_RUN_ID`` as a sweep sets it) nothing is
    overruled.

    Args:
        folder: the version folder, in that of the stage, in that of the run.
        game: of the run.
        mode: "online", "offline" or another of `wandb.init`.
    """

    def __init__(self, folder: Path, game: str, mode: str) -> None:
        asked = os.environ.get
        name = asked("WANDB_NAME") or f"{game}/{folder.parent.name}/{folder.name}"
        group = asked("WANDB_RUN_GROUP") or folder.parent.parent.name
        project = asked("WANDB_PROJECT") or "tinyworlds"
        super().__init__(name=name, project=project, save_dir=str(folder), group=group, mode=mode)
        self._folder = folder

    @property
    def experiment(self) -> Any:
        """The W&B run."""
        if self._experiment is None and getattr(rank_zero_only, "rank", 0) == 0:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._id = self._wandb_init["id"] = os.environ.get("WANDB_RUN_ID") or self._noted_id()
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

    def _noted_id(self) -> str:
        note = self._folder / "wandb_run.txt"
        noted = note.read_text(encoding="utf-8", errors="replace").strip() if note.is_file() else ""
        if not re.fullmatch(r"[a-z0-9]{8,32}", noted):
            noted = secrets.token_hex(4)
            write_text(note, f"{noted}\n")
        return noted

    @rank_zero_only
    def log_settings(self, settings: Mapping[str, Any], figure: str) -> None:
        """Keep settings as the run's config, beside the last value of a figure, which W&B keeps anyway."""
        self.experiment.config.update(flat_settings(settings), allow_val_change=True)

    def finalize(self, status: str) -> None:
        """End the W&B run, so that the next one in this process is another."""
        super().finalize(status)
        if self._experiment is not None:
            self._experiment.finish(exit_code=0 if status == "success" else 1)
            self._experiment = None


def flat_settings(settings: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return nested settings by dotted names, as on the command line; lists and None as text."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        name = above if key == "init_args" else f"{above}.{key}" if above else str(key)
        if isinstance(value, Mapping):
            flat |= flat_settings(value, name)
        else:
            flat[name] = value if isinstance(value, str | int | float) else str(value)
    return flat


def wandb_logger(folder: Path, game: str) -> Logger:
    """Return a W&B logger for a version folder, offline without an account.

    Raises:
        MissingExtraError: wandb is not installed.
    """
    if importlib.util.find_spec("wandb") is None:
        raise MissingExtraError('--wandb needs wandb: pip install "tinyworlds[wandb]"')
    mode = os.environ.get("WANDB_MODE") or ("online" if is_logged_in() else "offline")
    return never_failing(RunWandbLogger(folder, game, mode))


def tensorboard_logger(folder: Path, resumed_step: int | None = None) -> Logger:
    """Return a TensorBoard logger for a version folder.

    Args:
        folder: where it writes.
        resumed_step: updates already done there; None for a new run.

    Raises:
        MissingExtraError: tensorboard is not installed.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise MissingExtraError('--tensorboard needs tensorboard: pip install "tinyworlds[tensorboard]"')
    return never_failing(RunTensorBoardLogger(folder, resumed_step))
