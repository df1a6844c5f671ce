"""Jobs in several processes, started afresh (spawn): alike on every system, and a crash costs one job."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Literal, TypeAlias

from tinyworlds.errors import TinyWorldsError

REPORT_S = 0.2  # between two messages of a process about how far it is

Work: TypeAlias = Callable[[Any, Callable[[Any], None], Any], Any]
"""Called in a process with a job, a function that says how far it is, and the event to stop at; picklable."""


@dataclass(frozen=True)
class Event:
    """What a process has to say.

    Attributes:
        job: number of the job it works at.
        kind: how far it is, that it is done, or that the process died.
        value: what it reported; what the work returned, or the TinyWorldsError it raised; the exit code.
    """

    job: int
    kind: Literal["reached", "done", "died"]
    value: Any


@dataclass
class _Worker:
    process: BaseProcess
    job: int


def run_jobs(
    work: Work, jobs: Sequence[Any], num_processes: int, stop: Any = None
) -> Generator[Event | None, None, None]:
    """Do jobs in `num_processes` processes; yield what they say, and None after a while in which none does.

    Close this generator (``contextlib.closing``) and no process is left.

    Args:
        work: what to do with a job; of a module, since it is imported in the other processes.
        jobs: the jobs, picklable.
        num_processes: how many at a time.
        stop: an event that ends the work when it is set, which closing does; without one it is terminated.
    """
    context = multiprocessing.get_context("spawn")
    waiting = deque(range(len(jobs)))
    workers: dict[Connection, _Worker] = {}

    def give(connection: Connection, worker: _Worker) -> None:
        worker.job = waiting.popleft()
        connection.send(jobs[worker.job])

    try:
        while waiting or workers:
            while waiting and len(workers) < num_processes:
                connection, theirs = context.Pipe()
                process = context.Process(target=_serve, args=(theirs, work, stop), daemon=True)
                process.start()
                theirs.close()  # else the end of the process would go unnoticed
                workers[connection] = _Worker(process, -1)
                give(connection, workers[connection])
            speaking = wait(list(workers), REPORT_S)
            if not speaking:
                yield None
            for connection in [connection for connection in workers if connection in speaking]:
                worker = workers[connection]
                event = _receive(connection, worker)
                yield event
                if event.kind == "done" and waiting:
                    give(connection, worker)
                elif event.kind != "reached":
                    _end(connection, workers.pop(connection))
    finally:
        if stop is not None:
            stop.set()
        for connection, worker in workers.items():
            if stop is None:
                worker.process.terminate()
            _end(connection, worker)


def _receive(connection: Connection, worker: _Worker) -> Event:
    try:
        return Event(worker.job, *connection.recv())
    except (EOFError, ConnectionResetError):
        worker.process.join()
        return Event(worker.job, "died", worker.process.exitcode)


def _end(connection: Connection, worker: _Worker) -> None:
    connection.close()
    worker.process.join()


def _serve(connection: Connection, work: Work, stop: Any) -> None:
    """What a process does: jobs, one after the other, until the other side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the first process ends the others
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            job = connection.recv()
            try:
                result = work(job, _reporter(connection), stop)
            except TinyWorldsError as error:
                result = error
            connection.send(("done", result))


def _reporter(connection: Connection) -> Callable[[Any], None]:
    reported = 0.0

    def report(value: Any) -> None:
        nonlocal reported
        now = time.monotonic()
        if now - reported > REPORT_S:
            reported = now
            try:
                connection.send(("reached", value))
            except (BrokenPipeError, ConnectionResetError):
                raise SystemExit(1) from None  # the first process is gone

    return report
