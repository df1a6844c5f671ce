"""Jobs in several processes, started afresh (spawn): alike on every system, and a crash costs one job."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Literal, TypeAlias

from tinyworlds.errors import TinyWorldsError

REPORT_S = 0.2  # between two messages of a process about how far it is
_ASK_S = 0.02  # between two looks whether to stop
_GRACE_S = 10.0  # that a process has to end its work

Work: TypeAlias = Callable[[Any, Callable[[Any], None], Callable[[], bool]], Any]
"""Called in a process with a job, a function that says how far it is, and one that tells whether to stop."""


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

    def is_heard(self, connection: Connection) -> bool:
        """Whether it has something to say, its death included, whoever else holds its end of the pipe."""
        return _has_message(connection) or self.process.exitcode is not None


def run_jobs(
    work: Work, jobs: Sequence[Any], num_processes: int, stop: threading.Event | None = None
) -> Generator[Event | None, None, None]:
    """Do jobs in `num_processes` processes; yield what they say, and None after a while in which none does.

    Close this generator (``contextlib.closing``) and no process is left.

    Args:
        work: what to do with a job; of a module, since it is imported in the other processes.
        jobs: the jobs, picklable.
        num_processes: how many at a time.
        stop: set it, or close, and the work is asked to stop; who has not ten seconds later is killed.
            Without it work is terminated at once.
    """
    context = multiprocessing.get_context("spawn")
    waiting = deque(range(len(jobs)))
    workers: dict[Connection, _Worker] = {}
    stopped: float | None = None

    def give(connection: Connection, worker: _Worker) -> None:
        worker.job = waiting.popleft()
        _send(connection, jobs[worker.job])

    try:
        while (waiting and stopped is None) or workers:
            while waiting and stopped is None and len(workers) < num_processes:
                connection, theirs = context.Pipe()
                process = context.Process(target=_serve, args=(theirs, work, stop is not None), daemon=True)
                with _deaf():
                    process.start()
                theirs.close()  # else the end of the process would go unnoticed
                workers[connection] = _Worker(process, -1)
                give(connection, workers[connection])
            wait(list(workers), REPORT_S)
            heard = [connection for connection, worker in workers.items() if worker.is_heard(connection)]
            if not heard:
                yield None
            for connection in heard:
                worker = workers[connection]
                event = _receive(connection, worker)
                yield event
                if event.kind == "done" and waiting:
                    give(connection, worker)
                elif event.kind != "reached":
                    _end(connection, workers.pop(connection))
            if stopped is None and stop is not None and stop.is_set():
                stopped = time.monotonic()
                _ask_to_stop(workers)
            if stopped is not None and time.monotonic() - stopped > _GRACE_S:
                for worker in workers.values():
                    worker.process.kill()
    finally:
        if stop is not None:
            _ask_to_stop(workers)
        for connection, worker in workers.items():
            if stop is None:
                worker.process.terminate()
            _end(connection, worker)


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Start a process deaf to Ctrl-C, which reaches all, from its first moment: the first process ends it."""
    if os.name != "posix":
        yield
        return
    resource_tracker.ensure_running()  # whose start would let signals through
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _ask_to_stop(workers: dict[Connection, _Worker]) -> None:
    for connection in workers:
        _send(connection, None)


def _has_message(connection: Connection) -> bool:
    """Whether there is something to receive, be it only the end."""
    try:
        return connection.poll(0)
    except OSError:  # the end, on Windows
        return True


def _send(connection: Connection, message: Any) -> None:
    with contextlib.suppress(OSError):  # that it died is seen where it is listened to
        connection.send(message)


def _receive(connection: Connection, worker: _Worker) -> Event:
    if _has_message(connection):
        with contextlib.suppress(EOFError, OSError):
            return Event(worker.job, *connection.recv())
    _wait_for(worker.process)
    return Event(worker.job, "died", worker.process.exitcode)


def _end(connection: Connection, worker: _Worker) -> None:
    connection.close()
    _wait_for(worker.process)


def _wait_for(process: BaseProcess) -> None:
    process.join(_GRACE_S)
    if process.exitcode is None:
        process.kill()
        process.join()


def _serve(connection: Connection, work: Work, can_stop: bool) -> None:
    """What a process does: jobs, one after the other, until the other side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it could not be started deaf
    _keep_files()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    line = _Line(connection, can_stop)
    with contextlib.suppress(EOFError, OSError):
        while (job := connection.recv()) is not None:
            try:
                result = work(job, line.report, line.stopped)
            except TinyWorldsError as error:
                result = error
            if line.is_terminated:
                sys.exit(128 + signal.SIGTERM)
            connection.send(("done", result))


class _Line:
    """The line to the first process, seen from a worker."""

    def __init__(self, connection: Connection, can_stop: bool) -> None:
        self.is_terminated = False
        self._connection, self._can_stop = connection, can_stop
        self._is_stopped = False
        self._reported = self._asked = 0.0
        if can_stop:
            signal.signal(signal.SIGTERM, self._terminate)

    def report(self, value: Any) -> None:
        """Say how far the work is, now and then."""
        now = time.monotonic()
        if now - self._reported > REPORT_S and not self._is_stopped:
            self._reported = now
            try:
                self._connection.send(("reached", value))
            except OSError:  # the first process is gone
                if not self._can_stop:
                    raise SystemExit(1) from None
                self._is_stopped = True

    def stopped(self) -> bool:
        """Whether the work shall stop: the first process said so, or is gone."""
        now = time.monotonic()
        if not self._is_stopped and now - self._asked > _ASK_S:
            self._asked = now
            self._is_stopped = _has_message(self._connection)  # jobs come one at a time: it is no other one
        return self._is_stopped

    def _terminate(self, number: int, frame: Any) -> None:
        self.is_terminated = self._is_stopped = True


def _keep_files() -> None:
    """Hand no open file on to what is started here: engines would hold the pipes and hide our end."""
    with contextlib.suppress(OSError):  # Windows hands on none anyway
        for name in os.listdir("/dev/fd"):
            with contextlib.suppress(OSError):
                if int(name) > 2:
                    os.set_inheritable(int(name), False)


def _end_with_parent() -> None:
    """Leave some time after the first process has ended, if the work does not stop by itself."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        time.sleep(_GRACE_S)
        os._exit(1)
