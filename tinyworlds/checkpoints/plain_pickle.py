"""Reading pickled checkpoints as plain data: weights, numbers, text. Nothing in a file is ever run.

Everything goes through ``torch.load(weights_only=True)``. What training scripts pickle beside weights is
replaced by inert stand-ins; the list is closed (:mod:`tinyworlds.checkpoints.stand_ins`), and a file that
wants anything else is refused with the names it wants, before anything is made of it.
"""

from __future__ import annotations

import contextlib
import pickle
import pickletools
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import torch

from tinyworlds.checkpoints.stand_ins import READ_BY_TORCH, STAND_INS
from tinyworlds.errors import CheckpointError, MissingFileError
from tinyworlds.system.documents import check_is_no_pointer

_MOST_BYTES, _MOST_STEPS = 32 << 20, 500_000
_TORCH_TYPE = re.compile(r"torch\.(storage\.)?[A-Za-z0-9]*(Storage)|torch\.[a-z]+[0-9]*\w*")
_LEGACY_PICKLES = 5
"""In a file from before PyTorch 1.6: magic number, version, system, content, keys of the storages."""


def read_plain(path: str | Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Return the dictionary in a file of ``torch.save``.

    Raises:
        MissingFileError: there is no such file.
        CheckpointError: it is truncated, damaged, no checkpoint, or wants code.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"checkpoint {path} does not exist; check the path, or train the stage first")
    check_is_no_pointer(path)
    try:
        with _pickle_in(path) as stream:
            wanted = _wanted_names(stream)
        if not wanted:
            with torch.serialization.safe_globals([(made, name) for name, made in STAND_INS.items()]):
                content = torch.load(path, map_location=map_location, weights_only=True)
    except Exception as failure:  # bytes that anybody may have written make the reader raise anything
        raise CheckpointError(
            f"{path} is truncated or no checkpoint ({path.stat().st_size:,} bytes); use an earlier one"
        ) from failure
    if wanted:
        raise CheckpointError(_refusal(path, wanted))
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


@contextlib.contextmanager
def _pickle_in(path: Path) -> Iterator[IO[bytes]]:
    """Open the pickle in a file of ``torch.save``, whose other entries must be whole.

    torch itself does not look at the check sums.
    """
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:  # the format before PyTorch 1.6, or no checkpoint at all
            yield file
        return
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise CheckpointError("torch.save does not compress; a small file could unpack without end")
        if sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise CheckpointError("its entries overlap")
        if (damaged := archive.testzip()) is not None:
            raise CheckpointError(f"entry {damaged} is damaged")
        with archive.open(next(each for each in entries if each.filename.endswith("data.pkl"))) as file:
            yield file


def _wanted_names(stream: IO[bytes]) -> list[str]:
    """Return what a pickle wants beyond our lists; nothing is made of it.

    Raises:
        ValueError: it is damaged, or has more steps than any checkpoint.
    """
    names: set[str] = set()
    steps, begins = 0, stream.read(1)
    stream.seek(0)
    if begins != pickle.PROTO:
        raise ValueError("no pickle")
    zipped = isinstance(stream, zipfile.ZipExtFile)
    for _ in range(1 if zipped else _LEGACY_PICKLES):
        for operation, argument, at in pickletools.genops(stream):
            steps += 1
            if steps > _MOST_STEPS or (at or 0) > _MOST_BYTES:
                raise ValueError("more steps than any checkpoint has")
            if operation.name == "GLOBAL":
                names.add(_name_today(str(argument)))
            elif operation.name in ("STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4"):
                raise ValueError(f"{operation.name} in a pickle of torch.save")
    return sorted(name for name in names if not _is_read(name))


def _name_today(argument: str) -> str:
    """The dotted name that a pickle gives as ``module name``, where Python 2 had another."""
    module, _, name = argument.partition(" ")
    name = "range" if name == "xrange" else name
    return f"{'builtins' if module == '__builtin__' else module}.{name}"


def _is_read(name: str) -> bool:
    return name in STAND_INS or name in READ_BY_TORCH or bool(_TORCH_TYPE.fullmatch(name))


def _refusal(path: Path, wanted: Sequence[str]) -> str:
    names = ", ".join(wanted[:5]) + (f" and {len(wanted) - 5} more" if len(wanted) > 5 else "")
    return (
        f"{path} holds code or foreign classes, which are not run: it wants {names:.300}; "
        "use a file of weights and plain settings"
    )
