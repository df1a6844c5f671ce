"""Which files are videos, and which are pictures."""

from __future__ import annotations

VIDEO_SUFFIXES = frozenset({
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg", ".flv", ".wmv",
    ".asf", ".3gp", ".ogv", ".gif", ".h264",
})  # fmt: skip
"""Endings that videos have, in small letters."""

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm"})
"""Endings that pictures have, in small letters."""
