"""A command in a process of its own that ends when this one does."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_PARENT = "TINYWORLDS_PARENT"
_PR_SET_PDEATHSIG = 1  # of Linux: the signal to send when the parent has died


def run_child(command: Sequence[str]) -> int:
    """Run a command to its end and return its exit code; -N if signal N ended it.

    Ctrl-C reaches it as it reaches this process, and SIGTERM is passed on; either way it is waited for, so
    that it can save. On Linux a child that calls `end_with_parent` gets SIGTERM too if this one is killed.
    """
    child = subprocess.Popen(command, env={**os.environ, _PARENT: str(os.getpid())})
    with _passing_on(child):
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:
                continue


def end_with_parent() -> int | None:
    """In a child of `run_child`: be told with SIGTERM when the parent dies, however it does.

    Returns:
        The process id of that parent; None in a process that is no such child.
    """
    parent = os.environ.pop(_PARENT, None)  # children of this process have another
    if parent is None or sys.platform != "linux":
        return int(parent) if parent is not None else None
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):  # it had died before that
        signal.raise_signal(signal.SIGTERM)
    return int(parent)


@contextmanager
def _passing_on(child: subprocess.Popen[bytes]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # which alone may handle signals
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
