"""Locks: who holds one is told, one of a dead process is free, and where there is no fcntl."""

import os
import socket
import subprocess
import sys
import types
from pathlib import Path

import pytest

from tinyworlds.errors import TrainingError
from tinyworlds.system import locks
from tinyworlds.system.locks import holder_of, locked

HOLDS = """
import sys, time
from pathlib import Path
from tinyworlds.system.locks import locked
with locked(Path(sys.argv[1]), "testing"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def held(tmp_path: Path):
    """A lock file and the process that holds it."""
    lock = tmp_path / "run" / ".lock"
    process = subprocess.Popen([sys.executable, "-c", HOLDS, str(lock)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    yield lock, process
    process.kill()
    process.communicate()


def test_who_holds_a_lock_is_told(held) -> None:
    lock, process = held
    with pytest.raises(TrainingError) as caught, locked(lock, "training doom", wait=False):
        pass
    told = f"another process that is training doom (process {process.pid} on {socket.gethostname()} since 2"
    assert told in str(caught.value)
    with pytest.raises(TrainingError), locked(lock, "training", wait=False, parent=os.getpid()):
        pass
    with locked(lock, "training", wait=False, parent=process.pid):
        pass  # held for us


def test_the_lock_of_a_dead_process_is_free(held) -> None:
    lock, process = held
    process.kill()
    process.wait()
    with locked(lock, "training", wait=False):
        assert holder_of(lock).pid == os.getpid()
    with locked(lock, "training", wait=False):
        pass
    lock.write_bytes(b"\xff")
    assert holder_of(lock) is None


def test_locks_where_there_is_no_fcntl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows: one byte is locked, and a lock that is taken is a PermissionError."""
    holders = iter([PermissionError(13, "taken"), PermissionError(13, "taken"), None])
    calls = []

    def locking(number: int, mode: int, count: int) -> None:
        calls.append((mode, count))
        error = next(holders)
        if error:
            raise error

    fake = types.ModuleType("msvcrt")
    fake.locking, fake.LK_NBLCK = locking, 2  # type: ignore[attr-defined]
    source = Path(locks.__file__).read_text(encoding="utf-8")
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", fake)
    windows: dict = {"__name__": locks.__name__}
    exec(compile(source, "locks.py", "exec"), windows)
    windows["_POLL_SECONDS"] = 0.0
    waited = []
    with windows["locked"](tmp_path / "lock", "testing", lambda: waited.append(1)):
        pass
    assert calls == [(2, 1)] * 3
    assert waited == [1]
