"""A run that was killed goes on as if nothing had happened."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tiny_runs import curve, train, words

from tinyworlds.commands.cli import main
from tinyworlds.system.exits import INTERRUPTED, TERMINATED
from tinyworlds.training.stages import Stage

STEPS = 60
MORE = [f"--trainer.max_steps={STEPS}", "--checkpoint.every_n_steps=10", "--trainer.val_check_interval=15"]


def start(argv: list[str]) -> subprocess.Popen[str]:
    # sums of floats depend on how many threads share them
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    command = [sys.executable, "-m", "tinyworlds", "fit", *argv]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, env=environment, **pipes)


def wait_for_rows(version: Path, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not (version / "metrics.csv").exists() or len(curve(version)) < count:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_sigkill_and_resume_give_the_same_curve(partners: Path, tiny_h5: Path) -> None:
    whole = train("dynamics", tiny_h5, partners, *MORE)
    broken = partners / "dynamics" / "version_1"
    process = start(words("dynamics", tiny_h5, partners, *MORE))
    wait_for_rows(broken, 23, process)
    process.kill()
    process.communicate()
    assert process.returncode != 0
    assert len(curve(broken)) < STEPS
    assert train("dynamics", tiny_h5, partners, *MORE, "--ckpt_path=last") == broken
    assert curve(broken) == curve(whole)
    assert curve(broken, "val/loss") == curve(whole, "val/loss")


@pytest.mark.parametrize(
    ("stage", "stop"),
    [
        ("video_tokenizer", 11),
        pytest.param("latent_actions", 15, marks=pytest.mark.slow),
        pytest.param("dynamics", 31, marks=pytest.mark.slow),
    ],
)
def test_resume_of_every_stage(
    stage: str, stop: int, partners: Path, tiny_h5: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = ["--trainer.max_steps=34", "--checkpoint.every_n_steps=5", "--trainer.val_check_interval=30"]
    more += ["--trainer.accumulate_grad_batches=2", "--data.steps_per_epoch=24"]
    first = train(stage, tiny_h5, partners, *more)
    step = Stage.training_step

    def failing(self: Stage, batch: dict, batch_idx: int) -> object:
        if self.global_step == stop:
            raise MemoryError("killed here")
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(Stage, "training_step", failing)
        with pytest.raises(MemoryError):
            main(["fit", *words(stage, tiny_h5, partners, *more)])
    second = train(stage, tiny_h5, partners, *more, "--ckpt_path=last")
    assert second != first
    assert curve(second) == curve(first)
    assert curve(second, "train/learning_rate") == curve(first, "train/learning_rate")


@pytest.mark.slow
def test_resume_from_best_is_exact_too(tiny_h5: Path, tmp_path: Path) -> None:
    more = ["--trainer.max_steps=12", "--trainer.val_check_interval=5"]
    version = train("video_tokenizer", tiny_h5, tmp_path, *more)
    whole = curve(version)
    train("video_tokenizer", tiny_h5, tmp_path, *more, "--ckpt_path=best")
    assert curve(version) == whole


@pytest.mark.slow
def test_resume_with_workers(tiny_h5: Path, tmp_path: Path) -> None:
    more = ["--trainer.max_steps=12", "--checkpoint.every_n_steps=4", "--data.num_workers=2"]
    version = train("video_tokenizer", tiny_h5, tmp_path, *more)
    whole = curve(version)
    middle = version / "checkpoints" / "step_8.ckpt"
    train("video_tokenizer", tiny_h5, tmp_path, *more, f"--ckpt_path={middle}")
    assert curve(version) == whole


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals cannot be sent to another process there")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED)])
def test_a_signal_saves_and_says_how_to_go_on(
    tiny_h5: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    argv = words("video_tokenizer", tiny_h5, tmp_path, "--trainer.max_steps=100000")
    process = start(argv)
    version = tmp_path / "video_tokenizer" / "version_0"
    wait_for_rows(version, 3, process)
    process.send_signal(number)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == code, output
    assert (version / "checkpoints" / "last.ckpt").is_file()
    assert "--ckpt_path last" in output
    assert "Traceback" not in output
