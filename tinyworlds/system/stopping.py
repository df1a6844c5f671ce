"""Ctrl-C, SIGTERM and a terminal that closes, as a question that work asks when it suits: shall I end?"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Interrupts:
    """Whether somebody wants this process to end; false until then."""

    def __init__(self) -> None:
        self._number: int | None = None

    def __call__(self) -> bool:
        """Whether the work shall end."""
        return self._number is not None

    def end(self) -> None:
        """Raise what belongs to the signal that came, if one did.

        Raises:
            KeyboardInterrupt: Ctrl-C.
            SystemExit: another signal, with the exit code that shells give it.
        """
        if self._number == signal.SIGINT:
            raise KeyboardInterrupt
        if self._number is not None:
            raise SystemExit(128 + self._number)

    def note(self, number: int, frame: FrameType | None) -> None:
        """Remember a signal; the next one ends the process at once."""
        self._number = number
        for other in terminal_signals():
            if signal.getsignal(other) == self.note:
                signal.signal(other, _at_once(other))


@contextmanager
def interrupts() -> Iterator[Interrupts]:
    """Note signals instead of being interrupted by the first; a second one ends the process.

    At a second one the system itself ends the process: no Python runs that could be in the middle of a
    library's callback. Only where a person types (a notebook) it raises KeyboardInterrupt, so that what they
    have in memory stays. Outside the main thread, which alone may handle signals, nothing is noted.
    """
    noted = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return
    before = {}
    for number in terminal_signals():
        usual = signal.getsignal(number)
        if number == signal.SIGINT or usual == signal.SIG_DFL:  # as nohup leaves it, it stays
            before[number] = signal.signal(number, noted.note)
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def terminal_signals() -> list[signal.Signals]:
    """Return the signals that ask a process to end."""
    names = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
    return [getattr(signal, name) for name in names if hasattr(signal, name)]


def _at_once(number: int) -> Callable[[int, FrameType | None], Any] | signal.Handlers:
    is_typed = number == signal.SIGINT and hasattr(sys, "ps1")
    return signal.default_int_handler if is_typed else signal.SIG_DFL
