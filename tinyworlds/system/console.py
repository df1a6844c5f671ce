"""Where messages leave the program: standard output and standard error, with nothing in them that acts.

File names, names of games and actions, and what files say of themselves are printed by many places; whatever
of it a terminal would obey is made visible here, once, and what the output's encoding has no letter for is
printed as its escape: a Windows pipe writes cp1252, and no message may end a program whose work is done.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from tinyworlds.system.text import visible

# libraries colour their lines; colours move nothing, hide nothing and send nothing
_COLOUR = re.compile(r"(\x1b\[(?:(?:[0-4]|2[2-4]|39|49|[349][0-7])(?:;(?=\d))?)*m)")


class VisibleStream:
    """A text stream that escapes control characters, line ends and tabs excepted."""

    def __init__(self, stream: TextIO) -> None:
        self.raw = stream

    def write(self, text: str) -> int:
        """Write text; colours pass on terminals."""
        if text.isascii() and text.isprintable():
            self.raw.write(text)
        elif "\x1b" in text and self.raw.isatty():
            parts = _COLOUR.split(text)
            self.raw.write("".join(part if i % 2 else visible(part, "\n\t") for i, part in enumerate(parts)))
        else:
            self.raw.write(visible(text, "\n\t"))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write each."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)


@contextlib.contextmanager
def visible_streams() -> Iterator[None]:
    """Let everything that is printed within pass through a `VisibleStream`, and fit into its encoding."""
    before = sys.stdout, sys.stderr
    for stream in before:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    with contextlib.suppress(AttributeError):  # a windowed program has none
        sys.stdout, sys.stderr = (
            stream if isinstance(stream, VisibleStream) else VisibleStream(stream) for stream in before
        )
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def terminal() -> TextIO:
    """Standard error itself, for bars that move the cursor; what they show must be our own words."""
    return sys.stderr.raw if isinstance(sys.stderr, VisibleStream) else sys.stderr
