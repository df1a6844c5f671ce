"""Reading pickled checkpoints as plain data: weights, numbers, text. Nothing in a file is ever run.

Everything goes through ``torch.load(weights_only=True)``. The few classes that the original program pickles
beside its settings are replaced by inert stand-ins; the list is closed, and a file that wants anything else
is refused with the names it wants.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import torch

from tinyworlds.errors import CheckpointError, MissingFileError


class _Shell:
    """Stands in for a settings class of the original program: keeps its fields, has no behaviour."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


# an enum of strings becomes its string
_STAND_INS = (
    (str, "utils.config.DeviceType"),
    (_Shell, "utils.config.DistributedConfig"),
    (_Shell, "utils.config.FSDPMixedPrecisionConfig"),
)
_WANTED = re.compile(r"GLOBAL (\w+\.\S+)")


def read_plain(path: str | Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Return the dictionary in a file of ``torch.save``.

    Raises:
        MissingFileError: there is no such file.
        CheckpointError: it is truncated, damaged, no checkpoint, or wants code.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"checkpoint {path} does not exist; check the path, or train the stage first")
    try:
        _check_archive(path)
        with torch.serialization.safe_globals(list(_STAND_INS)):
            content = torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as failure:
        raise CheckpointError(_refusal(path, failure)) from failure
    except Exception as failure:  # bytes that anybody may have written make the reader raise anything
        raise CheckpointError(
            f"{path} is truncated or no checkpoint ({path.stat().st_size:,} bytes); use an earlier one"
        ) from failure
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{path} holds a {type(content).__name__}, not a checkpoint; use one of tinyworlds"
        )
    return content


def plain_values(settings: dict[Any, Any]) -> dict[str, Any]:
    """Return the entries of `settings` that are text, numbers, truth values or None, under textual keys."""
    return {
        key: value
        for key, value in settings.items()
        if isinstance(key, str) and isinstance(value, str | int | float | bool | None)
    }


def _check_archive(path: Path) -> None:
    """Raise unless every entry is whole; torch itself does not look at the check sums."""
    if not zipfile.is_zipfile(path):
        return  # the format before PyTorch 1.6, or no checkpoint at all: torch will tell
    with zipfile.ZipFile(path) as archive:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise CheckpointError("torch.save does not compress; a small file could unpack without end")
        if (damaged := archive.testzip()) is not None:
            raise CheckpointError(f"entry {damaged} is damaged")


def _refusal(path: Path, failure: pickle.UnpicklingError) -> str:
    wanted = _wanted_names(path, failure)
    if not wanted:
        return f"{path} is damaged or no checkpoint of plain data; use an earlier one"
    names = ", ".join(wanted[:5]) + (f" and {len(wanted) - 5} more" if len(wanted) > 5 else "")
    return (
        f"{path} holds code or foreign classes, which are not run: it wants {names}; "
        "use a file of weights and plain settings"
    )


def _wanted_names(path: Path, failure: pickle.UnpicklingError) -> list[str]:
    """The names a file wants beyond our list: all of them where torch can tell, else the first."""
    known = {name for _, name in _STAND_INS}
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # the old format, or a damaged stream
        names = _WANTED.findall(str(failure))
    return sorted({*names} - known)
