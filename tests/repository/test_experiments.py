"""The page about sweeps: its loop and its W&B sweep are run as they stand."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from doc_pages import write_files
from paths import ROOT
from tiny_runs import curve

PAGE = ROOT / "docs" / "experiments.md"
CONSOLE_SCRIPT = f"""#!{sys.executable}
import sys
from tinyworlds.commands.cli import process_main
sys.exit(process_main())
"""
SHORT = {"trainer.max_steps": 2, "trainer.val_check_interval": 2, "checkpoint.every_n_steps": 2}


@pytest.fixture
def folder(tmp_path: Path, tiny_h5: Path) -> Path:
    """An empty folder with the page's files, and a `tinyworlds` on the path."""
    write_files(PAGE, tmp_path)
    script = tmp_path / "bin" / "tinyworlds"
    script.parent.mkdir()
    script.write_text(CONSOLE_SCRIPT, encoding="utf-8")
    script.chmod(0o755)
    return tmp_path


def run(words: list[str], folder: Path, **variables: str) -> None:
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **variables}
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr


def agents_words(sweep: dict, chosen: dict[str, object]) -> list[str]:
    """The words of one try, put together by wandb's own functions as `wandb agent` does."""
    utils = pytest.importorskip("wandb.sdk.launch.sweeps.utils")
    told = utils.create_sweep_command_args({"args": {name: {"value": it} for name, it in chosen.items()}})
    told["env"] = ["/usr/bin/env"]
    words: list[str] = []
    for part in utils.create_sweep_command([*sweep["command"]]):
        words += told[part[2:-1]] if part.startswith("${") else [part]
    return words


def settings_of(version: Path) -> dict:
    return yaml.safe_load((version / "config.yaml").read_text(encoding="utf-8"))["model"]["init_args"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the sweep's command is a line for sh")
def test_a_try_of_the_sweep_is_a_run_of_its_own(folder: Path, tiny_h5: Path) -> None:
    sweep = yaml.safe_load((folder / "sweep.yaml").read_text(encoding="utf-8"))
    chosen = {"model.learning_rate": 0.003, "model.num_blocks": 2}
    assert chosen.keys() == sweep["parameters"].keys()
    data = {"data.files": str(tiny_h5), "data.split": "time", "data.batch_size": 2, "model.embed_dim": 32}
    words = agents_words(sweep, chosen | SHORT | data)
    run(words, folder, WANDB_RUN_ID="try7", WANDB_MODE="offline")
    version = folder / "lightning_logs" / "sweep_try7" / "video_tokenizer" / "version_0"
    assert settings_of(version)["learning_rate"] == 0.003
    assert settings_of(version)["num_blocks"] == 2
    assert curve(version, sweep["metric"]["name"])
    assert [*version.rglob("run-try7.wandb")]  # W&B's own file of that very try


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the loop is for a POSIX shell")
def test_the_loop_makes_a_run_of_each_try(folder: Path, tiny_h5: Path) -> None:
    [loop] = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("for ")]
    small = f" --data.files {tiny_h5} --data.split time " + " ".join(f"--{n} {v}" for n, v in SHORT.items())
    run(["sh", "-ec", loop.replace("--run", f"{small} --run")], folder)
    runs = sorted((folder / "lightning_logs").iterdir())
    rates = [settings_of(each / "video_tokenizer" / "version_0")["learning_rate"] for each in runs]
    assert sorted(rates) == [5e-4, 2e-3, 8e-3]
