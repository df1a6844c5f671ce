"""The shares of a recording: one in this process, several in processes started afresh (spawn).

Each share is played with numbers of its own and does not know of the others, so the result does not depend on
which is faster.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from tinyworlds.errors import DataError, TinyWorldsError
from tinyworlds.sources.record.environments import LiveGame
from tinyworlds.sources.record.share import RecordingSettings, Share, play_share
from tinyworlds.system.files import storage_error
from tinyworlds.system.locks import locked

_REPORT_S = 0.2


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
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    running: dict[Connection, tuple[BaseProcess, Share]] = {}
    failure: BaseException | None = None
    with _interrupts() as stopped:
        try:
            for share in shares:
                ours, theirs = context.Pipe()
                process = context.Process(target=_work, args=(theirs, stop, share, settings), daemon=True)
                process.start()
                theirs.close()  # else the end of the process would go unnoticed
                running[ours] = process, share
            while running:
                failure = _listen(running, reached) or failure
                if stopped():
                    failure = failure or KeyboardInterrupt()
                if failure is not None:
                    stop.set()
        finally:
            stop.set()
            for connection, (process, _) in running.items():
                connection.close()
                process.join()
    if failure is not None:
        raise failure


def _listen(
    running: dict[Connection, tuple[BaseProcess, Share]], reached: Callable[[int, int], None]
) -> TinyWorldsError | None:
    """Take what the processes have to say in a while; return what went wrong, if anything."""
    failure = None
    for connection in wait(list(running), _REPORT_S):
        process, share = running[connection]
        try:
            kind, value = connection.recv()
        except (EOFError, ConnectionResetError):
            process.join()
            kind, value = "failed", _death(share, process.exitcode)
        if kind == "reached":
            reached(share.number, value)
            continue
        failure = value if kind == "failed" else failure
        del running[connection]
        connection.close()
        process.join()
    return failure


def _death(share: Share, code: int | None) -> DataError:
    return DataError(
        f"process {share.number + 1} of the recording died (exit code {code}); what it recorded is kept, "
        "run the command again to go on"
    )


def _work(connection: Connection, stop: Any, share: Share, settings: RecordingSettings) -> None:
    """What a process does: its share, then it says how that ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the first process stops the others
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the first process is gone
        try:
            _record(connection, stop, share, settings)
            connection.send(("done", None))
        except TinyWorldsError as error:
            connection.send(("failed", error))
        except (BrokenPipeError, ConnectionResetError):
            raise
        except OSError as error:
            connection.send(("failed", storage_error(share.folder, error)))
        except Exception as error:
            traceback.print_exc()
            told = f"process {share.number + 1} of the recording failed: {type(error).__name__}: {error}"
            connection.send(("failed", DataError(told)))


def _record(connection: Connection, stop: Any, share: Share, settings: RecordingSettings) -> None:
    reported = 0.0

    def reached(done: int) -> None:
        nonlocal reported
        now = time.monotonic()
        if now - reported > _REPORT_S or done == share.num_frames:
            reported = now
            connection.send(("reached", done))

    # a process whose parent was killed lives on for a moment, and must not write beside its successor
    with locked(share.folder.with_suffix(".lock"), "recording the same share"):
        game = settings.game()
        try:
            play_share(share, settings, game, reached, stop.is_set)
        finally:
            game.close()


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
