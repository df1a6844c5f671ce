"""A download stopped at any moment leaves whole files and resumable parts, nothing else."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

SIZES = (24_000_000, 9_000_000, 7)
NAMES = ("a_frames.h5", "b_frames.h5", "c_frames.h5")


@pytest.fixture
def mirror(tmp_path):
    """Files that take a while to copy; the folder to copy to is `work`."""
    (tmp_path / "mirror").mkdir()
    (tmp_path / "work").mkdir()
    for name, size in zip(NAMES, SIZES, strict=True):
        (tmp_path / "mirror" / name).write_bytes(random.Random(size).randbytes(size))
    return tmp_path / "mirror"


SLOWLY = """
import sys, time
from tinyworlds.commands.cli import main
from tinyworlds.sources.hub.folder_source import FolderSource

def read(self, file, start, plain=FolderSource.read):
    for block in plain(self, file, start):
        time.sleep(0.008)
        yield block

FolderSource.read = read
sys.exit(main(["download", "datasets", "--source", "../mirror"]))
"""


def start(work: Path) -> subprocess.Popen:
    with open(work / "log.txt", "a") as log:  # not a pipe: nobody reads it while the process runs
        return subprocess.Popen([sys.executable, "-c", SLOWLY], cwd=work, stdout=log, stderr=log)


def check(work: Path, mirror: Path) -> str:
    """Return what was found; fail where it is not as it must be."""
    whole, begun = 0, 0
    for path in (work / "data").glob("*") if (work / "data").is_dir() else ():
        if path.name == ".cache":
            continue
        truth = (mirror / path.name.split(".h5")[0]).with_suffix(".h5").read_bytes()
        content = path.read_bytes()
        if path.suffix == ".part":
            assert path.name.split(".")[-2] == hashlib.sha256(truth).hexdigest()[:12]
            assert truth.startswith(content)
            begun += 1
        else:
            assert content == truth, f"{path.name} has its name and is not whole"
            whole += 1
    assert begun <= 1
    return f"{whole} whole, {begun} begun"


def stopped_at_random(mirror: Path, rounds: int, stop: signal.Signals, seed: int) -> Counter:
    rng, work, found = random.Random(seed), mirror.parent / "work", Counter()
    begun = time.monotonic()
    assert start(work).wait() == 0
    longest = time.monotonic() - begun
    for _ in range(rounds):
        if len(list((work / "data").glob("*.h5"))) == len(NAMES) or rng.random() < 0.2:
            shutil.rmtree(work / "data", ignore_errors=True)  # otherwise go on with what the last one left
        process = start(work)
        time.sleep(rng.uniform(0.2, 1.0) * longest)
        process.send_signal(stop)
        process.wait()
        found[check(work, mirror)] += 1
    assert start(work).wait() == 0
    assert check(work, mirror) == "3 whole, 0 begun"
    print(f"{stop.name}, seed {seed}, {rounds} rounds:", dict(found))
    return found


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
@pytest.mark.parametrize("stop", ["SIGKILL", "SIGINT"])
@pytest.mark.slow
def test_stopped_at_random_moments(mirror, stop):
    stopped_at_random(mirror, 4, signal.Signals[stop], seed=int(os.environ.get("SEED", "1")))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_killed_a_hundred_times(mirror):
    found = stopped_at_random(mirror, 100, signal.SIGKILL, seed=int(os.environ.get("SEED", "2")))
    assert any("1 begun" in state for state in found)


def test_two_at_once(mirror):
    work = mirror.parent / "work"
    both = [start(work), start(work)]
    assert [process.wait() for process in both] == [0, 0], (work / "log.txt").read_text()
    assert check(work, mirror) == "3 whole, 0 begun"
