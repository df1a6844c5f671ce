"""Loggers: rows grow columns and go on; one that fails is switched off."""

import csv
from pathlib import Path

import pytest
import torch

from tinyworlds.training.loggers import CSVRunLogger, SafeTensorBoardLogger


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


def test_a_failing_logger_is_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError("network down")

    logger = SafeTensorBoardLogger(str(tmp_path), name="x")
    monkeypatch.setattr(logger.experiment, "add_scalar", fail)
    with pytest.warns(UserWarning, match="is switched off"):
        logger.log_metrics({"a": 1.0}, 0)
    logger.log_metrics({"a": 1.0}, 1)
    logger.experiment.add_image("anything", None)
