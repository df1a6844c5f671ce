"""What killed processes leave goes when somebody writes there next; what others write stays."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tinyworlds.system import neighbours
from tinyworlds.system.files import write_text
from tinyworlds.system.neighbours import new_neighbour, sweep


def of_process(path: Path, process: int) -> Path:
    name = new_neighbour(path).name.replace(f"-{os.getpid()}-", f"-{process}-")
    left = path.with_name(name)
    left.write_bytes(b"x")
    return left


@pytest.fixture
def dead() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


@pytest.mark.skipif(sys.platform == "win32", reason="goes by age there")
def test_only_those_of_dead_processes_go(tmp_path, dead):
    mine = of_process(tmp_path / "a.h5", os.getpid())
    living = of_process(tmp_path / "a.h5", os.getppid())
    left = of_process(tmp_path / "other.world", dead)
    likeness = tmp_path / f".a-tmp-mine-{dead}.h5"
    likeness.write_bytes(b"")
    write_text(tmp_path / "note.txt", "x")
    assert not left.exists()
    assert sorted(tmp_path.iterdir()) == sorted([mine, living, likeness, tmp_path / "note.txt"])


def test_those_of_other_machines_go_after_a_week(tmp_path, dead, monkeypatch):
    left = of_process(tmp_path / "a.h5", dead)
    monkeypatch.setattr(neighbours, "_here", lambda: "000000")
    sweep(tmp_path)
    assert left.exists()
    os.utime(left, (1e9, 1e9))
    sweep(tmp_path)
    assert not left.exists()


def test_names_differ_and_keep_the_ending(tmp_path):
    first, second = (new_neighbour(tmp_path / "a.tar.gz") for _ in range(2))
    assert first != second
    assert first.name.startswith(".a.tar-tmp-")
    assert first.suffix == ".gz"
    sweep(tmp_path / "not there")
