"""Gameplay files at addresses such as ``s3://bucket/zelda/``: copied here once, then read like any other.

Training draws windows at random, for which a network is too slow. So what an address names (a file, a
pattern, or a folder: an address that ends in ``/``) is copied into a local folder, ``data/.cache/remote`` or
the one that the environment variable ``TINYWORLDS_CACHE`` names. A copy lies under a key of its address and
of its version there, so a changed file becomes another copy. Addresses are those of fsspec: http, https,
file, memory, s3 and gs with their extras, and others whose package is installed.

The copies are ours, not those of fsspec's caches (2026.9). After a broken connection ``filecache`` returns
the beginning of a file as all of it while the process lives, ``simplecache`` for ever; neither goes on where
it was, locks, or sees that a file on the web has changed.
"""

from __future__ import annotations

import functools
import json
import os
import platform
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tinyworlds.data.cache import check_space
from tinyworlds.data.remote_access import (
    BLOCK_BYTES,
    RemoteError,
    RemoteFile,
    as_it_is_now,
    digest,
    list_files,
    read,
    shown,
)
from tinyworlds.errors import DataError, StorageError
from tinyworlds.system.files import move_into_place, path_in, storing, write_text
from tinyworlds.system.locks import locked
from tinyworlds.system.progress import progress_bar

FOLDER_VARIABLE = "TINYWORLDS_CACHE"
_FOLDER = Path("data", ".cache", "remote")
_SHOW_BYTES = 32 * 2**20  # less needs no progress bar


def fetch_files(url: str, is_wanted: Callable[[str], bool]) -> list[str]:
    """Return the local copies of the files that an address names, in the order of their names.

    One process per machine copies, the others wait. A process asks an address once, so that all its parts see
    the same version. If it cannot be reached the copies of last time are used, with a warning.

    Args:
        url: a file, a pattern, or a folder.
        is_wanted: tells a folder's files that are meant by their paths inside it.

    Raises:
        RemoteError: the address cannot be reached or may not be read.
        ConfigError: no file system has such addresses.
        MissingExtraError: its package is not installed.
        MissingFileError: there is no such file.
        StorageError: the files do not fit on the disk, or the folder cannot be written.
        DataError: a name is unsafe, a size is not told, or a file changed while it was copied.
    """
    return list(_fetch_once(url, is_wanted, Path(os.environ.get(FOLDER_VARIABLE) or _FOLDER)))


@functools.cache
def _fetch_once(url: str, is_wanted: Callable[[str], bool], folder: Path) -> tuple[str, ...]:
    note = folder / "addresses" / f"{digest(url)}.json"
    before = _copies_noted(note, folder)
    try:
        files = list_files(url, is_wanted)
    except RemoteError as error:
        if not before:
            raise
        warnings.warn(f"the copies of last time are used: {error}", stacklevel=4)
        return before
    targets = [path_in(folder / digest(file.url) / file.version, file.name) for file in files]
    with storing(folder):
        if not all(target.exists() for target in targets):
            with locked(folder / "fetching.lock", f"fetching {shown(url)}"):
                _fetch_missing(url, files, targets, folder)
        if before != tuple(map(str, targets)):
            write_text(note, json.dumps([target.relative_to(folder).as_posix() for target in targets]))
    return tuple(map(str, targets))


def _copies_noted(note: Path, folder: Path) -> tuple[str, ...]:
    """Return the copies an address had last time, if all are still there."""
    try:
        copies = [path_in(folder, str(name)) for name in json.loads(note.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):  # ValueError is also a DataError of an unsafe name
        return ()
    return tuple(map(str, copies)) if all(copy.is_file() for copy in copies) else ()


def _fetch_missing(url: str, files: Sequence[RemoteFile], targets: Sequence[Path], folder: Path) -> None:
    missing = [pair for pair in zip(files, targets, strict=True) if not pair[1].exists()]
    if not missing:  # another process had the lock and copied them
        return
    size = sum(file.size for file, _ in missing)
    here = sum(part.stat().st_size for _, target in missing if (part := _part(target)).exists())
    try:
        check_space(folder, size - here, f"copies of {shown(url)}")
    except StorageError as error:
        raise StorageError(
            f"{error}; free some in {folder}, where older copies lie, or name a folder on another disk with "
            f"{FOLDER_VARIABLE}"
        ) from error
    what = missing[0][0].name if len(missing) == 1 else f"{len(missing)} files"
    with progress_bar(f"fetching {what}", size, size > _SHOW_BYTES, in_bytes=True) as advance:
        for file, target in missing:
            for count in _copy(file, target):
                advance(count)


def _copy(file: RemoteFile, target: Path) -> Iterator[int]:
    """Copy one file, from where an earlier attempt stopped, and yield the bytes of each piece done."""
    part = _part(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    before = as_it_is_now(file)
    with open(part, "ab") as out:
        # every block but the newest was confirmed by the disk, so a power failure leaves no hole before it
        start = max(0, min(out.tell(), file.size) // BLOCK_BYTES - 1) * BLOCK_BYTES
        out.truncate(start)
        yield start
        for block in read(file, start):
            out.write(block)
            out.flush()
            os.fsync(out.fileno())
            yield len(block)
    if as_it_is_now(file) != before or before.size != file.size:
        part.unlink()
        raise DataError(f"{shown(file.path)} changed while it was copied; run the same command again")
    move_into_place(part, target)


def _part(target: Path) -> Path:
    """An incomplete copy: one of each machine, in case several share a disk that knows no locks."""
    machine = re.sub(r"\W", "_", platform.node())
    return target.with_name(f"{target.name}.{machine}.part")
