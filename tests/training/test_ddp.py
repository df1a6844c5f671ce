"""Two processes on one CPU, over gloo."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_runs import curve, words

from tinyworlds import load_network


def fit(data: Path, run: Path, *more: str) -> None:
    two = ["--trainer.devices=2", "--trainer.val_check_interval=2", "--checkpoint.every_n_steps=2"]
    command = [sys.executable, "-m", "tinyworlds", "fit", *words("video_tokenizer", data, run, *two, *more)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "ddp_gloo", "fsdp"])
def test_two_processes(strategy: str, tiny_h5: Path, tmp_path: Path) -> None:
    fit(tiny_h5, tmp_path, "--trainer.max_steps=4", f"--trainer.strategy={strategy}")
    versions = list((tmp_path / "video_tokenizer").iterdir())
    assert [path.name for path in versions] == ["version_0"], "the ranks share one folder"
    assert len(curve(versions[0])) == 4
    last = versions[0] / "checkpoints" / "last.ckpt"
    assert load_network(last).config["embed_dim"] == 16, "one whole file"
    if strategy == "ddp_gloo":
        return  # what differs from ddp is the start
    whole = curve(versions[0])
    middle = versions[0] / "checkpoints" / "step_2.ckpt"
    fit(tiny_h5, tmp_path, "--trainer.max_steps=4", f"--trainer.strategy={strategy}", f"--ckpt_path={middle}")
    assert curve(versions[0]) == pytest.approx(whole, rel=1e-5)
