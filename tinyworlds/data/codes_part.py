"""A codes file in the making, which goes on where a killed program left it.

HDF5 lays the file out once, with room for all rows. Rows are then written as plain bytes, and every few
seconds, after the disk has confirmed them, how many are done. So a kill at any moment loses some seconds of
work, and HDF5's own tables, untouched since the start, stay whole.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np

from tinyworlds.data.h5_open import opened
from tinyworlds.data.new_file import created
from tinyworlds.data.reader import SpanReader
from tinyworlds.data.stored import find
from tinyworlds.errors import DataError, MissingFileError
from tinyworlds.system.files import replacing

MARK_SECONDS = 5.0  # from one mark to the next


class CodesPart:
    """Appends rows to the part file; leaving the block marks what is done, whatever ends it.

    Args:
        path: the part file; one that is there is continued.
        shapes: shape of each dataset, rows first; all are int16.
        starts: first frame of each window, int64 [W], for codes per window.
        origin: what the codes are made of, kept as attributes for people who look.

    Attributes:
        done: rows written.

    Raises:
        StorageError: the file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        shapes: Mapping[str, tuple[int, ...]],
        starts: np.ndarray | None = None,
        origin: Mapping[str, str] | None = None,
    ) -> None:
        if not _is_laid_out(path, shapes):
            _lay_out(path, shapes, starts, origin or {})
        with opened(path) as file:
            self._offsets = {name: file[name].id.get_offset() for name in (*shapes, "done")}
        self.done = rows_done(path)
        self._marked_at = time.monotonic()
        self._handle = open(path, "r+b")  # noqa: SIM115 (closed by __exit__)

    def append(self, rows: Mapping[str, np.ndarray]) -> None:
        """Write the next rows of every dataset.

        Raises:
            OSError: the disk is full.
        """
        for name, values in rows.items():
            stored = np.ascontiguousarray(values, np.int16)
            self._handle.seek(self._offsets[name] + self.done * stored[0].nbytes)
            self._handle.write(stored.data)
        self.done += len(rows["ids"])
        if time.monotonic() - self._marked_at >= MARK_SECONDS:
            self._mark()

    def _mark(self) -> None:
        """Note the rows done, once they are safe: in this order a mark never promises too much."""
        self._handle.flush()
        os.fsync(self._handle.fileno())
        self._handle.seek(self._offsets["done"])
        self._handle.write(np.array([self.done], np.int64).data)
        self._handle.flush()
        self._marked_at = time.monotonic()

    def __enter__(self) -> CodesPart:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._mark()
        finally:
            self._handle.close()


def rows_done(path: Path) -> int:
    """Return how many rows of a part file are marked as done; 0 if there is none."""
    try:
        return int(SpanReader(path, "done").read(0, 1)[0])
    except (MissingFileError, DataError):
        return 0


def _is_laid_out(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    try:
        with opened(path) as file:
            found = {name: find(file, path, name) for name in (*shapes, "done")}
            return all(
                isinstance(data, h5py.Dataset) and data.shape == shapes.get(name, (1,))
                for name, data in found.items()
            )
    except (MissingFileError, DataError):
        return False


def _lay_out(
    path: Path,
    shapes: Mapping[str, tuple[int, ...]],
    starts: np.ndarray | None,
    origin: Mapping[str, str],
) -> None:
    with replacing(path) as temporary, created(temporary) as file:
        file.attrs.update(origin)
        file["done"] = np.zeros(1, np.int64)
        if starts is not None:
            file["starts"] = starts.astype(np.int64)
        for name, shape in shapes.items():
            data = file.create_dataset(name, shape, np.int16)
            if shape[0]:
                data[-1] = 0  # makes HDF5 reserve the room
