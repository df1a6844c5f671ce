"""Cores are counted on every system."""

import os
import subprocess
import sys
import time

import pytest

from tinyworlds.system import cores


def test_cores_are_counted_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cores.num_cores() >= 1
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores.num_cores() == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_waiting_for_a_core_is_seen() -> None:
    if cores.seconds_waited() is None:
        pytest.skip("this kernel does not count")
    before = cores.seconds_waited()
    code = "import time\nend = time.monotonic() + 1\nwhile time.monotonic() < end: pass"
    others = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(cores.num_cores())]
    until = time.monotonic() + 0.8
    while time.monotonic() < until:
        pass
    for other in others:
        other.wait()
    after = cores.seconds_waited()
    assert before is not None
    assert after is not None
    assert after - before > 0.05


def test_a_system_that_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(path: str) -> list[str]:
        raise FileNotFoundError(path)

    monkeypatch.setattr(os, "listdir", missing)
    assert cores.seconds_waited() is None
