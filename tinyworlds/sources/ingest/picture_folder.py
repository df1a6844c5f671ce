"""Numbered pictures as a video: what emulators, games and data sets leave when they write frame by frame."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from tinyworlds.data.content import sampled_hash
from tinyworlds.errors import DataError
from tinyworlds.media.picture_file import read_picture
from tinyworlds.media.suffixes import PICTURE_SUFFIXES
from tinyworlds.sources.ingest.reader import Mark, Picture, Reader

_NUMBER = re.compile(r"\d+(?=\D*$)")
_HASHED_FILES = 64
_TICK = Fraction(1, 1000)  # FFmpeg's filters want one, of no matter what


@dataclass(frozen=True)
class PictureFolder:
    """Pictures of one folder that follow each other.

    Attributes:
        folder: where they lie.
        names: of the files, in their order.
        numbers: of each file, by which gaps are found; empty if they are not counted.
    """

    folder: Path
    names: tuple[str, ...]
    numbers: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.folder / self.names[0]} to {self.names[-1]}"

    @property
    def name(self) -> str:
        """Return what to call them: the folder and what the names share."""
        return f"{self.folder.resolve().name}/{_NUMBER.sub('#', self.names[0])}"

    @property
    def paths(self) -> list[Path]:
        """Return the files."""
        return [self.folder / name for name in self.names]

    def num_bytes(self) -> int:
        """Return the size of all files together."""
        return sum(path.stat().st_size for path in self.paths)

    def content(self) -> str:
        """Return a hash: of all sizes, and of the content of files spread over the folder."""
        paths = self.paths
        digest = hashlib.sha256(repr([path.stat().st_size for path in paths]).encode())
        for path in paths[:: max(1, len(paths) // _HASHED_FILES)]:
            digest.update(sampled_hash(path).encode())
        return digest.hexdigest()[:16]


def find_picture_folders(paths: Iterable[Path]) -> list[PictureFolder]:
    """Sort pictures into those that follow each other; one alone is none.

    Names that differ in their last number only follow each other, so two walks in one folder are two. Others,
    such as times, are taken in the order of all their numbers.
    """
    folders: list[PictureFolder] = []
    counted: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for path in paths:
        counted[path.parent, _NUMBER.sub("#", path.name).lower()].append(path)
    rest: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for (folder, shared), files in counted.items():
        if len(files) > 1:
            files.sort(key=lambda path: (_last_number(path), path.name))
            names, numbers = tuple(path.name for path in files), tuple(map(_last_number, files))
            folders.append(PictureFolder(folder, names, numbers))
        elif "#" in shared:
            rest[folder, re.sub(r"\d+", "#", files[0].name).lower()] += files
    for (folder, _), files in rest.items():
        if len(files) > 1:
            files.sort(key=lambda path: [int(number) for number in re.findall(r"\d+", path.name)])
            folders.append(PictureFolder(folder, tuple(path.name for path in files), ()))
    return folders


def is_picture(path: Path) -> bool:
    """Return whether a file's name says that it is a picture."""
    return path.suffix.lower() in PICTURE_SUFFIXES


def _last_number(path: Path) -> int:
    found = _NUMBER.search(path.name)
    return int(found[0]) if found else 0


class PictureReader(Reader):
    """Numbered pictures, opened.

    Args:
        source: the pictures.
        rate: how many are a second.
        on_read: called for each with the bytes read so far.
    """

    def __init__(
        self, source: PictureFolder, rate: float, on_read: Callable[[int], None] = lambda position: None
    ) -> None:
        self.source, self.rate, self._on_read = source, rate, on_read
        self.num_bytes, self.num_pictures = source.num_bytes(), len(source.names)
        self.duration_s = self.length_s = len(source.names) / rate
        numbers = source.numbers
        steps = sorted(b - a for a, b in itertools.pairwise(numbers))
        self._step = steps[len(steps) // 2] if steps else 0

    def pictures(self, start_s: float = 0.0) -> Iterator[Picture]:
        """See `Reader`."""
        return self._read(max(0, int(start_s * self.rate)))

    def resume(self, mark: Mark, start_s: float = 0.0) -> Iterator[Picture]:
        """See `Reader`."""
        for i, picture in enumerate(self._read(mark.ordinal)):
            if i == 0 and picture.checksum() != mark.checksum:
                raise DataError(
                    f"{self.source} are not the pictures that were begun with; start anew (--overwrite)"
                )
            yield picture

    def _read(self, first: int) -> Iterator[Picture]:
        paths, position, follows = self.source.paths, 0, True
        self.num_damaged = 0
        for i in range(first, len(paths)):
            position += paths[i].stat().st_size if paths[i].exists() else 0
            self._on_read(min(position, self.num_bytes))
            follows = follows and self._is_next(i)
            try:
                pixels = read_picture(paths[i])
            except DataError:
                self.num_damaged += 1
                follows = False
                continue
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = i, _TICK
            yield Picture(frame, i / self.rate, i, min(position, self.num_bytes), follows)
            follows = True

    def _is_next(self, i: int) -> bool:
        numbers = self.source.numbers
        return not numbers or i == 0 or numbers[i] - numbers[i - 1] <= self._step
