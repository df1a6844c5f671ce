"""SIGKILL at random moments of training and export: no damaged file under a final name, nothing lost."""

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tiny_runs import train, words

from tinyworlds.api import World
from tinyworlds.checkpoints.load import read_checkpoint

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="forks, to start commands in no time"),
]
TRAININGS, EXPORTS = 40, 60

# Imports everything once, then runs each command in a fork of itself and kills it after so many seconds.
MOTHER = """
import json, os, signal, sys, time
import torch
torch.set_num_threads(1)
import tinyworlds.commands.export, tinyworlds.fit.run
from tinyworlds.commands.cli import main
for line in sys.stdin:
    argv, seconds = json.loads(line)
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os._exit(main(argv))
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)  # nobody has taken its exit code yet, so there still is one to kill
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
KILLED = -signal.SIGKILL
Run = Callable[..., int]


@pytest.fixture
def run() -> Iterator[Run]:
    """Runs a command in a process of its own, kills it after some seconds, and returns its exit code."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", MOTHER], env=environment, **pipes) as mother:

        def run(argv: list[str], seconds: float | None = None) -> int:
            mother.stdin.write(json.dumps([argv, seconds]) + "\n")
            mother.stdin.flush()
            return int(mother.stdout.readline())

        yield run
        mother.kill()


def by_step(version: Path) -> dict[str, str]:
    """Training losses as they were written."""
    with (version / "metrics.csv").open() as file:
        return {row["step"]: row["train/loss"] for row in csv.DictReader(file) if row["train/loss"]}


def timed(run: Run, argv: list[str]) -> float:
    began = time.monotonic()
    assert run(argv) == 0
    return time.monotonic() - began


@pytest.fixture
def rng():
    seed = random.randrange(10**9)
    print(f"seed {seed}")
    return random.Random(seed)


def test_killed_training_goes_on(partners: Path, tiny_h5: Path, run: Run, rng: random.Random) -> None:
    more = ["--trainer.max_steps=300", "--checkpoint.every_n_steps=2", "--trainer.val_check_interval=50"]
    argv = ["fit", *words("video_tokenizer", tiny_h5, partners, *more)]
    # where all others run: with more threads, sums may round otherwise; the first makes caches
    length = min(timed(run, argv) for _ in range(2))
    whole = sorted((partners / "video_tokenizer").glob("version_*"))[-1]
    begun = whole.with_name(f"version_{int(whole.name.rpartition('_')[2]) + 1}")
    killed, fresh = 0, True
    for _ in range(TRAININGS):
        code = run(argv if fresh else [*argv, "--ckpt_path=last"], length * rng.uniform(0.15, 0.3))
        killed += code == KILLED
        assert code in (0, KILLED)
        saved = [path for path in begun.glob("checkpoints/*.ckpt") if not path.name.startswith(".")]
        for path in saved:
            read_checkpoint(path)
        if fresh and not saved:
            shutil.rmtree(begun, ignore_errors=True)
        fresh = fresh and not saved
        if code == 0:
            break
    assert run([*argv, "--ckpt_path=last"]) == 0
    print(f"{killed} kills")
    assert killed > 3
    losses, expected = by_step(begun), by_step(whole)
    assert losses.items() <= expected.items()
    # a step's row follows its checkpoint: a kill between the two takes that row, and nothing else
    assert len(expected) - len(losses) <= killed


def test_killed_export_leaves_the_file_as_it_was(
    partners: Path, tiny_h5: Path, run: Run, rng: random.Random
) -> None:
    train("dynamics", tiny_h5, partners, "--trainer.max_steps=4")
    out = partners / "out.world"
    argv = ["export", str(partners), str(out), "--data", str(tiny_h5)]
    assert run(argv) == 0  # makes the frames' cache
    length = min(timed(run, argv) for _ in range(3))
    before = out.read_bytes()
    codes = [run(argv, rng.uniform(0, length)) for _ in range(EXPORTS)]
    print(f"{codes.count(KILLED)} kills")
    assert codes.count(KILLED) > EXPORTS // 10
    assert set(codes) <= {0, KILLED}
    assert len(out.read_bytes()) == pytest.approx(len(before), abs=200)  # the date is part of it
    World.load(out).reset(seed=0)
