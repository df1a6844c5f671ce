"""Commands that `train` and `quickstart` start do not outlive them."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from tinyworlds.checkpoints.run_folder import lock_file
from tinyworlds.fit import pipeline
from tinyworlds.fit.train_request import TrainRequest
from tinyworlds.models.registry import STAGES
from tinyworlds.system.locks import locked
from tinyworlds.system.processes import run_child

CHILD = """
import os, signal, sys, time
from pathlib import Path
from tinyworlds.system.processes import end_with_parent

def save(*_):
    Path("saved").touch()
    sys.exit(143)

signal.signal(signal.SIGTERM, save)
end_with_parent()
Path("child.part").write_text(str(os.getpid()))
os.replace("child.part", "child")
time.sleep(60)
"""
PARENT = """
import sys
from tinyworlds.system.processes import run_child
sys.exit(run_child([sys.executable, "child.py"]))
"""


def until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def family(tmp_path):
    """A parent that waits for its child, and the child's process id."""
    (tmp_path / "child.py").write_text(textwrap.dedent(CHILD))
    with subprocess.Popen([sys.executable, "-c", PARENT], cwd=tmp_path) as parent:
        until((tmp_path / "child").exists)
        child = int((tmp_path / "child").read_text())
        yield parent, child
        parent.kill()
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)


def test_exit_codes_are_the_childs():
    assert run_child([sys.executable, "-c", "raise SystemExit(3)"]) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
def test_sigterm_is_passed_on_and_the_child_may_save(family, tmp_path):
    parent, _ = family
    parent.terminate()
    assert parent.wait(20) == 143
    assert (tmp_path / "saved").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells children that their parent has died")
def test_a_child_ends_when_its_parent_is_killed(family, tmp_path):
    parent, _ = family
    parent.kill()
    parent.wait(20)
    until((tmp_path / "saved").exists)


def test_one_run_is_trained_by_one_process_at_a_time(tmp_path, monkeypatch, capsys):
    trained = []
    monkeypatch.setattr(pipeline, "_train", lambda request, *_: trained.append(request.run) or 0)
    short = {stage: ["--trainer.max_steps=1"] for stage in STAGES}  # nothing to measure the machine for
    request = TrainRequest("doom", tmp_path / "run", fresh=False, arguments=short)
    second = threading.Thread(target=pipeline.train, args=[request])
    with locked(lock_file(request.run, "dynamics"), "training"):
        second.start()
        second.join(0.3)
        assert not trained
    second.join(20)
    assert trained == [request.run]
    told = capsys.readouterr().out
    assert f"waiting for another process that is training {request.run / 'dynamics'} (process " in told
