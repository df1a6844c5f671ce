"""Several processes that wait for each other: one that waits in vain says so after a minute and ends.

A collective waits for every process. One that has died, is stopped, or asks for something else than the rest
would keep them for the half hour that torch waits, deaf to signals. So each process has a thread beside its
work that tells the others every few seconds that it lives, and where it waits if it does. Long work in one
process, such as pictures or a cache, is no reason to end: that process lives and does not wait.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import torch.distributed as dist
from lightning.pytorch import Trainer

from tinyworlds.errors import TrainingError

PATIENCE_S = float(os.environ.get("TINYWORLDS_PEER_PATIENCE", 60))
"""Seconds that a process waits for one that gives no sign of life, or for others that wait, too."""

_TICK_S = 2.0
_SIGNAL_PATIENCE_S = 10.0
_BACKWARD = "torch/autograd/graph.py"
_WAITING = ("torch/distributed/", "torch/nn/parallel/", _BACKWARD)
"""Where the main thread is while it waits for others; a backward pass adds gradients up over all of them."""
_BACKWARDS = 10
"""How many times longer a backward pass, which also computes, may take than other waits."""


@dataclass(frozen=True)
class Pulse:
    """What a process tells the others.

    Attributes:
        count: of its pulses; one that stays is that of a process that does not run.
        waits_s: seconds that it has been waiting in one and the same call.
        where: that call, and who asked for it.
        computes: whether that call may as well be computing.
    """

    count: int = 0
    waits_s: float = 0.0
    where: str = ""
    computes: bool = False

    def waits_for(self, patience_s: float) -> bool:
        """Whether it has been waiting for so long that it does not compute."""
        return self.waits_s >= patience_s * (_BACKWARDS if self.computes else 1)


class Stillness:
    """How long the main thread has been waiting in one and the same call."""

    def __init__(self) -> None:
        self._thread = threading.main_thread().ident or 0
        self._call: tuple[int, ...] = ()
        self._since = time.monotonic()

    def look(self) -> tuple[float, str, bool]:
        """Return for how many seconds it waits, 0 while it works; where; whether it may compute there."""
        frame = sys._current_frames().get(self._thread)
        if frame is None or not _is_waiting(frame):
            self._call = ()
            return 0.0, "", False
        call = (id(frame), frame.f_lasti, _collectives_so_far())
        if call != self._call:
            self._call, self._since = call, time.monotonic()
        return time.monotonic() - self._since, _where(frame), _BACKWARD in _path(frame)

    def begin_anew(self) -> None:
        """Count from now on."""
        self._since = time.monotonic()


def _is_waiting(frame: FrameType) -> bool:
    return any(part in _path(frame) for part in _WAITING)


def _path(frame: FrameType) -> str:
    return frame.f_code.co_filename.replace(os.sep, "/")


_OTHERS = ("/torch/", "/lightning/", "/contextlib.py")
"""Code that waits on somebody's behalf."""


def _collectives_so_far() -> int:
    if not dist.is_initialized():
        return 0
    with contextlib.suppress(Exception):  # not every backend counts
        return dist.group.WORLD._get_sequence_number_for_group()  # type: ignore[union-attr]
    return 0


def _where(frame: FrameType) -> str:
    """Return the name of a call that waits, and the nearest line outside of torch and Lightning."""
    outer: FrameType | None = frame
    while outer is not None and any(part in _path(outer) for part in _OTHERS):
        outer = outer.f_back
    caller = f" for {Path(outer.f_code.co_filename).name}:{outer.f_lineno}" if outer is not None else ""
    return f"{frame.f_code.co_name}{caller}"


def verdict(
    own: Pulse, others: Mapping[int, Pulse | None], silent_s: Mapping[int, float], patience_s: float
) -> str | None:
    """Return why a process waits in vain; None while there is hope.

    Args:
        own: where this process stands.
        others: the last pulses of the other processes, by rank; None of one that never gave any.
        silent_s: for how long each has given no new one.
        patience_s: how long to wait.
    """
    if own.waits_s < patience_s:
        return None
    silent = [rank for rank, seconds in silent_s.items() if seconds >= patience_s]
    if silent:
        names = ", ".join(map(str, silent))
        return (
            f"process {names} of this training has given no sign of life for {patience_s:.0f} s (ended, "
            f"stopped or out of reach), and this one waits in {own.where}"
        )
    if all(pulse is not None and pulse.waits_for(patience_s) for pulse in (own, *others.values())):
        places = "; ".join(f"process {rank} in {pulse.where}" for rank, pulse in others.items() if pulse)
        return f"all processes of this training wait for each other: this one in {own.where}; {places}"
    return None


@contextlib.contextmanager
def watched(trainer: Trainer) -> Iterator[None]:
    """While the block runs, end this process when it waits in vain for the others; does nothing alone."""
    if trainer.world_size == 1 or threading.current_thread() is not threading.main_thread():
        yield
        return
    watch = _Watch(trainer)
    watch.start()
    try:
        yield
    finally:
        watch.stop()


