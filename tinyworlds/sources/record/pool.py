"""The shares of a recording in processes started afresh (spawn).

Each share is played with numbers of its own and does not know of the others, so the result does not depend on
which is faster.
"""

from __future__ import annotations

import contextlib
import threading
import traceback
from collections.abc import Callable, Sequence

from tinyworlds.errors import DataError, TinyWorldsError
from tinyworlds.sources.record.share import RecordingSettings, Share, play_share
from tinyworlds.system.files import storing
from tinyworlds.system.locks import locked
from tinyworlds.system.pool import Event, run_jobs


def play_in_processes(
    shares: Sequence[Share],
    settings: RecordingSettings,
    reached: Callable[[int, int], None],
    stopped: Callable[[], bool],
) -> None:
    """Play every share in a process of its own; wait until all are done.

    Args:
        shares: at least one.
        settings: of the recording.
        reached: called with the number of a share and how many frames it has.
        stopped: asked now and then; the processes end, and keep what they have, when it says so.

    Raises:
        TinyWorldsError: one failed or died; the others are stopped and keep what they have.
    """
    stop = threading.Event()
    jobs = [(share, settings) for share in shares]
    failure: TinyWorldsError | None = None
    with contextlib.closing(run_jobs(_record, jobs, len(jobs), stop)) as events:
        for event in events:
            if event is not None:
                share = shares[event.job]
                failure = failure or _failure(share, event)
                if event.kind != "died" and isinstance(event.value, int):
                    reached(share.number, event.value)
            if stopped() or failure is not None:
                stop.set()
    if failure is not None and not stopped():
        raise failure


def _failure(share: Share, event: Event) -> TinyWorldsError | None:
    if event.kind == "died":
        return DataError(
            f"process {share.number + 1} of the recording died (exit code {event.value}); what it recorded "
            "is kept, run the command again to go on"
        )
    return event.value if isinstance(event.value, TinyWorldsError) else None


def _record(
    job: tuple[Share, RecordingSettings], report: Callable[[int], None], stopped: Callable[[], bool]
) -> int:
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
            play_share(share, settings, game, reached, stopped)
    except TinyWorldsError:
        raise
    except Exception as error:
        traceback.print_exc()
        told = f"process {share.number + 1} of the recording failed: {type(error).__name__}: {error}"
        raise DataError(told) from error
    return done
