"""Videos in several processes, started afresh (spawn): alike on every system, and a crash costs one video."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from tinyworlds.errors import DataError, StorageError, TinyWorldsError
from tinyworlds.sources.ingest.extract import Job, extract
from tinyworlds.sources.ingest.pieces import State

_REPORT_S = 0.2


@dataclass
class _Worker:
    """A process, the connection to it, and what it works at."""

    process: BaseProcess
    number: int


def extract_all(
    jobs: Sequence[Job], num_processes: int, progress: Callable[[int, int], None]
) -> Iterator[tuple[int, State | TinyWorldsError]]:
    """Extract videos in `num_processes` processes; yield each one's number and result as it ends.

    Args:
        jobs: the videos.
        num_processes: how many at a time.
        progress: called with a video's number and the bytes of it read so far.

    Raises:
        StorageError: the disk is full; nothing more is begun.
    """
    context = multiprocessing.get_context("spawn")
    waiting, workers = deque(range(len(jobs))), {}
    try:
        while waiting or workers:
            while waiting and len(workers) < num_processes:
                connection, worker = _start(context)
                workers[connection] = worker
                worker.number = _give(connection, jobs, waiting)
            for connection in wait(list(workers)):
                worker = workers[connection]
                kind, value = _receive(connection, worker, jobs)
                if kind == "progress":
                    progress(worker.number, value)
                    continue
                if isinstance(value, StorageError):
                    raise value
                yield worker.number, value
                if kind == "crash" or not waiting:
                    _stop(connection, workers.pop(connection))
                else:
                    worker.number = _give(connection, jobs, waiting)
    finally:
        for connection, worker in workers.items():
            worker.process.terminate()
            _stop(connection, worker)


def _start(context: Any) -> tuple[Connection, _Worker]:
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs,), daemon=True)
    process.start()
    theirs.close()  # else the end of the process would go unnoticed
    return ours, _Worker(process, -1)


def _give(connection: Connection, jobs: Sequence[Job], waiting: deque[int]) -> int:
    number = waiting.popleft()
    connection.send(jobs[number])
    return number


def _receive(connection: Connection, worker: _Worker, jobs: Sequence[Job]) -> tuple[str, Any]:
    try:
        return connection.recv()
    except (EOFError, ConnectionResetError):
        worker.process.join()
        code = worker.process.exitcode
        path = jobs[worker.number].path
        return "crash", DataError(f"{path}: its decoder crashed (exit code {code}); repair or convert it")


def _stop(connection: Connection, worker: _Worker) -> None:
    connection.close()
    worker.process.join()


def _work(connection: Connection) -> None:
    """What a process does: videos, one after the other, until the other side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the first process ends the others
    try:
        while True:
            connection.send(_result(connection.recv(), connection))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _result(job: Job, connection: Connection) -> tuple[str, State | TinyWorldsError]:
    reported = 0.0

    def report(position: int) -> None:
        nonlocal reported
        now = time.monotonic()
        if now - reported > _REPORT_S:
            reported = now
            connection.send(("progress", position))

    try:
        return "done", extract(job, report)
    except TinyWorldsError as error:
        return "done", error
