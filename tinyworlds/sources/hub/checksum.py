"""Checksums as files are published with: ``sha256:...``, or ``git-sha1:...`` for small files in git."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

BLOCK_BYTES = 2**20
_FORM = re.compile(r"sha256:[0-9a-f]{64}|git-sha1:[0-9a-f]{40}")


def is_checksum(text: str) -> bool:
    """Whether `text` has the form of a checksum."""
    return _FORM.fullmatch(text) is not None


def checksum_of(
    path: Path, algorithm: str = "sha256", advance: Callable[[int], None] = lambda count: None
) -> str:
    """Read a file through and return its checksum.

    Args:
        path: the file.
        algorithm: "sha256" or "git-sha1".
        advance: told how many bytes were read since the last call.
    """
    digest = hashlib.sha256()
    if algorithm == "git-sha1":
        digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
            advance(len(block))
    return f"{algorithm}:{digest.hexdigest()}"


def matches(path: Path, size: int, checksum: str, advance: Callable[[int], None]) -> bool:
    """Whether a file has this size and this checksum; it is only read if the size is right."""
    algorithm = checksum.partition(":")[0]
    return path.stat().st_size == size and checksum_of(path, algorithm, advance) == checksum
