"""From a source into a folder: what is here already, what has room, and each file whole or not at all.

An incomplete file is called ``NAME.<start of its checksum>.part``: the next run goes on with it, whoever
stopped the last one, and never mixes two versions. It gets its name when its checksum is right.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyworlds.errors import ConfigError, DataError, StorageError
from tinyworlds.sources.hub.checksum import matches
from tinyworlds.sources.hub.listing import PublishedFile, Source
from tinyworlds.system.files import move_into_place, path_in, storing
from tinyworlds.system.progress import progress_bar

_SHOW_BYTES = 32 * 2**20  # smaller files need no progress bar
GOES_ON = "The same command then goes on where it was."
_PART = re.compile(r"\.[0-9a-f]{12}\.part")


@dataclass(frozen=True)
class Item:
    """One file to have.

    Attributes:
        file: what was published, with its checksum.
        target: where it goes.
        here: whether it lies there already, verified.
    """

    file: PublishedFile
    target: Path
    here: bool

    @property
    def part(self) -> Path:
        """The file while it is incomplete."""
        mark = str(self.file.checksum).partition(":")[2][:12]
        return self.target.with_name(f"{self.target.name}.{mark}.part")

    @property
    def missing_bytes(self) -> int:
        """Bytes still to be fetched."""
        if self.here:
            return 0
        return self.file.size - min(self.part.stat().st_size if self.part.is_file() else 0, self.file.size)


def plan(
    files: Sequence[PublishedFile],
    folder: Path,
    rename: Callable[[str], str] = str,
    overwrite: bool = False,
) -> list[Item]:
    """Find out what is to be done; files that are here are read and verified.

    Args:
        files: the files that were asked for, with their checksums.
        folder: where they go.
        rename: from a file's name in the source to its name in `folder`.
        overwrite: replace files that differ from the published ones.

    Raises:
        DataError: a name would lead out of the folder, or two files would be one.
        ConfigError: a file that differs is here, and `overwrite` is False.
    """
    targets = [_target(folder, file.name, rename(file.name)) for file in files]
    _check_distinct(files, targets)
    items = []
    for file, target in zip(files, targets, strict=True):
        with storing(target, GOES_ON):
            here = _verified(target, file)
        if target.exists() and not here and not (overwrite and target.is_file()):
            raise ConfigError(
                f"{target} is here and differs from the published {file.name} ({file.size:,} bytes): it may "
                "be yours or damaged; fetch to another folder with --out, or replace it with --overwrite"
            )
        items.append(Item(file, target, here))
    return items


def check_space(items: Sequence[Item], folder: Path) -> int:
    """Return the free bytes on the disk of `folder`.

    Raises:
        StorageError: what is missing does not fit there.
    """
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    missing = sum(item.missing_bytes for item in items)
    if missing > free:
        raise StorageError(
            f"no room in {folder}: {format_bytes(missing)} are to be fetched, {format_bytes(free)} are free; "
            "free some space, or choose another disk with --out"
        )
    return free


def fetch(source: Source, item: Item) -> None:
    """Bring one file here, from where an earlier attempt stopped.

    Raises:
        StorageError: the disk is full or the folder cannot be written; what came so far is kept.
        DataError: what came is not what was published.
        HubError: the network failed; what came so far is kept.
    """
    with storing(item.target, GOES_ON):
        if _verified(item.target, item.file):  # another process brought it meanwhile
            return
        item.target.parent.mkdir(parents=True, exist_ok=True)
        _drop_outdated(item)
        went_on = True
        while went_on:  # a power failure can leave a part that is no beginning of the file: once more, anew
            went_on = _append_rest(source, item)
            if _verified(item.part, item.file):
                move_into_place(item.part, item.target)
                return
            item.part.unlink()
    raise DataError(
        f"what came of {item.file.name} is not what was published (wrong checksum) and was removed; run the "
        "same command again, and tell the owner of the files if this stays"
    )


def format_bytes(count: int) -> str:
    """Return ``249.0 MB`` or ``1.78 GB``, powers of ten."""
    return f"{count / 1e9:,.2f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


class _AllCame(Exception):
    """More comes than was announced."""


class _Part(io.BufferedWriter):
    """An incomplete file, open at its end, that takes no more bytes than were announced."""

    def __init__(self, path: Path, size: int, advance: Callable[[int], None]) -> None:
        super().__init__(io.FileIO(path, "ab"))
        self._size, self._advance = size, advance

    def write(self, block: Any) -> int:
        count = super().write(memoryview(block)[: self._size - self.tell()])
        self._advance(count)
        if count < len(block):
            raise _AllCame
        return count


def _append_rest(source: Source, item: Item) -> bool:
    """Write what is missing of the part file; return whether there was a beginning already."""
    size, begun = item.file.size, item.file.size - item.missing_bytes
    try:
        with (
            _bar(f"fetching {item.target.name}", size, begun) as advance,
            _Part(item.part, size, advance) as part,
        ):
            part.truncate(begun)
            part.seek(begun)
            if begun < size:
                with contextlib.suppress(_AllCame):
                    source.append_rest(item.file, part)
            part.flush()
            os.fsync(part.fileno())
    except BaseException:
        if item.part.is_file() and not item.part.stat().st_size:
            item.part.unlink()  # nothing came
        raise
    return begun > 0


def _verified(path: Path, file: PublishedFile) -> bool:
    if not path.is_file():
        return False
    with _bar(f"verifying {file.name.rpartition('/')[2]}", file.size) as advance:
        return matches(path, file.size, str(file.checksum), advance)


def _bar(title: str, size: int, done: int = 0) -> contextlib.AbstractContextManager[Callable[[int], None]]:
    return progress_bar(title, size, enabled=size >= _SHOW_BYTES, in_bytes=True, done=done)


def _drop_outdated(item: Item) -> None:
    """Remove the beginnings of other versions of the same file."""
    for path in item.target.parent.iterdir():
        ending = path.name.removeprefix(item.target.name)
        if path != item.part and path.name != ending and _PART.fullmatch(ending):
            path.unlink(missing_ok=True)


def _target(folder: Path, name: str, name_here: str) -> Path:
    path_in(folder, name)  # a bad name is refused even if its last part is good
    return path_in(folder, name_here)


def _check_distinct(files: Sequence[PublishedFile], targets: Sequence[Path]) -> None:
    seen: dict[str, str] = {}
    for file, target in zip(files, targets, strict=True):
        key = unicodedata.normalize("NFC", target.as_posix()).casefold()
        if key in seen:
            raise DataError(
                f"{seen[key]!a} and {file.name!a} would be one file on some systems; fetch one of "
                "them with --pattern"
            )
        seen[key] = file.name
