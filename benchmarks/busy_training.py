"""Training on a machine that others use, too: updates a second beside processes that never rest.

In turn: each fixed number of threads, and as training follows the cores (`ThreadChoice`). Updates are those
of the quickstart's dynamics, on made-up codes; the others begin when training runs already, so its threads
wait as OpenMP comes: ``python -m benchmarks.busy_training --busy 0 1 2 3``.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable

import torch

from benchmarks.busy import busy as busy_processes
from benchmarks.command import run
from tinyworlds.bench.report import Table
from tinyworlds.fit.updates import planned, update_of
from tinyworlds.system.cores import num_cores
from tinyworlds.system.options import PositiveFloat
from tinyworlds.training.thread_choice import ThreadChoice

Update = Callable[[], None]


def fixed_rate(update: Update, threads: int, seconds: float) -> float:
    """Updates a second with so many threads."""
    torch.set_num_threads(threads)
    update()
    begun, done = time.perf_counter(), 0
    while (passed := time.perf_counter() - begun) < seconds:
        update()
        done += 1
    return done / passed


def following_rate(update: Update, seconds: float) -> tuple[float, Counter[int]]:
    """Updates a second with threads that follow, from all of them on; and how many updates had how many."""
    choice, used = ThreadChoice(num_cores()), Counter[int]()
    begun = time.perf_counter()
    while (passed := time.perf_counter() - begun) < seconds:
        torch.set_num_threads(choice.num_threads)
        used[choice.num_threads] += 1
        start = time.perf_counter()
        update()
        choice.note(time.perf_counter() - start)
    return used.total() / passed, used


def _row(update: Update, count: int, fixed: list[int], seconds: float) -> tuple[str, ...]:
    with busy_processes(count):
        rates = []
        for threads in fixed:
            rates.append(fixed_rate(update, threads, seconds))
            print(f"beside {count}, {threads} threads: {rates[-1]:.2f}/s", file=sys.stderr, flush=True)
        following, used = following_rate(update, 2 * seconds)
    cells = [f"{rate:.2f}" for rate in (*rates, following, following / max(rates))]
    return str(count), *cells, ", ".join(f"{used[threads]} with {threads}" for threads in sorted(used))


def compare(
    busy: list[int] | None = None, seconds: PositiveFloat = 15.0, config: str = "doom_dynamics.yaml"
) -> None:
    """Print how fast training is beside other busy processes, and how near to the best fixed choice.

    Args:
        busy: beside how many, one row each (default: 0 1 2 3).
        seconds: of each fixed choice; following gets twice as long.
        config: of the stage whose updates are measured.
    """
    # dynamics take the size of a patch from their tokenizer, which is not here: that of the quickstarts
    work, stage = planned(["--config", config, "--data.frame_size=64", "--model.patch_size=8"])
    update = update_of(stage, work, work.batch)
    fixed = sorted({1, max(num_cores() // 2, 1), num_cores()})
    update()
    rows = [_row(update, count, fixed, seconds) for count in busy or [0, 1, 2, 3]]
    names = (f"{threads} thread{'s' * (threads > 1)}" for threads in fixed)
    columns = ("busy", *names, "following", "over the best fixed", "updates")
    print(Table(f"Updates/s of {config} beside busy processes", columns, tuple(rows)))


if __name__ == "__main__":
    run(compare, "busy_training")
