"""Videos in several processes."""

from __future__ import annotations

import faulthandler
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, TypeAlias

from tinyworlds.errors import DataError, StorageError, TinyWorldsError
from tinyworlds.sources.ingest.extract import Job
from tinyworlds.system.pool import run_jobs

Work: TypeAlias = Callable[[Job, Callable[[int], None]], Any]
"""What is done with a video in a process of its own."""

SILENT_S = 120.0
"""Of a decoder that reads nothing: longer than any picture takes."""


def in_processes(
    work: Work, jobs: Sequence[Job], num_processes: int, progress: Callable[[int, int], None]
) -> Iterator[tuple[int, Any | TinyWorldsError]]:
    """Do `work` with each job in `num_processes` processes; yield each one's number and result as it ends.

    Args:
        work: `extract`, `look_at`, or what else takes a job and a function that says how far it is.
        jobs: the videos.
        num_processes: how many at a time.
        progress: called with a video's number and the bytes of it read so far.

    Raises:
        StorageError: the disk is full; nothing more is begun.
    """
    with closing(run_jobs(_work, [(work, job) for job in jobs], num_processes)) as events:
        for event in filter(None, events):
            if event.kind == "reached":
                progress(event.job, event.value)
            elif event.kind == "died":
                how = "stood still" if event.value == 1 else f"crashed (exit code {event.value})"
                told = f"its decoder {how}; repair or convert it"
                yield event.job, DataError(f"{jobs[event.job].path}: {told}")
            elif isinstance(event.value, StorageError):
                raise event.value
            else:
                yield event.job, event.value


def _work(job: tuple[Work, Job], report: Callable[[int], None], stopped: Callable[[], bool]) -> Any:
    work, video = job
    with _patience() as heard:

        def reached(position: int) -> None:
            heard()
            report(position)

        return work(video, reached)


@contextmanager
def _patience() -> Iterator[Callable[[], None]]:
    """Yield what says that the decoder goes on; where nothing does for long, this process ends.

    A malformed file can keep FFmpeg busy for ever, and nothing of Python's reaches it there.
    """
    until = 0.0

    def heard() -> None:
        nonlocal until
        now = time.monotonic()
        if now > until:
            until = now + SILENT_S / 10
            faulthandler.dump_traceback_later(SILENT_S, exit=True, file=nowhere)

    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        heard()
        try:
            yield heard
        finally:
            faulthandler.cancel_dump_traceback_later()
