"""``python -m games``: list the titles; ``python -m games NAME``: play one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from games.registry import get, titles
from tinyworlds.errors import TinyWorldsError
from tinyworlds.system.exits import run_guarded
from tinyworlds.system.shell import shown_command, word_at_home


def main(argv: Sequence[str] | None = None) -> int:
    """List the titles, or play the one that is named first.

    Args:
        argv: the words after ``python -m games``; None takes those of the process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words:
        return run_guarded(_list)
    if words[0] in ("-h", "--help"):
        print(
            "usage: python -m games [NAME [OPTIONS]]\n\nWithout a name, lists the titles; with one, plays it."
        )
        return 0
    from tinyworlds.commands.play import play_game

    return run_guarded(lambda: play_game(get(words[0]), [word_at_home(word) for word in words[1:]]))


def _list() -> int:
    """Print one line per title: name, size and rate, whether its data are here."""
    for name in titles():
        try:
            spec = get(name)
        except TinyWorldsError as error:
            print(f"{name:<15} {error}")
            continue
        source = f"data: {spec.data_file}"
        if Path(spec.data_file).exists():
            source = "data here"
        elif spec.env_id:
            source = f"record it: {shown_command('record', name)}"
        elif spec.public_file:
            source = f"fetch it: {shown_command('download', 'datasets', '--pattern', spec.public_file)}"
        print(f"{name:<15} {spec.title:<28} {spec.frame_size:>3} px {spec.fps:>5g} fps   {source}")
    print("Play one: python -m games NAME [--world FILE]   Train one: tinyworlds train NAME")
    return 0


if __name__ == "__main__":
    sys.exit(main())
