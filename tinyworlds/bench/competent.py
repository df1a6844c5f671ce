"""The plain code as a competent engineer would run it today: the baseline that speed is claimed against.

The same reference with the two settings that cost nobody more than a minute: attention in one call of
PyTorch (``scaled_dot_product_attention``), and a C library that keeps freed memory for the next allocation
instead of asking the system for fresh pages. The latter is set before a process starts, so it has its own.

    with competent(play_step, size, "cpu") as step:
        step()
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

from tinyworlds.errors import StorageError

COMPETENT = "reference, SDPA, memory kept"
"""Its name among contestants."""

KEPT_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40)}
"""Settings of the GNU C library by which freed memory stays with the process; others do not read them."""


@contextlib.contextmanager
def competent(make: Callable[..., Callable[[], object]], *given: Any) -> Iterator[Callable[[], None]]:
    """Run what ``make(*given)`` returns in a process of its own, once for each call.

    Args:
        make: A function of a module, which builds a contestant there.
        given: Its arguments, which travel to that process.

    Raises:
        StorageError: that process ended by itself; on most machines for want of memory.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_serve, args=(theirs, torch.get_num_threads(), make, given), daemon=True)
    with _environment(KEPT_MEMORY):
        child.start()
    theirs.close()

    def run() -> None:
        try:
            ours.send(None)
            ours.recv()
        except (EOFError, OSError):
            raise StorageError(
                "the plain code that speed is compared with ended by itself, most likely for want of memory; "
                "measure a smaller size"
            ) from None

    try:
        yield run
    finally:
        ours.close()
        child.terminate()
        child.join()


def _serve(
    pipe: Any, num_threads: int, make: Callable[..., Callable[[], object]], given: tuple[Any, ...]
) -> None:
    """Run a contestant whenever the other end asks, until that end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the other process, and that one this
    torch.set_num_threads(num_threads)
    run = make(*given)
    while True:
        try:
            pipe.recv()
        except EOFError:
            return
        run()
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        pipe.send(None)


@contextlib.contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Set variables inside, for processes that start there."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
