"""What a gameplay file holds, as a short name that survives moving and copying the file."""

from __future__ import annotations

import hashlib
from pathlib import Path

_EDGE_BYTES = 2**20
_BLOCK_BYTES = 2**16
_NUM_BLOCKS = 64


def content_hash(path: str | Path) -> str:
    """Return 16 hex digits that change with the content of a file, at the cost of reading 6 MiB.

    They are the start of a sha256 over the file's size in bytes, its first and last MiB, and 64 evenly spaced
    blocks of 64 KiB. Neither name nor time counts. Files of up to 4 MiB are covered whole; in larger ones a
    change in place that keeps the size and lies between the blocks goes unseen, which recording, ingesting
    and downloading do not produce.
    """
    path = Path(path)
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    last = max(0, size - _BLOCK_BYTES)
    blocks = [(last * i // (_NUM_BLOCKS - 1), _BLOCK_BYTES) for i in range(_NUM_BLOCKS)]
    with open(path, "rb") as file:
        for start, count in ((0, _EDGE_BYTES), (max(0, size - _EDGE_BYTES), _EDGE_BYTES), *blocks):
            file.seek(start)
            digest.update(file.read(count))
    return digest.hexdigest()[:16]
