"""A folder laid out as a repository: a mirror, a memory stick, a clone."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tinyworlds.errors import DataError, MissingFileError
from tinyworlds.sources.hub.checksum import BLOCK_BYTES, checksum_of
from tinyworlds.sources.hub.listing import Listing, PublishedFile

SUMS = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64}) [ *](?:\./)?(.+)")


class FolderSource:
    """Files of a local folder; a file ``SHA256SUMS`` in it (as `sha256sum` writes it) is believed.

    Args:
        folder: the folder.

    Raises:
        MissingFileError: there is no such folder.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise MissingFileError(f"there is no folder {folder} to fetch from; check --source")

    def listing(self) -> Listing:
        """Return the ordinary files below the folder; hidden ones are left out."""
        sums = self._published_sums()
        files = []
        for where, folders, names in os.walk(self.folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for path in (Path(where, name) for name in names if not name.startswith(".")):
                if path.is_file() and path.name != SUMS:
                    name = path.relative_to(self.folder).as_posix()
                    files.append(PublishedFile(name, path.stat().st_size, sums.get(name)))
        return Listing(str(self.folder), "", tuple(files))

    def with_checksum(self, file: PublishedFile) -> PublishedFile:
        """Return `file` with its checksum; where none was published, that of the copy in the folder."""
        path = self._path(file)
        if file.checksum:
            return file
        with _readable(path):
            return dataclasses.replace(file, checksum=checksum_of(path))

    def append_rest(self, file: PublishedFile, part: BinaryIO) -> None:
        """Write what is missing of the file to the end of `part`."""
        for block in self.read(file, part.tell()):
            part.write(block)

    def read(self, file: PublishedFile, start: int) -> Iterator[bytes]:
        """Yield the content from byte `start` on."""
        path = self._path(file)
        with _readable(path), open(path, "rb") as content:
            content.seek(start)
            while block := content.read(BLOCK_BYTES):
                yield block

    def _path(self, file: PublishedFile) -> Path:
        path = self.folder / file.name
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise DataError(
                f"{file.name!a} is a link that leads out of {self.folder}; put the file itself there"
            )
        return path

    def _published_sums(self) -> dict[str, str]:
        path = self.folder / SUMS
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        sums = {}
        for number, line in enumerate(text.splitlines(), 1):
            parts = _LINE.fullmatch(line)
            if parts is None:
                raise DataError(
                    f"{path}, line {number} is no checksum and name; write the file anew with sha256sum"
                )
            sums[parts[2]] = f"sha256:{parts[1]}"
        return sums


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn a failure to read into one line."""
    try:
        yield
    except OSError as error:
        raise MissingFileError(
            f"{path} cannot be read ({error.strerror or error}); check --source, then run this again"
        ) from error
