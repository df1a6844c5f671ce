"""Tables on a terminal, drawn by rich; plain columns in a file or a pipe."""

from __future__ import annotations

import io
import shutil
import sys
from typing import TYPE_CHECKING, Literal

from tinyworlds.evaluation.markdown import Strong, Table
from tinyworlds.system.text import visible

if TYPE_CHECKING:
    from rich.console import Console

Mood = Literal["good", "fair", "poor"]
"""Good news or bad."""
MARKS: dict[Mood, str] = {"good": "+", "fair": "~", "poor": "-"}
COLOURS: dict[Mood, str] = {"good": "green", "fair": "yellow", "poor": "red"}
_WHOLE = 24  # letters of a cell up to which its column is not folded
_PLAIN_WIDTH = 10_000  # a file has no margin: rows stay whole


def table_lines(table: Table) -> list[str]:
    """Return a table for standard output, whatever that is."""
    return table_text(table, *screen()).split("\n")


def table_text(table: Table, on_terminal: bool, width: int) -> str:
    """Return one table as text.

    Args:
        table: what to show.
        on_terminal: whether to draw and to colour.
        width: columns of the terminal.
    """
    console, held = new_console(on_terminal, width)
    draw(console, table, on_terminal)
    return lines_of(held)


def screen() -> tuple[bool, int]:
    """Whether the output is a terminal, and its columns."""
    return sys.stdout.isatty(), shutil.get_terminal_size().columns


def new_console(on_terminal: bool, width: int) -> tuple[Console, io.StringIO]:
    """Return what draws, and what it draws into."""
    from rich.console import Console

    held = io.StringIO()
    console = Console(
        file=held,
        force_terminal=on_terminal,
        color_system="standard" if on_terminal else None,
        width=width if on_terminal else _PLAIN_WIDTH,
        legacy_windows=False,
        highlight=False,
        markup=False,
        emoji=False,
    )
    return console, held


def draw(console: Console, table: Table, on_terminal: bool) -> None:
    """Draw a table: with edges on a terminal, in columns elsewhere."""
    from rich import box
    from rich.table import Table as Drawn
    from rich.text import Text

    simple = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "") != "utf8"
    edges = (box.ASCII2 if simple else box.ROUNDED) if on_terminal else None
    gap = 1 if on_terminal else 2
    drawn = Drawn(box=edges, header_style="bold", pad_edge=on_terminal, padding=(0, gap, 0, 0))
    for number, name in enumerate(table.head):
        cells = [row[number] for row in table.rows]
        drawn.add_column(
            Text(visible(name)), overflow="fold", no_wrap=max(map(len, cells), default=0) <= _WHOLE
        )
    for row in table.rows:
        drawn.add_row(*(Text(visible(cell), style=_style(cell)) for cell in row))
    console.print(drawn)


def _style(cell: str) -> str:
    if isinstance(cell, Strong):
        return "bold red" if cell.startswith("no") else "bold"
    return next((COLOURS[mood] for mood, mark in MARKS.items() if cell.startswith(f"{mark} ")), "")


def lines_of(held: io.StringIO) -> str:
    """Return what was drawn, without blanks at the ends of lines."""
    return "\n".join(line.rstrip() for line in held.getvalue().rstrip().split("\n"))
