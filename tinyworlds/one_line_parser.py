"""Turning what argument parsers say into one line: the wrong key, where it stands, the nearest right one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from tinyworlds.errors import did_you_mean

_UNKNOWN = (
    re.compile(r"unrecognized arguments: (?:--?)?([\w.\-]+)"),
    re.compile(r"does not accept option '([^']+)'"),
    re.compile(r"Option '([^']+)' is not accepted"),
    re.compile(r"(?:Key|option) [\"']([^\"']+)[\"'] (?:is not expected|not accepted)"),
)
_BAD_VALUE = re.compile(r"Parser key \"([^\"]+)\":\s*(.*)", re.DOTALL)
_CLASS_PATH = re.compile(r"Problem with given class_path '([^']+)'")
_NOT_SUBCLASS = re.compile(r"Import path (\S+) does not correspond to a subclass of (\w+)")


def one_line(message: str, known: Iterable[str], config_files: Sequence[str] = ()) -> str:
    """Return `message` of jsonargparse as one line a person can act on.

    Args:
        message: what the parser said.
        known: the keys that would have been right, dotted.
        config_files: YAML files that were read; the one with a wrong key in it is named.
    """
    for pattern in _UNKNOWN:
        found = pattern.search(message)
        if found:
            return unknown_key(found.group(1), known, config_files)
    found = _CLASS_PATH.search(message) or _NOT_SUBCLASS.search(message)
    if found:
        name = found.group(1)
        stages = ("VideoTokenizerStage", "LatentActionsStage", "DynamicsStage")
        hint = did_you_mean(name.rsplit(".", 1)[-1], stages)
        return f"model.class_path '{name}' is no stage; use one of {', '.join(stages)}.{hint}"
    found = _BAD_VALUE.search(message)
    if found:
        reason = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", " ".join(found.group(2).split()))
        return f"{found.group(1)}: {reason[:300]}"
    return " ".join(message.split())[:400]


def unknown_key(key: str, known: Iterable[str], config_files: Sequence[str] = ()) -> str:
    """Return the line for a key nobody knows, with the nearest known one and the file it stands in."""
    last = key.rsplit(".", 1)[-1]
    where = next((f" in {path}" for path in config_files if _mentions(path, last)), "")
    return f"'{key}' is no setting{where}.{_nearest(key, list(known))} `--help` lists all of them"


def _nearest(key: str, known: list[str]) -> str:
    hint = did_you_mean(key, known)
    if hint:
        return hint
    # the right name in the wrong group (trainer.batch_size), or a name without its group (num_blocs)
    by_last = {name.rsplit(".", 1)[-1]: name for name in reversed(known)}
    near = re.search(r"'([^']+)'", did_you_mean(key.rsplit(".", 1)[-1], by_last))
    return f" Did you mean '{by_last[near.group(1)]}'?" if near else ""


def _mentions(path: str, word: str) -> bool:
    try:
        return re.search(rf"\b{re.escape(word)}\b", Path(path).read_text(encoding="utf-8")) is not None
    except (OSError, UnicodeDecodeError):
        return False
