"""Weights from elsewhere: sound ones make a world, others are named with what is wrong."""

import shutil
from pathlib import Path

import pytest
from paths import PARITY

from tinyworlds.doctor.files import check_runs, check_weights

PUBLIC = PARITY / "pong_small"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PUBLIC, tmp_path / "models" / "pong")).parent


def statuses(models: Path, runs: Path) -> list[tuple[str, str]]:
    return [(finding.status, finding.text) for finding in check_weights(str(models), str(runs))]


def truncate(folder: Path) -> None:
    path = folder / "model_state_dict.pt"
    path.write_bytes(path.read_bytes()[:900])


def test_sound_weights_make_a_world(models: Path, tmp_path: Path) -> None:
    ((status, text),) = statuses(models, tmp_path / "none")
    assert status == "ok"
    assert "pong: makes a world (video_tokenizer_step_300" in text
    assert statuses(models / "pong", tmp_path / "none")[0][0] == "ok"  # also as the folder itself


def test_a_damaged_one_is_named(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models / "pong" / "dynamics_step_300", models / "pong" / "dynamics_step_400")
    truncate(models / "pong" / "dynamics_step_400")
    (first, why), (second, _) = statuses(models, tmp_path / "none")
    assert (first, second) == ("warning", "ok")
    assert "dynamics_step_400" in why
    assert "truncated" in why
    truncate(models / "pong" / "dynamics_step_300")
    assert [status for status, _ in statuses(models, tmp_path / "none")] == ["warning", "warning", "failure"]


def test_those_among_the_runs_are_weights_and_no_runs(tmp_path: Path) -> None:
    results = tmp_path / "runs" / "2025_09_17"
    for stage in ("video_tokenizer", "latent_actions", "dynamics"):
        folder = results / stage / "checkpoints" / f"{stage}_step_300"
        shutil.copytree(PUBLIC / f"{stage}_step_300", folder)
    ((status, text),) = statuses(tmp_path / "none", tmp_path / "runs")
    assert (status, "2025_09_17: makes a world" in text) == ("ok", True)
    assert [finding.text for finding in check_runs(str(tmp_path / "runs"))] == [
        f"no runs in {tmp_path / 'runs'} yet"
    ]


def test_a_stage_that_is_missing_is_no_failure(models: Path, tmp_path: Path) -> None:
    shutil.rmtree(models / "pong" / "dynamics_step_300")
    ((status, text),) = statuses(models, tmp_path / "none")
    assert status == "warning"
    assert "pong holds no valid checkpoint of dynamics" in text


def test_nothing_there(tmp_path: Path) -> None:
    ((status, text),) = statuses(tmp_path / "models", tmp_path)
    assert status == "ok"
    assert "no weights" in text
