"""A temporary folder that goes with this process, and with it what was started there, even after a SIGKILL.

A game's engine is a process of its own with files and shared memory. Killed, we can tidy nothing; so a small
second process waits for our end (``python leftovers.py PID FOLDER``, standard library only) and then ends the
processes that carry the folder's name in their environment, and removes their shared memory and the folder.
Processes are found on Linux, whose ``/proc`` shows environments; elsewhere the folder alone is removed.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_MARK = "TINYWORLDS_SCRATCH"
_PREFIX = "tinyworlds-"
_LOOK_S = 0.2
_ROUNDS = 10
_SHARED_MEMORY = "/dev/shm"
_ENGINES = "ViZDoom*"  # shared memory of engines, by name: what others share is none of our business


class Scratch:
    """The folder and its watcher.

    Attributes:
        folder: an empty folder.
    """

    def __init__(self) -> None:
        self.folder = os.path.join(tempfile.gettempdir(), f"{_PREFIX}{secrets.token_hex(8)}")
        self._watcher = subprocess.Popen(
            [sys.executable, "-I", "-S", os.path.abspath(__file__), str(os.getpid()), self.folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=tempfile.gettempdir(),
            start_new_session=True,  # what is sent to all of a terminal does not reach it
        )
        os.mkdir(self.folder, 0o700)  # it is watched before it is there

    @contextlib.contextmanager
    def marked(self) -> Iterator[None]:
        """Mark the processes that are started meanwhile: they end with this one."""
        before = os.environ.get(_MARK)
        os.environ[_MARK] = self.folder
        try:
            yield
        finally:
            if before is None:
                os.environ.pop(_MARK, None)
            else:
                os.environ[_MARK] = before

    def close(self) -> None:
        """Remove the folder and end the watcher; who started processes has ended them."""
        try:
            shutil.rmtree(self.folder, ignore_errors=True)
        finally:
            self._watcher.kill()
            self._watcher.communicate()


def watch(process: int, folder: str) -> None:
    """Wait until the process that started this one is gone, then tidy."""
    begun = time.time()
    if sys.platform == "win32":
        sys.stdin.read()  # ends with the other side of the pipe
    while os.getppid() == process and sys.platform != "win32":
        time.sleep(_LOOK_S)
    quiet = 0
    for _ in range(_ROUNDS):  # one that is being started shows its environment a moment later
        quiet = 0 if _end_marked(folder) else quiet + 1
        if quiet == 2:
            break
        time.sleep(_LOOK_S / 2)
    _remove_shared_memory(begun)
    shutil.rmtree(folder, ignore_errors=True)


def _end_marked(folder: str) -> int:
    """Kill every process that was started with this folder in its environment; return how many there were."""
    mark, count = f"{_MARK}={folder}".encode(), 0
    if sys.platform != "linux":
        return count
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or is somebody else's
            if mark in (place / "environ").read_bytes().split(b"\0"):
                os.kill(int(place.name), signal.SIGKILL)
                count += 1
    return count


def _remove_shared_memory(begun: float) -> None:
    """Remove shared memory of engines that came since `begun` and that no process uses."""
    unused = _unused(begun)
    if unused:
        time.sleep(_LOOK_S)  # an engine that is just starting would use it by now
        for path in unused & _unused(begun):
            path.unlink(missing_ok=True)


def _unused(begun: float) -> set[Path]:
    found: set[Path] = set()
    if sys.platform != "linux":
        return found
    for path in Path(_SHARED_MEMORY).glob(_ENGINES):
        with contextlib.suppress(OSError):
            state = path.stat()
            if state.st_uid == os.getuid() and state.st_mtime >= begun - 1:
                found.add(path)
    if not found:
        return found
    for place in Path("/proc").glob("[0-9]*/maps"):
        with contextlib.suppress(OSError):
            used = place.read_text(encoding="utf-8", errors="replace")
            found = {path for path in found if str(path) not in used}
    return found


if __name__ == "__main__":
    watch(int(sys.argv[1]), sys.argv[2])
