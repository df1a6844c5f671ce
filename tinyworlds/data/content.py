"""What tells one file's content from another's: hashes that survive moving and copying, and seals.

A name, a size and a time do not tell: a file may be replaced by one of the same size, and copying tools set
the time back. So what is made of a file is named after a hash of all its bytes. At half a GiB a second
that is too slow for every start; the hash is noted, and holds for as long as the system swears that nothing
was written: its time of *change*, unlike that of modification, cannot be set.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from tinyworlds.system.files import write_text

_BLOCK_BYTES = 2**20
_SAMPLE_BYTES, _NUM_SAMPLES = 2**16, 64
_SETTLED_S = 2.0  # file systems keep times in steps of up to two seconds
_SEALS = {True: b"tinyworlds whole ", False: b"tinyworlds sample"}
_SEAL_BYTES = len(_SEALS[True]) + 64


def sampled_hash(path: str | Path) -> str:
    """Return 16 hex digits for the content of a file that survive moving and copying it, by reading 6 MiB.

    They are the start of a sha256 over the file's size in bytes, its first and last MiB, and 64 evenly spaced
    blocks of 64 KiB. Neither name nor time counts. Files of up to 4 MiB are covered whole; in larger ones a
    change in place that keeps the size and lies between the blocks goes unseen, which recording, ingesting
    and downloading do not produce.
    """
    with open(path, "rb") as file:
        return _sampled(file, os.fstat(file.fileno()).st_size)[:16]


def content_hash(path: str | Path, note: Path, busy: Callable[[], None] = lambda: None) -> str:
    """Return 16 hex digits for all bytes of a file.

    Args:
        path: the file.
        note: where the hash is noted for next time; where it cannot be, the file is read anew each time.
        busy: called often while reading.

    Raises:
        OSError: the file cannot be read.
    """
    path = Path(path)
    state = _state(path)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        entry = json.loads(note.read_text(encoding="utf-8"))
        if entry["state"] == state:
            return str(entry["content"])
    begun = time.time()
    with open(path, "rb") as file:
        content = _hash(file, os.fstat(file.fileno()).st_size, busy)[:16]
    # what was written a moment ago could be written again without another time
    if begun - path.stat().st_ctime > _SETTLED_S and _state(path) == state:
        with contextlib.suppress(OSError):
            write_text(note, json.dumps({"state": state, "content": content}))
    return content


def seal(path: Path, whole: bool) -> None:
    """Put a hash of a finished file at its end, by which `is_sealed` tells damage. HDF5 minds no more bytes.

    Args:
        path: the file.
        whole: hash every byte, rather than 6 MiB of a large file.

    Raises:
        OSError: the disk is full.
    """
    with open(path, "r+b") as file:
        size = file.seek(0, io.SEEK_END)
        digest = _hash(file, size) if whole else _sampled(file, size)
        file.seek(size)
        file.write(_SEALS[whole] + digest.encode())


def is_sealed(path: Path) -> bool:
    """Whether a file is there and holds what it held when it was sealed; not if it was cut or changed."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, io.SEEK_END) - _SEAL_BYTES
            if size < 0:
                return False
            file.seek(size)
            found = file.read(_SEAL_BYTES)
            for whole, mark in _SEALS.items():
                if found.startswith(mark):
                    digest = _hash(file, size) if whole else _sampled(file, size)
                    return found[len(mark) :] == digest.encode()
    except OSError:
        pass
    return False


def _state(path: Path) -> list[int | str]:
    """What changes with any write to a file, or when another takes its place."""
    stat = path.stat()
    state: list[int | str] = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev]
    # Windows has no time of change but that of creation under its name
    return [*state, sampled_hash(path)] if os.name == "nt" else state


def _hash(file: io.BufferedIOBase, size: int, busy: Callable[[], None] = lambda: None) -> str:
    digest = hashlib.sha256()
    file.seek(0)
    while size > 0 and (block := file.read(min(size, _BLOCK_BYTES))):
        digest.update(block)
        size -= len(block)
        busy()
    return digest.hexdigest()


def _sampled(file: io.BufferedIOBase, size: int) -> str:
    digest = hashlib.sha256(str(size).encode())
    last = max(0, size - _SAMPLE_BYTES)
    blocks = [(last * i // (_NUM_SAMPLES - 1), _SAMPLE_BYTES) for i in range(_NUM_SAMPLES)]
    for start, count in ((0, _BLOCK_BYTES), (max(0, size - _BLOCK_BYTES), _BLOCK_BYTES), *blocks):
        file.seek(start)
        digest.update(file.read(min(count, size - start)))
    return digest.hexdigest()
