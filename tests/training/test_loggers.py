"""Loggers: rows grow columns and go on, whatever happens to the file; one that fails is switched off."""

import csv
import errno
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from lightning.pytorch.loggers import CSVLogger, Logger, WandbLogger
from own_logger import Kept

from tinyworlds.training import loggers
from tinyworlds.training.loggers import never_failing, wandb_logger
from tinyworlds.training.run_logger import CSVRunLogger


def rows(logger: CSVRunLogger) -> list[dict[str, str]]:
    with logger.metrics_file.open() as file:
        return [*csv.DictReader(file)]


def test_csv_grows_columns_and_goes_on(tmp_path: Path) -> None:
    logger = CSVRunLogger(tmp_path, "dynamics")
    logger.log_metrics({"a": 1.0, "epoch": 0}, 0)
    logger.log_metrics({"b": torch.tensor(2.5)}, 1)
    again = CSVRunLogger(tmp_path, "dynamics", version=logger.version)
    again.resume_at(1)
    again.log_metrics({"a": 3.0}, 1)
    assert rows(again) == [{"step": "0", "a": "1", "b": ""}, {"step": "1", "a": "3", "b": ""}]
    assert CSVRunLogger(tmp_path, "dynamics").version == logger.version + 1


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def garbled(file: Path) -> None:
    file.write_bytes(b"\xff\x00\x01 no csv")


def of_another(file: Path) -> None:
    file.write_text("time,cost\n1,2\n")


GONE = [Path.unlink, lambda file: shutil.rmtree(file.parent), emptied, garbled, of_another]


@pytest.mark.parametrize("hurt", GONE, ids=["removed", "folder_removed", "emptied", "garbled", "another"])
def test_a_file_that_is_hurt_while_it_is_written(tmp_path: Path, hurt: Callable[[Path], None]) -> None:
    logger = CSVRunLogger(tmp_path, "dynamics")
    logger.log_metrics({"a": 1.0}, 0)
    hurt(logger.metrics_file)
    with pytest.warns(UserWarning, match=r"metrics\.csv"):
        logger.log_metrics({"a": 2.0}, 1)
    logger.log_metrics({"a": 3.0}, 2)
    logger.log_metrics({"a": 4.0, "b": 5.0}, 3)
    assert [row["step"] for row in rows(logger)] == ["1", "2", "3"]
    assert rows(logger)[-1] == {"step": "3", "a": "4", "b": "5"}
    set_aside = logger.metrics_file.with_suffix(".csv.damaged")
    assert set_aside.exists() == (hurt in (garbled, of_another)), "what is not ours is kept"


@pytest.mark.parametrize("hurt", [emptied, garbled], ids=["emptied", "garbled"])
@pytest.mark.filterwarnings("ignore:.*held no rows")
def test_going_on_with_a_file_that_was_hurt_before(tmp_path: Path, hurt: Callable[[Path], None]) -> None:
    logger = CSVRunLogger(tmp_path, "dynamics")
    logger.log_metrics({"a": 1.0}, 0)
    hurt(logger.metrics_file)
    again = CSVRunLogger(tmp_path, "dynamics", version=logger.version)
    again.resume_at(1)
    again.log_metrics({"a": 2.0}, 1)
    assert rows(again) == [{"step": "1", "a": "2"}]


def test_rows_wait_for_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One warning; half a row that fitted is taken back; later the rows are there, in order."""
    logger = CSVRunLogger(tmp_path, "dynamics")
    logger.log_metrics({"a": 1.0}, 0)
    real = Path.open

    class Full:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *args):
            self.file.close()

        def write(self, text):
            self.file.write(text[: len(text) // 2])
            self.file.flush()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda self, mode="r", **more: Full(real(self, mode, **more)))
        with pytest.warns(UserWarning, match="training goes on"):
            logger.log_metrics({"a": 2.0}, 1)
        logger.log_metrics({"a": 3.0}, 2)  # told once: here a warning is an error
    assert [row["step"] for row in rows(logger)] == ["0"], "no half row"
    logger.log_metrics({"a": 4.0}, 3)
    assert [row["a"] for row in rows(logger)] == ["1", "2", "3", "4"]


def test_rows_wait_for_a_file_that_may_be_written(tmp_path: Path) -> None:
    logger = CSVRunLogger(tmp_path, "dynamics")
    logger.metrics_file.mkdir(parents=True)  # not even the super-user writes to a folder
    with pytest.warns(UserWarning, match="cannot be written"):
        logger.log_metrics({"a": 1.0}, 0)
    logger.metrics_file.rmdir()
    logger.finalize("success")
    assert rows(logger) == [{"step": "0", "a": "1"}]


class Broken(CSVLogger):
    """Fails wherever it can."""

    @property
    def experiment(self):
        raise OSError("network down")

    def log_metrics(self, metrics, step=None):
        raise OSError("network down")

    log_hyperparams = save = finalize = log_metrics


def test_a_failing_logger_is_switched_off(tmp_path: Path) -> None:
    logger = never_failing(Broken(tmp_path))
    with pytest.warns(UserWarning, match="Broken failed and is switched off for this run: network down"):
        logger.log_metrics({"a": 1.0}, 0)
    logger.log_metrics({"a": 1.0}, 1)
    logger.experiment.add_image("anything", None)
    logger.save()
    logger.finalize("success")
    assert isinstance(logger, Broken), "it is still what its users ask for"
    logger = never_failing(Broken(tmp_path))
    with pytest.warns(UserWarning, match="switched off"):
        assert logger.experiment.add_image("anything", None) is not None


@pytest.mark.parametrize("make", [lambda folder: CSVLogger(folder), lambda folder: Kept(folder)])
def test_a_guarded_logger_logs_and_travels(make: Callable[[Path], Logger], tmp_path: Path) -> None:
    kind = type(make(tmp_path))
    logger = pickle.loads(pickle.dumps(never_failing(make(tmp_path))))
    logger.log_metrics({"a": 1.0}, 0)
    logger.save()
    assert isinstance(logger, kind)
    assert not logger.failed
    assert next(tmp_path.rglob("*.csv")).read_text().count("1.0") == 1


@pytest.mark.parametrize(
    ("variables", "mode"),
    [
        ({}, "offline"),
        ({"WANDB_API_KEY": "x" * 40}, "online"),
        ({"WANDB_MODE": "disabled"}, "disabled"),
        ({"WANDB_MODE": "offline", "WANDB_API_KEY": "x" * 40}, "offline"),
        ({"WANDB_MODE": "online"}, "online"),
    ],
)
def test_wandb_is_told_its_mode(
    variables: dict[str, str], mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"NETRC": str(tmp_path / "none"), **variables}.items():
        monkeypatch.setenv(name, value)
    logger = wandb_logger(tmp_path / "run" / "dynamics" / "version_0", "doom")
    assert isinstance(logger, WandbLogger)
    assert logger._wandb_init["mode"] == mode


def test_wandb_that_cannot_be_reached_is_kept_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb = pytest.importorskip("wandb")
    modes = []

    def init(mode: str, **settings: object) -> object:
        modes.append(mode)
        if mode == "online":
            raise wandb.errors.CommError("connection refused")
        return loggers.Silence()

    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setattr(wandb, "init", init)
    logger = wandb_logger(tmp_path / "run" / "dynamics" / "version_0", "doom")
    with pytest.warns(UserWarning, match="logged offline"):
        logger.log_metrics({"a": 1.0}, 0)
    logger.log_metrics({"a": 1.0}, 1)
    logger.finalize("success")
    assert modes == ["online", "offline"]
