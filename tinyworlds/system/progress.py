"""One progress bar for all long work on data: what, how far, time left."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def progress_bar(title: str, total: int, enabled: bool = True) -> Iterator[Callable[[int], None]]:
    """Yield a function that advances the bar by a number of units; the bar goes to stderr.

    Args:
        title: what is being done.
        total: number of units.
        enabled: False shows nothing.
    """
    if not enabled:
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=total)
        yield lambda count: progress.advance(task, count)
