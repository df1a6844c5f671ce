"""The shares of a recording: one in this process, several in processes started afresh (spawn).

Each share is played with numbers of its own and does not know of the others, so the result does not depend on
which is faster.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tinyworlds.errors import DataError, TinyWorldsError
from tinyworlds.sources.record.environments import LiveGame
from tinyworlds.sources.record.share import RecordingSettings, Share, play_share
from tinyworlds.system.files import storing
from tinyworlds.system.locks import locked
from tinyworlds.system.pool import Event, run_jobs


def play_here(
    share: Share, settings: RecordingSettings, game: LiveGame, reached: Callable[[int, int], None]
) -> None:
    """Play one share in this process.

    Raises:
        KeyboardInterrupt: Ctrl-C; what was recorded until then is kept.
    """
    with _interrupts() as stopped:
        play_share(share, settings, game, lambda done: reached(share.number, done), stopped)
        if stopped():
            raise KeyboardInterrupt


def play_in_processes(
    shares: Sequence[Share], settings: RecordingSettings, reached: Callable[[int, int], None]
) -> None:
    """Play every share in a process of its own; wait until all are done.

    Args:
        shares: at least one.
        settings: of the recording.
        reached: called with the number of a share and how many frames it has.

    Raises:
        KeyboardInterrupt: Ctrl-C; what was recorded until then is kept.
        TinyWorldsError: one failed or died; the others are stopped and keep what they have.
    """
    stop = multiprocessing.get_context("spawn").Event()
    jobs = [(share, settings) for share in shares]
    failure: BaseException | None = None
    with _interrupts() as stopped, contextlib.closing(run_jobs(_record, jobs, len(jobs), stop)) as events:
        for event in events:
            if event is not None:
                share = shares[event.job]
                failure = _failure(share, event) or failure
                if event.kind != "died" and isinstance(event.value, int):
                    reached(share.number, event.value)
            if stopped():
                failure = failure or KeyboardInterrupt()
            if failure is not None:
                stop.set()
    if failure is not None:
        raise failure


def _failure(share: Share, event: Event) -> TinyWorldsError | None:
    if event.kind == "died":
        return DataError(
            f"process {share.number + 1} of the recording died (exit code {event.value}); what it recorded "
            "is kept, run the command again to go on"
        )
    return event.value if isinstance(event.value, TinyWorldsError) else None


def _record(job: tuple[Share, RecordingSettings], report: Callable[[int], None], stop: Any) -> int:
    """What a process does: play its share; return how many frames that has."""
    share, settings = job
    done = 0

    def reached(count: int) -> None:
        nonlocal done
        done = count
        report(count)

    try:
        # a process whose parent was killed lives on for a moment, and must not write beside its successor
        with (
            storing(share.folder),
            locked(share.folder.with_suffix(".lock"), "recording the same share"),
            contextlib.closing(settings.game()) as game,
        ):
            play_share(share, settings, game, reached, stop.is_set)
    except TinyWorldsError:
        raise
    except Exception as error:
        traceback.print_exc()
        told = f"process {share.number + 1} of the recording failed: {type(error).__name__}: {error}"
        raise DataError(told) from error
    return done


@contextlib.contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Yield a function that tells whether Ctrl-C was pressed; a second one interrupts at once."""
    pressed = False
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return

    def note(number: int, frame: Any) -> None:
        nonlocal pressed
        pressed = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)
