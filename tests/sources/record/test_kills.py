"""Recordings of a real engine that are killed: nothing is left but what was recorded, and nobody waits."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from paths import ROOT, SUPPORT

from tinyworlds.data.reader import FrameFile
from tinyworlds.data.schema import read_info

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="engines of killed recordings are ended on Linux"),
    pytest.mark.skipif(find_spec("vizdoom") is None, reason="needs the extra games"),
]
KILL, TERM = signal.SIGKILL, signal.SIGTERM


def start(folder, *words, env_id="VizdoomBasic-v1"):
    """A recording with a folder of temporary files of its own."""
    (folder / "tmp").mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "tinyworlds", "record", env_id, "--out", str(folder / "a.h5"), *words],
        env=os.environ | {
            "PYTHONPATH": os.pathsep.join([str(SUPPORT), str(ROOT)]), "OMP_NUM_THREADS": "1",
            "TMPDIR": str(folder / "tmp"),
        },
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def of_this_test(folder):
    """Processes with this folder of temporary files, the zombies left out, and what lies in it."""
    mark, found = f"TMPDIR={folder / 'tmp'}".encode(), []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (place / "environ").read_bytes().split(b"\0"):
                found.append((place / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:200])
    return found + os.listdir(folder / "tmp") + [name for name in os.listdir(folder) if name.endswith(".ini")]


def shared_memory():
    return {name for name in os.listdir("/dev/shm") if name.startswith(("ViZDoom", "sem.mp-"))}


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def workers_of(process):
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def check_left(folder, engines_before):
    """All is gone soon, and what was recorded is whole."""
    until(lambda: not of_this_test(folder), 20)
    ours = shared_memory() - engines_before
    until(lambda: not ours & shared_memory(), 20)  # other tests' engines come and go, too
    for piece in folder.glob(".record/*/*/*.h5"):
        assert read_info(piece).num_frames > 0


def hit(process, how, number):
    if how == "worker" and (workers := workers_of(process)):
        os.kill(random.choice(workers), number)
    elif how == "group":
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)


@pytest.mark.parametrize(
    ("how", "number"), [("worker", KILL), pytest.param("worker", TERM, marks=pytest.mark.slow)]
)
def test_a_killed_worker_ends_the_recording(tmp_path, how, number):
    before = shared_memory()
    process = start(tmp_path, "--frames", "200000", "--processes", "2")
    until(lambda: len(list(tmp_path.glob(".record/*/*/*.part"))) == 2)
    hit(process, how, number)
    begun = time.monotonic()
    told = process.communicate(timeout=30)[1]
    assert time.monotonic() - begun < 15
    assert process.returncode == 1
    assert told.count("error: ") == told.count("of the recording died (exit code") == 1
    assert "Traceback" not in told
    check_left(tmp_path, before)


@pytest.mark.parametrize(
    ("how", "number"),
    [
        ("process", KILL),
        pytest.param("process", TERM, marks=pytest.mark.slow),
        pytest.param("group", TERM, marks=pytest.mark.slow),
    ],
)
def test_a_killed_recording_leaves_no_engine(tmp_path, how, number):
    before = shared_memory()
    process = start(tmp_path, "--frames", "200000")
    until(lambda: list(tmp_path.glob(".record/*/*/*.part")))
    time.sleep(0.5)
    hit(process, how, number)
    told = process.communicate(timeout=30)[1]
    assert "Traceback" not in told
    if number == TERM:
        assert process.returncode == 128 + TERM
        assert "frames are kept; run the same command to go on" in told
    check_left(tmp_path, before)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_killed_at_any_moment(tmp_path, processes):
    """From before the engine starts to far into the play, whoever is hit with whatever."""
    seed = int.from_bytes(os.urandom(4), "little")
    chance, before = random.Random(seed), shared_memory()
    for i in range(10):
        folder = tmp_path / str(i)
        folder.mkdir()
        process = start(folder, "--frames", "200000", "--processes", str(processes))
        time.sleep(chance.uniform(0.3, 6.0))
        how, number = chance.choice(("worker", "process", "group")), chance.choice((KILL, TERM))
        hit(process, how, number)
        told = process.communicate(timeout=60)[1]
        assert "Traceback" not in told, (seed, i, how, number)
        assert process.returncode in (1, 128 + TERM, -TERM, -KILL), (seed, i, how, number)
        check_left(folder, before)


def press_twice(process, pause_s):
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(pause_s)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    begun = time.monotonic()
    told = process.communicate(timeout=60)[1]
    assert process.returncode in (-signal.SIGINT, 130)
    assert "Traceback" not in told
    return time.monotonic() - begun


@pytest.mark.slow
def test_a_second_ctrl_c_ends_at_once_and_breaks_nothing(tmp_path):
    before, words = shared_memory(), ["--frames", "4000", "--size", "8"]
    process = start(tmp_path, *words)
    until(lambda: list(tmp_path.glob(".record/*/*/*.part")))
    time.sleep(0.5)
    press_twice(process, 0.02)
    check_left(tmp_path, before)
    process = start(tmp_path, "--frames", "200", "--size", "8", "--overwrite")
    assert process.communicate(timeout=60) is not None
    assert process.returncode == 0
    assert len(FrameFile(tmp_path / "a.h5")) == 200


@pytest.mark.slow
@pytest.mark.parametrize(("env_id", "processes"), [("VizdoomBasic-v1", 1), ("toy_games:TinySlow-v0", 2)])
def test_two_ctrl_c_at_any_moments(tmp_path, env_id, processes):
    seed = int.from_bytes(os.urandom(4), "little")
    chance, before, slowest = random.Random(seed), shared_memory(), 0.0
    for i in range(10):
        folder = tmp_path / str(i)
        folder.mkdir()
        process = start(folder, "--frames", "200000", "--processes", str(processes), env_id=env_id)
        until(lambda folder=folder: list(folder.glob(".record/*/*/*.part")))
        time.sleep(chance.uniform(0.0, 1.5))
        slowest = max(slowest, press_twice(process, chance.choice((0.0, chance.uniform(0.0, 0.3)))))
        check_left(folder, before)
    print(f"seed {seed}: the slowest end took {slowest:.2f} s")
