"""Threads that sleep early: only where others are busy, and only where the user has not decided."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.busy import busy
from tinyworlds.system import threads as waiting_threads

NAMES = (waiting_threads.SETTING, "OMP_WAIT_POLICY")


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A function that makes a machine: what runs on it, our cores, all cores."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)

    def make(running, ours=4, cores=4):
        (tmp_path / "loadavg").write_text(f"0.10 0.20 0.30 {running}/345 6789\n")
        monkeypatch.setattr(waiting_threads, "_LOADAVG", tmp_path / "loadavg")
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(ours)), raising=False)
        monkeypatch.setattr(os, "cpu_count", lambda: cores)

    return make


@pytest.mark.parametrize(
    ("running", "ours", "cores", "chosen"),
    [(1, 4, 4, None), (2, 4, 4, "1000"), (9, 4, 4, "1000"), (5, 4, 8, None), (6, 4, 8, "1000")],
)
def test_a_core_that_would_be_shared_decides(machine, running, ours, cores, chosen):
    machine(running, ours, cores)
    waiting_threads.sleep_early_if_busy()
    assert os.environ.get(waiting_threads.SETTING) == chosen


@pytest.mark.parametrize("name", NAMES)
def test_what_the_user_set_stays(machine, monkeypatch, name):
    machine(running=3)
    monkeypatch.setenv(name, "active" if name == "OMP_WAIT_POLICY" else "77")
    before = dict(os.environ)
    waiting_threads.sleep_early_if_busy()
    assert dict(os.environ) == before


@pytest.mark.parametrize("text", [None, "", "0.1 0.2 0.3 many/345"])
def test_a_system_that_does_not_tell_is_left_alone(machine, monkeypatch, tmp_path, text):
    machine(running=3)
    path = tmp_path / "elsewhere"
    if text is not None:
        path.write_text(text)
    monkeypatch.setattr(waiting_threads, "_LOADAVG", path)
    assert not waiting_threads.others_are_busy()


@pytest.mark.skipif(not Path("/proc/loadavg").exists(), reason="needs /proc/loadavg")
def test_importing_us_beside_busy_processes():
    script = f"import os, tinyworlds; print(os.environ[{waiting_threads.SETTING!r}])"
    environment = {name: value for name, value in os.environ.items() if name not in NAMES}
    with busy(os.cpu_count() or 1):
        for _ in range(20):  # they begin to be busy when Python has started
            done = subprocess.run(
                [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode == 0:
                break
    assert done.stdout == "1000\n", done.stderr
