"""Tables of Markdown."""

from __future__ import annotations


def table_row(*cells: str) -> str:
    """A row."""
    return "| " + " | ".join(cells) + " |"


def table_head(*cells: str) -> list[str]:
    """The row of names, and the line under it."""
    return [table_row(*cells), "|" + "---|" * len(cells)]
