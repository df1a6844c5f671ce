"""How every command's help looks: a short usage, sections, at most 100 columns, examples at the end."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterable, Sequence

_WIDEST, _LEAST, _COLUMN = 100, 60, 26


class HelpFormatter(argparse.HelpFormatter):
    """Writes help for people: options begin in one column, and examples keep their lines."""

    def __init__(self, prog: str, **settings: object) -> None:
        width = max(min(shutil.get_terminal_size((_WIDEST, 24)).columns, _WIDEST), _LEAST)
        super().__init__(prog, max_help_position=_COLUMN, width=width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        parts = text.split("\n\n")
        if len(parts) > 1:
            return "\n\n".join(self._fill_text(part, width, indent) for part in parts)
        return text if text.startswith("examples:") else super()._fill_text(text, width, indent)


def usage_of(prog: str, actions: Iterable[argparse.Action]) -> str:
    """Return the line that says how a command is called: its arguments by position, then ``[OPTIONS]``."""
    words = [prog]
    for action in actions:
        if not action.option_strings and action.help != argparse.SUPPRESS:
            name = str(action.metavar or action.dest).upper() if not action.choices else action.dest.upper()
            is_optional = action.nargs in ("?", "*")
            name += " ..." if action.nargs in ("+", "*") and "..." not in name else ""
            words.append(f"[{name}]" if is_optional else name)
        elif action.required:
            words.append(f"{action.option_strings[0]} {action.metavar or action.dest.upper()}")
    return " ".join([*words, "[OPTIONS]"]).replace("%", "%%")


def examples_text(examples: Sequence[str]) -> str:
    """Return the section of examples: each a line that can be typed as it stands."""
    return "\n".join(["examples:", *(f"  {line}" for line in examples)]) if examples else ""
