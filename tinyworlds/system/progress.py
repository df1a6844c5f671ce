"""One progress bar for all long work on data: what, how far, time left."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from tinyworlds.system.text import visible


@contextlib.contextmanager
def progress_bar(
    title: str, total: int, enabled: bool = True, in_bytes: bool = False, done: int = 0
) -> Iterator[Callable[[int], None]]:
    """Yield a function that advances the bar by a number of units; the bar goes to stderr.

    Args:
        title: what is being done.
        total: number of units.
        enabled: False shows nothing.
        in_bytes: the units are bytes, shown as MB or GB and with their rate.
        done: units that were done before.
    """
    if not enabled:
        yield lambda count: None
        return
    from rich import progress as rich
    from rich.console import Console

    from tinyworlds.system.console import terminal

    title = visible(title)
    how_far = [rich.DownloadColumn(), rich.TransferSpeedColumn()] if in_bytes else [rich.MofNCompleteColumn()]
    columns = (rich.TextColumn("{task.description}"), rich.BarColumn(), *how_far, rich.TimeRemainingColumn())
    with rich.Progress(*columns, console=Console(file=terminal())) as progress:
        task = progress.add_task(title, total=total, completed=done)
        yield lambda count: progress.advance(task, count)
