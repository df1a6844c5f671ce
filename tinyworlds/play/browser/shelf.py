"""What was recorded since the program began, by name: the only files of the disk that pages may ask for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


class Shelf:
    """Files by their names; one thread puts them there, another looks."""

    def __init__(self) -> None:
        self._files: dict[str, Path] = {}

    @property
    def files(self) -> list[Path]:
        """All files, the oldest first."""
        return list(self._files.values())

    def put(self, files: Iterable[Path]) -> bool:
        """Add files; return whether any of them is new."""
        new = {file.name: file.resolve() for file in files if file.name not in self._files}
        self._files = {**self._files, **new}  # as a whole, since somebody may be looking
        return bool(new)

    def get(self, name: str) -> Path | None:
        """Return the file of exactly this name, if it is here and still on the disk."""
        file = self._files.get(name)
        return file if file is not None and file.is_file() else None
