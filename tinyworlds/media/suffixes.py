"""Which files are videos, which are pictures, and in which formats ours are written: by their endings."""

from __future__ import annotations

from pathlib import Path

from tinyworlds.errors import ConfigError

VIDEO_SUFFIXES = frozenset({
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg", ".flv", ".wmv",
    ".asf", ".3gp", ".ogv", ".gif", ".h264",
})  # fmt: skip
"""Endings that videos have, in small letters."""

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm"})
"""Endings that pictures have, in small letters."""

CLIP_SUFFIXES = (".mp4", ".webm", ".gif", ".mkv", ".mov")
"""Endings of the clips that can be written."""

SHEET_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
"""Endings of the pictures that can be written."""


def check_clip_path(path: str | Path) -> None:
    """Refuse a name for a clip whose ending is of no clip, before any work is done for it.

    Raises:
        ConfigError: says which endings there are.
    """
    _check(path, "a clip", CLIP_SUFFIXES)


def check_picture_path(path: str | Path) -> None:
    """Refuse a name for a picture whose ending is of no picture, before any work is done for it.

    Raises:
        ConfigError: says which endings there are.
    """
    _check(path, "a picture", SHEET_SUFFIXES)


def _check(path: str | Path, what: str, suffixes: tuple[str, ...]) -> None:
    if Path(path).is_dir():
        example = Path(path) / f"name{suffixes[0]}"
        raise ConfigError(f"{path} is a folder; name {what} in it, such as {example}")
    if Path(path).suffix.lower() not in suffixes:
        known = f"{', '.join(suffixes[:-1])} or {suffixes[-1]}"
        raise ConfigError(f"{path}: {what} ends in {known}; choose one of these")
