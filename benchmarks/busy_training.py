"""Training on a machine that others use, too: updates a second beside processes that never rest.

In turn, in processes of their own: each fixed number of threads, and as training follows the cores
(`tinyworlds.training.thread_choice`): ``python -m benchmarks.busy_training --busy 0 1 2 3``. Updates are
those of the quickstart's dynamics, on made-up codes.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter

from benchmarks.busy import busy as busy_processes
from benchmarks.command import run
from tinyworlds.bench.report import Table
from tinyworlds.system.cores import num_cores
from tinyworlds.system.options import PositiveFloat

FOLLOWING = 0
"""Stands for the number of threads that follows."""


def updates_per_second(threads: int, seconds: float, config: str) -> tuple[float, dict[int, int]]:
    """Train here for so long; also return how many updates had how many threads."""
    import torch

    from tinyworlds.fit.updates import planned, update_of
    from tinyworlds.training.thread_choice import ThreadChoice

    work, stage = planned(["--config", config, "--data.frame_size=64"])
    update = update_of(stage, work, work.batch)
    torch.set_num_threads(threads or num_cores())
    update()
    choice = ThreadChoice(num_cores()) if threads == FOLLOWING else None
    used: Counter[int] = Counter()
    begun = time.perf_counter()
    while (passed := time.perf_counter() - begun) < seconds:
        if choice is not None:
            torch.set_num_threads(choice.num_threads)
        used[torch.get_num_threads()] += 1
        start = time.perf_counter()
        update()
        if choice is not None:
            choice.note(time.perf_counter() - start)
    return used.total() / passed, dict(used)


def _in_child(threads: int, seconds: float, config: str) -> tuple[float, str]:
    code = (
        "import tinyworlds; from benchmarks.busy_training import updates_per_second as measure; "
        f"print(*measure({threads}, {seconds}, {config!r}), sep=';')"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True)
    rate, used = done.stdout.strip().splitlines()[-1].split(";")
    return float(rate), used


def _row(count: int, seconds: float, config: str, fixed: list[int]) -> tuple[str, ...]:
    with busy_processes(count):
        rates = {threads: _in_child(threads, seconds, config) for threads in (*fixed, FOLLOWING)}
    best = max(rates[threads][0] for threads in fixed)
    following, used = rates[FOLLOWING]
    cells = [f"{rates[threads][0]:.2f}" for threads in fixed]
    return str(count), *cells, f"{following:.2f}", f"{following / best:.2f}", used


def compare(
    busy: list[int] | None = None, seconds: PositiveFloat = 20.0, config: str = "doom_dynamics.yaml"
) -> None:
    """Print how fast training is beside other busy processes, and how near to the best fixed choice.

    Args:
        busy: beside how many, one row each (default: 0 1 2 3).
        seconds: of each measurement.
        config: of the stage whose updates are measured.
    """
    fixed = sorted({1, max(num_cores() // 2, 1), num_cores()})
    rows = [_row(count, seconds, config, fixed) for count in busy or [0, 1, 2, 3]]
    names = (f"{threads} thread{'s' * (threads > 1)}" for threads in fixed)
    columns = ("busy", *names, "following", "over the best fixed", "updates by threads")
    print(Table(f"Updates/s of {config} beside busy processes", columns, tuple(rows)))


if __name__ == "__main__":
    run(compare, "busy_training")
