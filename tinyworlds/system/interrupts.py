"""Stretches of work that Ctrl-C must not cut in two.

Python runs a signal's handler between any two steps of the main thread, and that of Ctrl-C raises there.
Where a library written in C calls back into Python, the exception goes through the library: HDF5 loses what
it was about to write, goes on without a word, and may crash.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

_NAMES = ("SIGTERM", "SIGHUP", "SIGBREAK", "SIGINT")  # no system has all of them
_SIGNALS = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Let signals that Python handles wait for the end of the block; keep it short. May be nested.

    Signals that end the process at once, as SIGKILL and by default SIGTERM, still do.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # handlers run in the main thread only
        return
    handlers: dict[int, Any] = {}
    came: list[int] = []
    try:
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler):
                handlers[number] = handler
                signal.signal(number, lambda number, _: came.append(number))
        yield
    finally:
        _restore(handlers)
        if came:
            signal.raise_signal(came[0])


def _restore(handlers: dict[int, Any]) -> None:
    """Put all handlers back, though one that is back may raise already."""
    if handlers:
        number, handler = handlers.popitem()
        try:
            signal.signal(number, handler)
        finally:
            _restore(handlers)
