"""Play on a machine that others use, too: frames a second beside 0, 1 and 2 processes that never rest.

In turn, in processes of their own: as OpenMP comes, with threads that sleep early, and as `waiting_threads`
chooses by what it sees: ``python -m benchmarks.busy --rounds 5``.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping

import numpy as np
import torch

from benchmarks.command import run
from tinyworlds.bench.play import playing
from tinyworlds.bench.report import Table
from tinyworlds.bench.sizes import find_size, references, same_weights
from tinyworlds.bench.worlds import our_world
from tinyworlds.system import threads as waiting_threads

_WAYS = {  # what a process imports first, and its settings
    "as OpenMP comes": ("torch", {}),
    "sleeping early": ("torch", {waiting_threads.SETTING: waiting_threads.FEW}),
    "as we choose": ("tinyworlds", {}),
}


def frames_per_second(size_name: str, seconds: float) -> float:
    """Play here for so long."""
    size = find_size(size_name)
    networks = same_weights(size, references(size))
    step = playing(our_world(networks, size, torch.device("cpu")), size)
    for _ in range(3):
        step()
    begin, count = time.perf_counter(), 0
    while (passed := time.perf_counter() - begin) < seconds:
        step()
        count += 1
    return count / passed


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that never rest."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def table(size: str, rounds: int, seconds: float, others: int) -> Table:
    """Frames a second by how many others are busy, and by how threads wait; medians of the rounds."""
    rows = []
    for count in range(others + 1):
        with busy(count):
            found = [[_play(size, seconds, *way) for way in _WAYS.values()] for _ in range(rounds)]
        times = np.median(np.divide(found, [[row[0]] for row in found]), axis=0)
        cells = [f"{rate:.1f} ({ratio:.2f})" for rate, ratio in zip(np.median(found, 0), times, strict=True)]
        rows.append((str(count), *cells))
    title = f"Play of size {size}, frames/s (times as fast as the first) beside busy processes"
    return Table(title, ("busy", *_WAYS), tuple(rows))


def _play(size: str, seconds: float, first: str, settings: Mapping[str, str]) -> float:
    given = {name: value for name, value in os.environ.items() if name != waiting_threads.SETTING}
    code = f"import {first}; from benchmarks import busy; print(busy.frames_per_second({size!r}, {seconds}))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=given | settings, check=True, stdout=subprocess.PIPE, text=True
    )
    return float(done.stdout)


def compare(size: str = "sonic", rounds: int = 3, seconds: float = 4.0, others: int = 2) -> None:
    """Print how fast play is beside other busy processes.

    Args:
        size: sonic or zelda.
        rounds: how often each is measured.
        seconds: of each measurement.
        others: beside how many, at most.
    """
    find_size(size)
    print(table(size, rounds, seconds, others))


if __name__ == "__main__":
    run(compare, "busy")
