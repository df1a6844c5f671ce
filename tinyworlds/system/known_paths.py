"""Which files a person has worked with on this machine, so that a stranger's file cannot name others.

A run notes the gameplay and the networks it was trained on, a world its gameplay. Whoever sends such a file
chooses these names; following any of them would fetch addresses and read private files unasked. Names are
followed if the user gave them to a command before, whose commands call `remember`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

_MOST_LINES = 5_000


def _list() -> Path | None:
    """Where the names are kept; None where there is no home folder."""
    base = os.environ.get("XDG_STATE_HOME") or (os.environ.get("LOCALAPPDATA") if os.name == "nt" else None)
    with contextlib.suppress(RuntimeError):
        return (Path(base) if base else Path.home() / ".local" / "state") / "tinyworlds" / "known_paths"
    return None


def _absolute(name: str) -> str:
    """The name as it is remembered: from the root on, so that it means the same from every folder."""
    return name if "://" in name else os.path.normpath(os.path.join(os.getcwd(), name))


def _read(path: Path | None) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape").split("\n") if path else []
    except OSError:
        return []


def remember(names: Iterable[str]) -> None:
    """Note files, folders, patterns or addresses as the user's; where nothing can be written, nothing is."""
    path, wanted = _list(), dict.fromkeys(_absolute(name) for name in names if "\n" not in name)
    known = _read(path)
    if path is None or not (new := [name for name in wanted if name not in known]):
        return
    forget = len(known) > _MOST_LINES
    lines = [*known[-_MOST_LINES // 2 : -1], *new] if forget else new
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("w" if forget else "a", encoding="utf-8", errors="surrogateescape") as file:
            file.write("".join(f"{name}\n" for name in lines))  # in one piece: others may append, too


def is_known(name: str) -> bool:
    """Whether the user has given this name to a command on this machine."""
    return "\n" not in name and _absolute(name) in _read(_list())


def is_within(name: str, folder: Path) -> bool:
    """Whether a relative name leads to something in `folder` and not out of it, by links neither."""
    path = Path(name)
    from_elsewhere = path.is_absolute() or path.drive or name.startswith(("/", "\\", "~")) or "://" in name
    if from_elsewhere or ".." in path.parts:
        return False
    with contextlib.suppress(OSError, ValueError):
        return (folder / path).resolve().is_relative_to(folder.resolve())
    return False
