"""What a killed process leaves behind is tidied by its watcher: processes, folder, shared memory."""

import contextlib
import mmap
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tinyworlds.system import leftovers
from tinyworlds.system.leftovers import Scratch

CODE = """
import subprocess, sys, time
from tinyworlds.system.leftovers import Scratch
scratch = Scratch()
with scratch.marked():  # one child, and one of a child that has left
    first = subprocess.Popen(["sleep", "100"])
    line = "sleep 100 >/dev/null 2>&1 & echo $!"
    shell = subprocess.run(["sh", "-c", line], capture_output=True, text=True)
other = subprocess.Popen(["sleep", "100"])
open("/dev/shm/ViZDoomTest%d" % first.pid, "w").close()
print(scratch.folder, first.pid, shell.stdout.strip(), other.pid, flush=True)
time.sleep(100)
"""
linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in Linux's /proc")


def is_alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@linux
@pytest.mark.parametrize("whom", ["process", "group"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_process_leaves_nothing_that_it_started(whom, number):
    process = subprocess.Popen(
        [sys.executable, "-c", CODE], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    folder, *started, other = process.stdout.readline().split()
    shared = Path(f"/dev/shm/ViZDoomTest{started[0]}")
    assert os.path.isdir(folder)
    assert all(map(is_alive, started))
    assert shared.exists()
    if whom == "group":
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    process.wait()
    process.stdout.close()
    until(lambda: not any(map(is_alive, started)))
    until(lambda: not os.path.exists(folder) and not shared.exists())
    if whom == "process":  # it was not started for the folder
        assert is_alive(other)
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(other), signal.SIGKILL)


def test_a_closed_folder_is_gone_and_so_is_its_watcher():
    scratch = Scratch()
    assert os.listdir(scratch.folder) == []
    assert os.path.dirname(scratch.folder) == tempfile.gettempdir()
    Path(scratch.folder, "settings.ini").touch()
    with scratch.marked():
        assert os.environ["TINYWORLDS_SCRATCH"] == scratch.folder
    assert "TINYWORLDS_SCRATCH" not in os.environ
    scratch.close()
    assert not os.path.exists(scratch.folder)
    assert scratch._watcher.returncode is not None


@linux
def test_only_shared_memory_that_nobody_uses_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(leftovers, "_SHARED_MEMORY", str(tmp_path))
    paths = {name: tmp_path / name for name in ("ViZDoomSMa", "ViZDoomSMused", "ViZDoomSMold", "other")}
    for path in paths.values():
        path.write_bytes(bytes(4096))
    os.utime(paths["ViZDoomSMold"], (1e9, 1e9))
    with open(paths["ViZDoomSMused"], "r+b") as file, mmap.mmap(file.fileno(), 4096):
        leftovers._remove_shared_memory(time.time() - 5)
    assert {name for name, path in paths.items() if path.exists()} == {*paths} - {"ViZDoomSMa"}
