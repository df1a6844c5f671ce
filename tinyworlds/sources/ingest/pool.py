"""Videos in several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

from tinyworlds.errors import DataError, StorageError, TinyWorldsError
from tinyworlds.sources.ingest.extract import Job, extract
from tinyworlds.sources.ingest.pieces import State
from tinyworlds.system.pool import run_jobs


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
    with closing(run_jobs(_extract, jobs, num_processes)) as events:
        for event in filter(None, events):
            if event.kind == "reached":
                progress(event.job, event.value)
            elif event.kind == "died":
                told = f"its decoder crashed (exit code {event.value}); repair or convert it"
                yield event.job, DataError(f"{jobs[event.job].path}: {told}")
            elif isinstance(event.value, StorageError):
                raise event.value
            else:
                yield event.job, event.value


def _extract(job: Job, report: Callable[[int], None], stop: Any) -> State:
    return extract(job, report)
