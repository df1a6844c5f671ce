"""From the paths a person names to the videos that are meant."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tinyworlds.errors import DataError, MissingFileError, TinyWorldsError
from tinyworlds.media.suffixes import VIDEO_SUFFIXES


def find_videos(paths: Sequence[str | Path]) -> tuple[list[Path], list[TinyWorldsError]]:
    """Return the videos that were named, folders searched through, and an error for each path without one.

    From a folder files with the endings of videos are taken; a file that is named itself may have any. The
    order is that of `paths`; within a folder by name, with numbers counted (2 before 10). A file that is
    reached twice comes once.
    """
    videos: dict[Path, Path] = {}
    errors: list[TinyWorldsError] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = _videos_in(path)
            if not inside:
                errors.append(DataError(f"{path} is a folder without videos; name one that holds some"))
            for video in inside:
                videos.setdefault(video.resolve(), video)
        elif path.exists():
            videos.setdefault(path.resolve(), path)
        else:
            errors.append(MissingFileError(f"No such video: {path}; check the name"))
    return list(videos.values()), errors


def _videos_in(folder: Path) -> list[Path]:
    paths = (path for path in folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
    # files whose name begins with a dot are what macOS leaves beside the real ones on foreign disks
    visible = (path for path in paths if not path.name.startswith(".") and path.is_file())
    return sorted(visible, key=lambda path: _natural(path.relative_to(folder)))


def _natural(path: Path) -> list[tuple[int, int, str]]:
    words = re.split(r"(\d+)", path.as_posix().lower())
    return [(0, int(word), "") if word.isdigit() else (1, 0, word) for word in words]
