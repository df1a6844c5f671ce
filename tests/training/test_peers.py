"""Several processes with all that is on by default; those that wait in vain say so and end."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from paths import ROOT
from tiny_runs import words

from tinyworlds.models.registry import STAGES
from tinyworlds.training.peers import Pulse, verdict

TWO = ("--trainer.devices=2", "--trainer.strategy=ddp", "--pictures=true")
PATIENCE_S = 8


def waits(seconds: float, computes: bool = False) -> Pulse:
    return Pulse(5, seconds, "barrier", computes)


@pytest.mark.parametrize(
    ("own", "others", "silent", "told"),
    [
        (waits(0), {1: waits(99)}, {1: 0}, None),  # it works itself
        (waits(59), {1: waits(99)}, {1: 0}, None),
        (waits(99), {1: waits(0)}, {1: 0}, None),  # the other works
        (waits(99), {1: waits(99), 2: waits(5)}, {1: 0, 2: 0}, None),
        (waits(99), {1: waits(99, computes=True)}, {1: 0}, None),  # in a long backward pass
        (waits(99, computes=True), {1: waits(99)}, {1: 0}, None),
        (waits(99), {1: waits(99)}, {1: 0}, "all processes of this training wait"),
        (waits(99), {1: waits(999, computes=True)}, {1: 0}, "all processes of this training wait"),
        (
            waits(99),
            {1: waits(0), 2: waits(0)},
            {1: 2, 2: 61},
            "process 2 of this training has given no sign",
        ),
        (waits(99, computes=True), {1: waits(0)}, {1: 61}, "process 1 of this training has given no sign"),
        (waits(99), {}, {1: 99}, "process 1 of this training has given no sign"),  # never came
    ],
)
def test_who_waits_in_vain(own: Pulse, others: dict, silent: dict, told: str | None) -> None:
    found = verdict(own, others, silent, 60)
    assert found is None if told is None else found is not None and told in found


def run(command: str, stage: str, data: Path, folder: Path, *more: str) -> subprocess.Popen:
    argv = [sys.executable, "-m", "tinyworlds", command, *words(stage, data, folder, *TWO, *more)]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "TINYWORLDS_PEER_PATIENCE": str(PATIENCE_S),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")]),
    }
    pipe = subprocess.PIPE
    return subprocess.Popen(
        argv, env=environment, stdout=pipe, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def outcome(process: subprocess.Popen, seconds: float = 150) -> tuple[int, str]:
    try:
        told, _ = process.communicate(timeout=seconds)
    finally:  # also of the processes it started
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, told


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
def test_every_stage_is_trained_and_the_last_one_measured(tiny_h5_64: Path, tmp_path: Path) -> None:
    """One process alone that asked for `trainer.log_dir` kept both for ever; pictures are of two stages."""
    deal = ("--data.split=old_time", "--data.test_fraction=0.4")  # a window for each process
    for stage in STAGES:
        fast = ("--trainer.max_steps=2", "--trainer.limit_val_batches=1", *deal)
        code, told = outcome(run("fit", stage, tiny_h5_64, tmp_path, *fast))
        assert code == 0, told
        assert "sync_dist" not in told
        for command in ("validate", "predict") if stage == "dynamics" else ():
            code, told = outcome(run(command, stage, tiny_h5_64, tmp_path, *deal))
            assert code == 0, told
    assert [*tmp_path.rglob("reconstruction_*_step_2.png")]
    assert [*tmp_path.rglob("open_loop_step_2.png")]
    assert [*tmp_path.rglob("predict/open_loop.png")]
    assert [path.name for path in tmp_path.rglob("version_*")] == ["version_0"] * 3


def trouble(kind: str, rank: int, seconds: float = 0) -> list[str]:
    callback = "--trainer.callbacks"
    return [
        f"{callback}+=peer_trouble.Trouble", f"{callback}.kind={kind}", f"{callback}.rank={rank}",
        f"{callback}.seconds={seconds}", "--trainer.max_steps=3", "--pictures=false",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
@pytest.mark.parametrize(
    ("kind", "rank", "line"),
    [
        ("stopped", 1, "process 1 of this training has given no sign of life"),
        ("killed", 1, "another process of this training has ended"),
    ],
)
def test_a_peer_that_is_gone(kind: str, rank: int, line: str, tiny_h5: Path, tmp_path: Path) -> None:
    code, told = outcome(run("fit", "video_tokenizer", tiny_h5, tmp_path, *trouble(kind, rank)))
    assert code != 0
    assert line in told or code == -signal.SIGKILL, told
    assert "Traceback" not in told


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
def test_long_work_of_one_process_is_waited_for(tiny_h5: Path, tmp_path: Path) -> None:
    more = trouble("busy", 0, 2.5 * PATIENCE_S)
    code, told = outcome(run("fit", "video_tokenizer", tiny_h5, tmp_path, *more))
    assert code == 0, told


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
def test_sigterm_ends_a_training_that_waits(tiny_h5: Path, tmp_path: Path) -> None:
    process = run("fit", "video_tokenizer", tiny_h5, tmp_path, *trouble("busy", 1, 100))
    assert process.stdout is not None
    while "trouble" not in process.stdout.readline():
        assert process.poll() is None
    time.sleep(2)
    process.terminate()
    code, _ = outcome(process, 60)
    assert code == 128 + signal.SIGTERM
