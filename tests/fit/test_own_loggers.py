"""Whatever loggers a user wants: a run lies in RUN/STAGE/version_N, and its next stage finds it."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from paths import ROOT
from tiny_runs import curve, train, words

from tinyworlds.checkpoints.load import read_checkpoint
from tinyworlds.commands.cli import main
from tinyworlds.models.registry import STAGES

CHOICES = {
    "none": ["--trainer.logger=false"],
    "default": ["--trainer.logger=true"],
    "csv": ["--trainer.logger=CSVLogger", "--trainer.logger.save_dir=elsewhere"],
    "own": ["--trainer.logger=own_logger.Kept", "--trainer.logger.folder=elsewhere"],
    "two": [
        "--trainer.logger+=CSVLogger",
        "--trainer.logger.save_dir=elsewhere",
        "--trainer.logger+=own_logger.Kept",
        "--trainer.logger.folder=elsewhere",
    ],
}


SLOW = ("default", "csv", "two")


@pytest.mark.parametrize(
    "choice", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in CHOICES]
)
def test_files_of_a_run(choice: str, tiny_h5: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    first = train("video_tokenizer", tiny_h5, run, "--trainer.max_steps=1", *CHOICES[choice])
    before = (first / "checkpoints" / "last.ckpt").read_bytes()
    second = train("video_tokenizer", tiny_h5, run, "--trainer.max_steps=2", *CHOICES[choice])
    assert [first.name, second.name] == ["version_0", "version_1"]
    assert (first / "checkpoints" / "last.ckpt").read_bytes() == before, "nothing is overwritten"
    assert read_checkpoint(second / "checkpoints" / "last.ckpt")["global_step"] == 2
    for version in (first, second):
        assert (version / "checkpoints" / "best.ckpt").is_file()
        assert (version / "config.yaml").is_file()
        assert (version / "metrics.csv").is_file() == (choice != "none")
    assert not [*tmp_path.joinpath("elsewhere").rglob("*.ckpt")]
    logged = [*tmp_path.joinpath("elsewhere").rglob("*.csv")]
    assert bool(logged) == (choice not in ("none", "default")), "their own loggers log as well"


@pytest.mark.slow
def test_all_stages_without_a_logger(tiny_h5: Path, tmp_path: Path) -> None:
    for stage in STAGES:
        for steps in (1, 2):
            more = [f"--trainer.max_steps={steps}", *["--ckpt_path=last"] * (steps - 1)]
            version = train(stage, tiny_h5, tmp_path, "--trainer.logger=false", *more)
            assert version == tmp_path / stage / "version_0"
    assert main(["predict", *words("dynamics", tiny_h5, tmp_path), "--trainer.logger=false"]) == 0
    assert (version / "predict" / "open_loop.png").is_file()
    assert main(["export", str(tmp_path), str(tmp_path / "tiny.world")]) == 0


@pytest.mark.slow
def test_loggers_in_a_config(tiny_h5: Path, tmp_path: Path) -> None:
    logger = {"class_path": "own_logger.Kept", "init_args": {"folder": str(tmp_path / "elsewhere")}}
    config = tmp_path / "mine.yaml"
    config.write_text(yaml.safe_dump({"trainer": {"logger": [logger]}}))
    version = train(
        "video_tokenizer", tiny_h5, tmp_path / "run", "--config", str(config), "--trainer.max_steps=1"
    )
    assert (version / "checkpoints" / "last.ckpt").is_file()
    assert (tmp_path / "elsewhere" / "kept.csv").is_file()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--trainer.logger=MLFlowLogger"], "MLFlowLogger cannot be built: .*mlflow"),
        (["--trainer.logger+=MLFlowLogger"], "MLFlowLogger cannot be built: .*mlflow"),
        (
            ["--trainer.callbacks+=Timer", "--trainer.callbacks.duration=soon"],
            "Timer cannot be built: .*duration",
        ),
        (
            ["--trainer.callbacks+=ModelCheckpoint", "--trainer.callbacks.save_top_k=-7"],
            "ModelCheckpoint cannot be built: .*-7",
        ),
        (["--trainer.plugins=BitsandbytesPrecision", "--trainer.plugins.mode=nf4"], "bitsandbytes"),
        (["--trainer.devices=0"], "devices"),
        (["--data.num_workers=-1"], "num_workers is -1"),
    ],
)
def test_what_cannot_be_built_is_one_line(
    more: list[str], told: str, error_line: Callable[..., str], tiny_h5: Path, tmp_path: Path
) -> None:
    line = error_line("fit", *words("video_tokenizer", tiny_h5, tmp_path / "run", *more), code=2)
    assert re.search(told, line), line
    assert not (tmp_path / "run" / "video_tokenizer").exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="processes need SYSTEMROOT and more there")
@pytest.mark.parametrize("home", ["unset", "read_only"])
def test_wandb_without_an_account(home: str, tiny_h5_64: Path, tmp_path: Path) -> None:
    """As the README promises: no key, no home folder, no network is asked, and the run is on disk."""
    pytest.importorskip("wandb")
    clean = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    if home == "read_only":
        clean["HOME"] = str(tmp_path / "home")
        (tmp_path / "home").write_text("no folder, so that nobody can write there")
    command = [sys.executable, "-m", "tinyworlds", "fit"]
    more = ["--trainer.max_steps=2", "--wandb", "--pictures=true"]
    settings = words("video_tokenizer", tiny_h5_64, tmp_path / "run", *more)
    times = 2 if home == "unset" else 1  # the second goes on
    for _ in range(times):
        done = subprocess.run(
            [*command, *settings], cwd=tmp_path, env=clean, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "switched off" not in done.stderr
        settings += ["--trainer.max_steps=4", "--ckpt_path=last"]
    version = tmp_path / "run" / "video_tokenizer" / "version_0"
    logs = [*version.joinpath("wandb").glob("offline-run-*/*.wandb")]
    assert len(logs) == times
    assert all(path.stat().st_size > 1000 for path in logs)
    assert [*version.joinpath("wandb").glob("offline-run-*/files/media/images/*/*.png")], "pictures, too"
    assert len(curve(version)) == 2 * times