class _Watch(threading.Thread):
    """The thread beside the work."""

    def __init__(self, trainer: Trainer) -> None:
        super().__init__(name="peers", daemon=True)
        self._trainer = trainer
        self._stillness = Stillness()
        self._talk: _Talk | None = None
        self._seen: dict[int, tuple[Pulse | None, float]] = {}
        self._count = 0
        self._ending = threading.Event()
        self._signals, write = socket.socketpair()
        self._signals.setblocking(False)
        write.setblocking(False)
        self._write = write
        self._before = signal.set_wakeup_fd(write.fileno(), warn_on_full_buffer=False)
        self._asked_to_end: tuple[int, float] | None = None

    def stop(self) -> None:
        """End the thread, and give the signals back."""
        self._ending.set()
        signal.set_wakeup_fd(self._before)
        with contextlib.suppress(OSError):
            self._write.send(b"\0")
        self.join(2 * _TICK_S)
        if self._talk is not None:  # a thread within torch at the end of Python would abort it
            self._talk.ending.set()
            self._talk.join(5 * _TICK_S)

    def run(self) -> None:
        """Tell and look, every few seconds."""
        before = time.monotonic()
        while not self._ending.is_set():
            self._hear_signals()
            now = time.monotonic()
            if now - before > 5 * _TICK_S:  # this process was stopped: all have another chance
                self._stillness.begin_anew()
                self._seen = {rank: (pulse, now) for rank, (pulse, _) in self._seen.items()}
            before = now
            with contextlib.suppress(Exception):
                self._look(now)

    def _hear_signals(self) -> None:
        """Wait for a tick, or a signal, which the main thread does not hear while it waits."""
        if select.select([self._signals], [], [], _TICK_S)[0]:
            heard = self._signals.recv(64)
            ends = [number for number in heard if number in (signal.SIGTERM, signal.SIGINT)]
            if ends and self._asked_to_end is None:
                self._asked_to_end = (ends[0], time.monotonic())

    def _look(self, now: float) -> None:
        self._count += 1
        own = Pulse(self._count, *self._stillness.look())
        if self._asked_to_end is not None and own.waits_s >= _SIGNAL_PATIENCE_S:
            number, at = self._asked_to_end
            if now - at >= _SIGNAL_PATIENCE_S:
                self._end(
                    f"ended by {signal.Signals(number).name} while waiting in {own.where}", 128 + number
                )
        others, silent_s = self._exchange(own, now)
        if not others and _any_child_lives(self._trainer) and own.waits_s < 10 * PATIENCE_S:
            return  # processes that this one started and that still load the program
        why = verdict(own, others, silent_s, PATIENCE_S)
        if why is not None and not self._ending.is_set():
            self._end(f"{why}; go on with --ckpt_path last", TrainingError.exit_code)

    def _exchange(self, own: Pulse, now: float) -> tuple[dict[int, Pulse | None], dict[int, float]]:
        """Tell the others, and return what they told: nothing before they have met."""
        rank = self._trainer.global_rank
        others = [number for number in range(self._trainer.world_size) if number != rank]
        if self._talk is None and dist.is_initialized():
            self._talk = _Talk(rank, others)
            self._talk.start()
        if self._talk is None:
            return {}, dict.fromkeys(others, own.waits_s)
        self._talk.own = own
        for number in others:
            pulse = self._talk.told.get(number)
            last, at = self._seen.get(number, (None, now))
            self._seen[number] = (pulse, at if pulse == last else now)
        return (
            {number: pulse for number, (pulse, _) in self._seen.items()},
            {number: now - at for number, (_, at) in self._seen.items()},
        )

    def _end(self, why: str, code: int) -> None:
        """Say why, once for all processes, and leave: the main thread cannot be woken."""
        if self._talk is None or self._talk.ends_first():
            print(f"error: {why}", file=sys.stderr, flush=True)
            time.sleep(2 * _TICK_S)  # the others see that it is said, before all that is told here ends
        for child in _children(self._trainer):
            child.kill()
        os._exit(code)


class _Talk(threading.Thread):
    """Hands pulses over, in a thread of its own: one that is stopped may keep whoever asks it.

    Attributes:
        own: what to tell.
        told: the last pulse of each other process.
    """

    def __init__(self, rank: int, others: list[int]) -> None:
        super().__init__(name="pulses", daemon=True)
        self._store: Any = None
        self._rank, self._others = rank, others
        self._heard_at = time.monotonic()
        self.ending = threading.Event()
        self.own = Pulse()
        self.told: dict[int, Pulse] = {}

    def run(self) -> None:
        """Tell and ask, until the process that holds what is told has ended."""
        with contextlib.suppress(Exception):
            store: Any = dist.distributed_c10d._get_default_store()
            self._store = store.clone()  # a connection of its own: the other may be waiting
            self._store.set_timeout(timedelta(seconds=5 * _TICK_S))
            while not self.ending.is_set():
                self._store.set(f"pulse/{self._rank}", json.dumps(vars(self.own)))
                for rank in self._others:
                    if self._store.check([f"pulse/{rank}"]):
                        self.told[rank] = Pulse(**json.loads(self._store.get(f"pulse/{rank}")))
                self._heard_at = time.monotonic()
                self.ending.wait(_TICK_S)

    def ends_first(self) -> bool:
        """Whether no other process has said that it ends."""
        if not self.is_alive() or time.monotonic() - self._heard_at > 2 * _TICK_S:
            return True  # nobody can be asked
        with contextlib.suppress(Exception):
            return self._store.add("ended", 1) == 1
        return True


def is_loss_of_a_peer(error: BaseException) -> bool:
    """Whether an error says that another process of a training has ended."""
    kinds = (dist.DistBackendError, dist.DistNetworkError, dist.DistStoreError)
    return isinstance(error, kinds) or (isinstance(error, RuntimeError) and "gloo/transport" in str(error))


def _children(trainer: Trainer) -> list[Any]:
    return list(getattr(trainer.strategy.launcher, "procs", ()))


def _any_child_lives(trainer: Trainer) -> bool:
    return any(child.poll() is None for child in _children(trainer))
