"""From the paths a person names to the videos that are meant."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from tinyworlds.data.content import sampled_hash
from tinyworlds.errors import DataError, MissingFileError, TinyWorldsError
from tinyworlds.media.suffixes import VIDEO_SUFFIXES
from tinyworlds.sources.ingest.picture_folder import PictureFolder, find_picture_folders, is_picture

Source: TypeAlias = Path | PictureFolder
"""What one video is read from."""


def find_videos(paths: Sequence[str | Path]) -> tuple[list[Source], list[TinyWorldsError]]:
    """Return the videos that were named, folders searched through, and an error for each path without one.

    From a folder files with the endings of videos are taken, and numbered pictures where no video lies beside
    them; a file that is named itself may have any ending. The order is that of `paths`; within a folder by
    name, with numbers counted (2 before 10). A file that is reached twice comes once.
    """
    videos: dict[Path, Source] = {}
    pictures: list[Path] = []
    errors: list[TinyWorldsError] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = _sources_in(path)
            if not inside:
                told = f"{path} is a folder without videos or numbered pictures; name one that holds some"
                errors.append(DataError(told))
            for source in inside:
                videos.setdefault(_key(source), source)
        elif not path.exists():
            errors.append(MissingFileError(f"No such video: {path}; check the name"))
        elif is_picture(path):
            pictures.append(path)
        else:
            videos.setdefault(path.resolve(), path)
    named = find_picture_folders(dict.fromkeys(pictures))
    for folder in named:
        videos.setdefault(_key(folder), folder)
    taken = {path for folder in named for path in folder.paths}
    errors += [
        DataError(f"{path} is one picture; name the folder of all that belong together: {path.parent}")
        for path in pictures
        if path not in taken
    ]
    return list(videos.values()), errors


def num_bytes(source: Source) -> int:
    """Return the size of all that is read."""
    return source.num_bytes() if isinstance(source, PictureFolder) else source.stat().st_size


def content_of(source: Source) -> str:
    """Return a hash of the content, see `sampled_hash`."""
    return source.content() if isinstance(source, PictureFolder) else sampled_hash(source)


def _key(source: Source) -> Path:
    return _place(source).resolve()


def _sources_in(folder: Path) -> list[Source]:
    # files whose name begins with a dot are what macOS leaves beside the real ones on foreign disks
    visible = [path for path in folder.rglob("*") if not path.name.startswith(".") and path.is_file()]
    videos = [path for path in visible if path.suffix.lower() in VIDEO_SUFFIXES]
    beside = {path.parent for path in videos}  # pictures there are covers, thumbnails, screenshots
    pictures = [path for path in visible if is_picture(path) and path.parent not in beside]
    sources: list[Source] = [*videos, *find_picture_folders(pictures)]
    return sorted(sources, key=lambda source: _natural(_place(source).relative_to(folder)))


def _place(source: Source) -> Path:
    return source.paths[0] if isinstance(source, PictureFolder) else source


def _natural(path: Path) -> list[tuple[int, int, str]]:
    words = re.split(r"(\d+)", path.as_posix().lower())
    return [(0, int(word), "") if word.isdecimal() else (1, 0, word) for word in words]
