"""Loggers that training can rely on.

A CSV file that survives a kill and a resume; W&B and TensorBoard that never end a run because they fail.
"""

from __future__ import annotations

import csv
import importlib.util
import os
import warnings
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from tinyworlds.checkpoints.run_folder import version_of, versions
from tinyworlds.errors import MissingExtraError, StorageError
from tinyworlds.system.files import replacing


class CSVRunLogger(CSVLogger):
    """Writes ``<run>/<stage>/version_N/metrics.csv``, one row per logged step, on disk at once.

    A resumed run goes on in its own file: rows from the resumed step on are dropped, since they are computed
    again. (Lightning's own logger deletes the file.)

    Args:
        run: the run folder.
        stage: the stage's folder in it.
        version: N; None takes the next free one.
        file_name: name of the file in ``version_N``.
    """

    def __init__(
        self, run: str | Path, stage: str, version: int | None = None, file_name: str = "metrics.csv"
    ) -> None:
        if version is None:
            taken = [version_of(folder) or 0 for folder in versions(run, stage)]
            version = max(taken, default=-1) + 1
        super().__init__(str(run), name=stage, version=version)
        self._file_name = file_name
        self._columns: list[str] = []

    @property
    def experiment(self) -> Any:
        """Nothing: rows are written by this class itself."""
        return _Silence()

    @property
    def metrics_file(self) -> Path:
        """The CSV file."""
        return Path(self.log_dir) / self._file_name

    @rank_zero_only
    def resume_at(self, step: int) -> None:
        """Drop the rows of step `step` and later (training resumes there)."""
        if self.metrics_file.is_file():
            rows = self._rows()
            self._rewrite([row for row in rows if row["step"] and int(row["step"]) < step])

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace | None = None) -> None:
        """Do nothing: the run's ``config.yaml`` holds them."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Tensor | float], step: int | None = None) -> None:
        """Append one row; a failing disk costs the row and a warning, never the run."""
        row = {"step": step, **{key: f"{float(v):.9g}" for key, v in metrics.items() if key != "epoch"}}
        try:
            self._append(row)
        except (OSError, StorageError) as failure:
            warnings.warn(f"{self.metrics_file} was not written: {failure}", stacklevel=2)

    @rank_zero_only
    def save(self) -> None:
        """Do nothing: every row is on disk already."""

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Do nothing: every row is on disk already."""

    def _rows(self) -> list[dict[str, Any]]:
        with self.metrics_file.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            self._columns = list(reader.fieldnames or [])
            return list(reader)

    def _append(self, row: dict[str, Any]) -> None:
        rows = self._rows() if not self._columns and self.metrics_file.is_file() else None
        new = [key for key in row if key not in self._columns]
        if new:
            if rows is None:
                rows = self._rows() if self._columns else []
            self._columns += new
            self._rewrite(rows)
        with self.metrics_file.open("a", encoding="utf-8", newline="") as file:
            csv.DictWriter(file, self._columns).writerow(row)

    def _rewrite(self, rows: list[dict[str, Any]]) -> None:
        with replacing(self.metrics_file) as part, part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, self._columns)
            writer.writeheader()
            writer.writerows(rows)


class _Silence:
    """Stands in for a failed logger's own object: any attribute, any call, nothing happens."""

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self


class _NeverFails:
    """Mixin: the first failure of a logger is a warning, after which it is silent."""

    failed = False

    def _guard(self, action: str, *args: Any, **kwargs: Any) -> Any:
        if self.failed:
            return None
        try:
            return getattr(super(), action)(*args, **kwargs)
        except Exception as failure:
            self.failed = True
            name = type(self).__name__
            warnings.warn(f"{name} failed and is switched off for this run: {failure}", stacklevel=3)
            return None

    @property
    def experiment(self) -> Any:
        """The logger's own object, or one that swallows everything once the logger failed."""
        if self.failed:
            return _Silence()
        try:
            return super().experiment  # type: ignore[misc]
        except Exception as failure:
            self.failed = True
            warnings.warn(f"{type(self).__name__} is switched off for this run: {failure}", stacklevel=2)
            return _Silence()

    def log_metrics(self, *args: Any, **kwargs: Any) -> None:
        """Log, or warn once."""
        self._guard("log_metrics", *args, **kwargs)

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Log, or warn once."""
        self._guard("log_hyperparams", *args, **kwargs)

    def log_image(self, *args: Any, **kwargs: Any) -> None:
        """Log, or warn once."""
        self._guard("log_image", *args, **kwargs)

    def after_save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        """Tell the logger, or warn once."""
        self._guard("after_save_checkpoint", *args, **kwargs)

    def save(self) -> None:
        """Save, or warn once."""
        self._guard("save")

    def finalize(self, status: str) -> None:
        """Finish, or warn once."""
        self._guard("finalize", status)


class SafeWandbLogger(_NeverFails, WandbLogger):
    """W&B that cannot end a run."""


class SafeTensorBoardLogger(_NeverFails, TensorBoardLogger):
    """TensorBoard that cannot end a run."""


def wandb_logger(run: str | Path, stage: str, game: str) -> Logger | None:
    """Return a W&B logger, offline without an account; None (with a warning) when wandb is not installed."""
    if importlib.util.find_spec("wandb") is None:
        warnings.warn("--wandb ignored: wandb is not installed (pip install wandb)", stacklevel=2)
        return None
    Path(run).mkdir(parents=True, exist_ok=True)
    return SafeWandbLogger(
        project="tinyworlds", name=f"{game}-{stage}", save_dir=str(run), offline=_wandb_offline()
    )


def _wandb_offline() -> bool:
    mode = os.environ.get("WANDB_MODE", "")
    if mode:
        return mode == "offline"
    import wandb

    try:
        return not wandb.login(prompt=False)
    except Exception:
        return True


def tensorboard_logger(run: str | Path, stage: str, version: int | str) -> Logger:
    """Return a TensorBoard logger that writes into the same version folder.

    Raises:
        MissingExtraError: tensorboard is not installed.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise MissingExtraError('--tensorboard needs tensorboard: pip install "tinyworlds[tensorboard]"')
    return SafeTensorBoardLogger(str(run), name=stage, version=f"version_{version}", default_hp_metric=False)
