"""The first logger of every run: it says where the version folder is, and writes the CSV file in it."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import warnings
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from tinyworlds.checkpoints.run_folder import version_of, versions
from tinyworlds.errors import StorageError
from tinyworlds.system.files import replacing


def version_folder(trainer: Trainer) -> Path:
    """Return the folder that a run writes to, as this process sees it.

    `trainer.log_dir` asks all processes, so that a process which asks alone waits for ever. Only the first
    process may write there: the others may see another number.
    """
    first = trainer.loggers[0] if trainer.loggers else None
    if isinstance(first, CSVLogger | TensorBoardLogger):
        return Path(first.log_dir)
    return Path((first.save_dir if first is not None else None) or trainer.default_root_dir)


class CSVRunLogger(CSVLogger):
    """Writes ``<run>/<stage>/version_N/metrics.csv``, one row per logged step, on disk at once.

    A resumed run goes on in its own file: rows from the resumed step on are dropped, since they are computed
    again. (Lightning's own logger deletes the file.) A disk that fails, a file that somebody removes, empties
    or changes costs a warning; rows that could not be written are kept until they can.

    Lightning asks its first logger where checkpoints and settings go, so this one is first, whatever loggers
    a user wants besides.

    Args:
        run: the run folder.
        stage: the stage's folder in it.
        version: N; None takes the next free one.
        file_name: name of the file in ``version_N``; None writes no rows.
    """

    def __init__(
        self,
        run: str | Path,
        stage: str,
        version: int | None = None,
        file_name: str | None = "metrics.csv",
    ) -> None:
        if version is None:
            taken = [version_of(folder) or 0 for folder in versions(run, stage)]
            version = max(taken, default=-1) + 1
        super().__init__(str(run), name=stage, version=version)
        self._file_name = file_name
        self._columns: list[str] = []
        self._waiting: list[dict[str, Any]] = []
        self._length = -1  # of the file as this logger left it, in bytes
        self._failing = False

    @property
    def experiment(self) -> Any:
        """Nothing: rows are written by this class itself."""
        return Silence()

    @property
    def metrics_file(self) -> Path:
        """The CSV file."""
        return Path(self.log_dir) / (self._file_name or "metrics.csv")

    @rank_zero_only
    def resume_at(self, step: int) -> None:
        """Drop the rows of step `step` and later (training resumes there)."""
        if self._file_name is not None and self.metrics_file.is_file():
            self._guarded(lambda: self._rewrite([row for row in self._rows() if int(row["step"]) < step]))

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace | None = None) -> None:
        """Do nothing: the run's ``config.yaml`` holds them."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Tensor | float], step: int | None = None) -> None:
        """Append one row, and those that are still waiting."""
        if self._file_name is None:
            return
        row = {"step": step, **{key: f"{float(v):.9g}" for key, v in metrics.items() if key != "epoch"}}
        self._waiting.append(row)
        self._guarded(self._append)

    @rank_zero_only
    def save(self) -> None:
        """Do nothing: every row is on disk already, if the disk takes any."""

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Try once more to write what is still waiting."""
        if self._waiting:
            self._guarded(self._append)

    def _guarded(self, write: Callable[[], None]) -> None:
        """Call `write`; a failing disk costs one warning until it works again, never the run."""
        try:
            write()
            self._failing = False
        except (OSError, StorageError) as failure:
            if not self._failing:
                self._failing = True
                warnings.warn(
                    f"{self.metrics_file} cannot be written ({failure}); training goes on, and its rows are "
                    "written once they can be",
                    stacklevel=4,
                )

    def _append(self) -> None:
        """Write the waiting rows to the end of the file, or write it anew where it is not as we left it."""
        found = self.metrics_file.stat().st_size if self.metrics_file.exists() else -1
        known = found == self._length and found > 0
        new = [key for row in self._waiting for key in row if key not in self._columns]
        if not known or new:
            rows = self._rows() if found > 0 else []
            if self._length > 0 and not known and not rows:
                warnings.warn(
                    f"{self.metrics_file} was removed or emptied while it was written; its earlier rows are "
                    "gone, and it goes on with the next",
                    stacklevel=5,
                )
            columns = (key for row in self._waiting for key in row)
            self._columns = list(dict.fromkeys([*self._columns, *columns]))
            self._rewrite([*rows, *self._waiting])
        else:
            self._write_at_end(found)
        self._waiting = []

    def _write_at_end(self, length: int) -> None:
        text = self._as_csv(self._waiting)
        try:
            with self.metrics_file.open("ab") as file:
                file.write(text)
        except OSError:  # a full disk takes half a row
            with contextlib.suppress(OSError):
                os.truncate(self.metrics_file, length)
            raise
        self._length = length + len(text)

    def _rows(self) -> list[dict[str, Any]]:
        """Return the rows of the file; a file without any that can be read is set aside."""
        try:
            with self.metrics_file.open(encoding="utf-8", newline="") as file:
                reader = csv.DictReader(file, strict=True)
                rows = list(reader)
                names = list(reader.fieldnames or [])
        except (UnicodeDecodeError, csv.Error):
            rows, names = [], ["?"]
        if names and "step" not in names:
            aside = self.metrics_file.with_suffix(".csv.damaged")
            self.metrics_file.replace(aside)
            warnings.warn(f"{self.metrics_file} held no rows of steps and is now {aside.name}", stacklevel=6)
            return []
        self._columns = list(dict.fromkeys([*names, *self._columns]))
        return [row for row in rows if (row["step"] or "").isdecimal() and None not in row]

    def _rewrite(self, rows: list[dict[str, Any]]) -> None:
        text = self._as_csv(rows, header=True)
        with replacing(self.metrics_file) as part:
            part.write_bytes(text)
        self._length = len(text)

    def _as_csv(self, rows: list[dict[str, Any]], header: bool = False) -> bytes:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self._columns)
        if header:
            writer.writeheader()
        writer.writerows(rows)
        return text.getvalue().encode()


class Silence:
    """Stands in for a logger's own object where there is none: any attribute, any call, nothing happens."""

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Do nothing."""
        return self
