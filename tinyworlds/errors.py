"""The one tree of errors that users meet.

Every message is one line: what was asked, what was found, what to do. The command line prints it
and exits with its ``exit_code``; from Python, each class is also the built-in that fits (``ValueError``,
``FileNotFoundError``), so callers need not know this module.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class TinyWorldsError(Exception):
    """Base of all errors that come from input rather than from a bug."""

    exit_code = 1


class ConfigError(TinyWorldsError, ValueError):
    """A setting is out of range, unknown, or contradicts another one."""

    exit_code = 2


class DataError(TinyWorldsError, ValueError):
    """A gameplay file is missing parts, malformed, or does not fit the model."""


class MissingFileError(TinyWorldsError, FileNotFoundError):
    """A file or folder that was asked for does not exist."""


class CheckpointError(TinyWorldsError, ValueError):
    """A checkpoint is unreadable, of another stage, or does not fit its neighbours."""


class MissingExtraError(TinyWorldsError, ImportError):
    """An optional dependency is needed; the message quotes the install command."""


class TrainingError(TinyWorldsError, RuntimeError):
    """Training cannot go on: a loss that is not finite, a failed stage."""


class StorageError(TinyWorldsError, OSError):
    """The disk is full or a path cannot be written."""


class VideoError(TinyWorldsError, RuntimeError):
    """No video codec on this machine could write the clip."""


class DisplayError(TinyWorldsError, RuntimeError):
    """A window was asked for where there is no display."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the nearest of `known`, or an empty string if none is near."""
    nearest = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean '{nearest[0]}'?" if nearest else ""


def listed(names: Sequence[str], most: int = 6) -> str:
    """Return ``"a, b, c and 4 more"``, or ``"nothing"``."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more or "nothing"
