"""The pool of processes: who dies is noticed, who is asked to stop may save, who does not is killed."""

import contextlib
import os
import signal
import sys
import threading
import time

import pool_work
import pytest

from tinyworlds.system import pool
from tinyworlds.system.pool import run_jobs


def test_every_job_is_done_whatever_the_number_of_processes():
    events = list(filter(None, run_jobs(pool_work.echo, list("abc"), 2)))
    assert sorted((event.job, event.kind, event.value) for event in events) == [
        (i, "done", letter) for i, letter in enumerate("abc")
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
def test_a_killed_process_is_noticed_though_its_child_lives_on(tmp_path):
    begun = time.monotonic()
    with contextlib.closing(run_jobs(pool_work.die, [tmp_path / "child"], 1, threading.Event())) as events:
        found = [event for event in events if event is not None]
    assert [(event.kind, event.value) for event in found][-1] == ("died", -signal.SIGKILL)
    assert time.monotonic() - begun < 20
    os.kill(int((tmp_path / "child").read_text(encoding="utf-8")), signal.SIGKILL)  # there all the time


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
def test_a_process_is_deaf_to_ctrl_c_from_its_first_moment():
    with contextlib.closing(run_jobs(pool_work.until_stopped, [0], 1, threading.Event())) as events:
        next(events)
        (worker,) = events.gi_frame.f_locals["workers"].values()
        with open(f"/proc/{worker.process.pid}/status", encoding="utf-8") as status:
            blocked = next(int(line.split()[1], 16) for line in status if line.startswith("SigBlk"))
    assert blocked & 1 << (signal.SIGINT - 1)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_work_is_asked_to_stop_and_what_it_returns_counts():
    stop = threading.Event()
    kinds = []
    with contextlib.closing(run_jobs(pool_work.until_stopped, [0, 1], 2, stop)) as events:
        for event in filter(None, events):
            kinds.append((event.kind, event.value))
            if len(kinds) > 3:
                stop.set()
    assert kinds.count(("done", "kept")) == 2


def test_work_that_does_not_stop_is_killed(monkeypatch):
    monkeypatch.setattr(pool, "_GRACE_S", 0.5)
    stop = threading.Event()
    with contextlib.closing(run_jobs(pool_work.for_ever, [0], 1, stop)) as events:
        found = []
        for event in filter(None, events):
            stop.set()
            found.append(event.kind)
    assert found == ["reached", "died"]


@pytest.mark.parametrize("can_stop", [False, True])
def test_closing_leaves_no_process(monkeypatch, can_stop):
    monkeypatch.setattr(pool, "_GRACE_S", 0.5)
    events = run_jobs(pool_work.for_ever, [0], 1, threading.Event() if can_stop else None)
    next(event for event in events if event is not None)
    processes = [worker.process for worker in events.gi_frame.f_locals["workers"].values()]
    events.close()
    assert [process.exitcode is None for process in processes] == [False]
