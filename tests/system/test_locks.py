"""Locks where there is no fcntl."""

import sys
import types
from pathlib import Path

import pytest

from tinyworlds.system import locks


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
    windows: dict = {"__name__": "windows_locks"}
    exec(compile(source, "locks.py", "exec"), windows)
    windows["_POLL_SECONDS"] = 0.0
    waited = []
    with windows["locked"](tmp_path / "lock", "testing", lambda: waited.append(1)):
        pass
    assert calls == [(2, 1)] * 3
    assert waited == [1]
