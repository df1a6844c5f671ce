"""Commands as a shell reads them: how they are printed to be copied, and what `~` in a word stands for."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path
from subprocess import list2cmdline
from typing import Any

_PLAIN_ON_WINDOWS = re.compile(r"[\w.:/\\@+=,-]+")


def shown_command(*words: str | Path) -> str:
    """Return a command of ours to be copied into a shell: ``tinyworlds play 'my run.world'``.

    Args:
        words: what follows ``tinyworlds``. A `Path`, and what follows ``=``, may have any name, even one that
            begins with a dash or a tilde.
    """
    return " ".join(["tinyworlds", *(quoted(word) for word in words)])


def quoted(word: str | Path) -> str:
    """Return one word as the shell of this system has to be given it."""
    text = str(word)
    if isinstance(word, Path) and text.startswith(("-", "~")):
        text = os.path.join(os.curdir, text)
    if sys.platform == "win32":
        return _quoted_on_windows(text)
    if text.isprintable():
        return shlex.quote(text)
    # $'...' of bash, zsh, ksh: bytes that are no UTF-8, line ends and whatever else a terminal does not show
    return "$'" + "".join(_shown(char) for char in text) + "'"


def _shown(char: str) -> str:
    if char in "\\'":
        return f"\\{char}"
    return (
        char
        if char.isprintable()
        else "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))
    )


def _quoted_on_windows(text: str) -> str:
    safe = list2cmdline([text])
    return safe if safe.startswith('"') or _PLAIN_ON_WINDOWS.fullmatch(text) else f'"{safe}"'


def at_home(value: Any) -> Any:
    """Return a value with ``~`` and ``~/x`` as a path in the home folder; in lists and mappings, too.

    Shells do that at the start of a word only, not in ``--out=~/x.mp4``, and nobody does it in a YAML file.
    """
    if isinstance(value, str):
        return os.path.expanduser(value) if re.match(r"~[\w.-]*([/\\]|$)", value) else value
    if isinstance(value, list | tuple):
        return type(value)(map(at_home, value))
    if isinstance(value, dict):
        return {key: at_home(each) for key, each in value.items()}
    return value


def word_at_home(word: str) -> str:
    """Return a word of a command line with ``~`` expanded, behind the ``=`` of an option as well."""
    option, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
    return option + equals + at_home(value)
