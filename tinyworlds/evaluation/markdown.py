"""Tables: what stands in them, and how Markdown writes them down."""

from __future__ import annotations

from dataclasses import dataclass, field

from tinyworlds.system.text import literal


class Strong(str):
    """A cell that stands out."""

    __slots__ = ()


@dataclass(frozen=True)
class Table:
    """Names of columns and rows of cells, as they are read; whoever shows them makes names harmless.

    Attributes:
        head: names of the columns.
        rows: cells, as many a row as there are columns.
    """

    head: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def add(self, *cells: str) -> None:
        """Add a row."""
        self.rows.append(cells)

    def markdown(self) -> list[str]:
        """Lines of Markdown; none where there are no rows."""
        if not self.rows:
            return []
        return [
            *table_head(*map(_cell, self.head)),
            *(table_row(*map(_cell, row)) for row in self.rows),
        ]


def table_row(*cells: str) -> str:
    """A row of Markdown; cells as they stand."""
    return "| " + " | ".join(cells) + " |"


def table_head(*cells: str) -> list[str]:
    """The row of names, and the line under it."""
    return [table_row(*cells), "|" + "---|" * len(cells)]


def _cell(text: str) -> str:
    return f"**{literal(text)}**" if isinstance(text, Strong) else literal(text)
