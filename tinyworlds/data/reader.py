"""Rows of a gameplay file, from any process, without ever loading the file.

Datasets stored in one piece are read with plain file reads at their offset (fast, and memory stays flat);
chunked ones through h5py, a whole span at a time because strided h5py reads are several times slower. Handles
are opened on first use in each process and never pickled or inherited.
"""

from __future__ import annotations

import atexit
import io
import os
import weakref
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d

from tinyworlds.data.action_ids import Labels, labels_of
from tinyworlds.data.h5_open import handles_left, open_h5, opened, reading
from tinyworlds.data.schema import FileInfo, read_info
from tinyworlds.data.stored import dataset, find
from tinyworlds.errors import DataError
from tinyworlds.system.interrupts import uninterrupted


class SpanReader:
    """Rows of one dataset, read on demand.

    Args:
        path: an HDF5 file.
        name: a dataset in it; the first axis counts rows.
        unclosed: read a file, too, whose writer never closed it.

    Attributes:
        shape: of the dataset.
        dtype: of the dataset.
        chunk_rows: rows that are stored together; 1 in one piece.

    Raises:
        MissingFileError: there is no such file.
        DataError: it is unreadable or has no such dataset.
    """

    def __init__(self, path: str | Path, name: str, unclosed: bool = False) -> None:
        self.path = Path(path)
        self.name = name
        self._unclosed = unclosed
        with opened(path, unclosed=unclosed) as file:
            data = dataset(file, self.path, name)
            if not data.shape:
                raise DataError(f"{path}: '{name}' has no rows; write the file again.")
            self.chunk_rows: int = data.chunks[0] if data.chunks else 1
            self.shape: tuple[int, ...] = data.shape
            self.dtype: np.dtype = data.dtype
            self._offset = _offset(file, data)
        self._owner = -1
        self._handle: Any = None

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, start: int, count: int, stride: int = 1, out: np.ndarray | None = None) -> np.ndarray:
        """Return the rows start, start + stride, ... (`count` of them), into `out` if given.

        Raises:
            IndexError: the rows reach outside the dataset.
            DataError: the storage is damaged there.
        """
        span = (count - 1) * stride + 1
        if start < 0 or count < 1 or start + span > len(self):
            raise IndexError(f"rows {start} to {start + span} of {len(self)} in {self.path}")
        if out is None:
            out = np.empty((count, *self.shape[1:]), self.dtype)
        if self._offset is None:
            self._read_chunked(start, span, stride, out)
        elif stride == 1:
            self._read_raw(self._offset, start, out)
        else:
            for i in range(count):
                self._read_raw(self._offset, start + i * stride, out[i : i + 1])
        return out

    def _read_chunked(self, start: int, span: int, stride: int, out: np.ndarray) -> None:
        with reading(self.path, f"in '{self.name}' near row {start}"):
            data = self._open(self._open_checked)[self.name]
            out[:] = data[start : start + span][::stride]
            del data  # freeing it is HDF5's work, too, during which signals wait

    def _read_raw(self, offset: int, start: int, out: np.ndarray) -> None:
        file: io.FileIO = self._open(self._open_raw)
        row_bytes = int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize
        file.seek(offset + start * row_bytes)
        view = out.reshape(-1).view(np.uint8).data
        while view:
            count = file.readinto(view)
            if not count:
                raise DataError(f"{self.path} is truncated near row {start}; copy or record it again.")
            view = view[count:]

    def _open_raw(self) -> io.FileIO:
        with handles_left(self.path):
            return open(self.path, "rb", buffering=0)

    def _open_checked(self) -> h5py.File:
        file = open_h5(self.path, self._unclosed)
        try:
            # the file may be another by now; loads what it is packed with, too
            dataset(file, self.path, self.name)
        except BaseException:
            file.close()
            raise
        return file

    def _open(self, opener: Callable[[], Any]) -> Any:
        """This process's own handle; one inherited by a fork shares its position and must not be used."""
        if self._owner != os.getpid():
            self.close()
            self._handle, self._owner = opener(), os.getpid()
            _open_readers.add(self)
        return self._handle

    def close(self) -> None:
        """Close this process's handle; the next read opens it again."""
        # an inherited h5py handle is only dropped: closing it would touch state shared with the parent
        if self._handle is not None and (self._owner == os.getpid() or self._offset is not None):
            with uninterrupted():
                self._handle.close()
        self._handle, self._owner = None, -1

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            self.close()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_owner": -1, "_handle": None}


_open_readers: weakref.WeakSet[SpanReader] = weakref.WeakSet()


@atexit.register
def _close_readers() -> None:
    """Close what is open while Python still runs: HDF5 calls back into it, and crashes at its end."""
    for reader in list(_open_readers):
        reader.close()


class FrameFile:
    """One gameplay file: its facts, frames on demand, and the per-frame columns.

    Args:
        path: the gameplay file.
        frames_path: an HDF5 file with the same `frames` stored in one piece (see `cache`); None reads `path`.

    Attributes:
        info: the facts about the file.
    """

    def __init__(self, path: str | Path, frames_path: Path | None = None) -> None:
        self.info: FileInfo = read_info(path)
        self._frames = SpanReader(frames_path or path, "frames")
        self._numbers: np.ndarray | None = None

    def __len__(self) -> int:
        return self.info.num_frames

    def frames(self, start: int, count: int, stride: int = 1, out: np.ndarray | None = None) -> np.ndarray:
        """Return frames start, start + stride, ...: uint8 [count,H,W,3]."""
        return self._frames.read(start, count, stride, out)

    @property
    def actions(self) -> np.ndarray | None:
        """The number of the true action of every frame, int64 [N], below 0 where unknown; None without any.

        Numbers are places in the names of `labels`, or in those that `number_actions` was given. They are
        small beside the frames, so kept whole.

        Raises:
            DataError: what is stored are no actions to choose from.
        """
        if self._numbers is None and self.labels is not None:
            self._numbers = self.labels.ids
        return self._numbers

    @cached_property
    def labels(self) -> Labels | None:
        """The true actions as this file has them; None without any; see `actions`."""
        return self.labels_by(self.info.action_names)

    def labels_by(self, names: Sequence[str]) -> Labels | None:
        """The true actions by these names of the stored ids; see `actions`."""
        stored = self.column("actions")
        if stored is None:
            return None
        try:
            return labels_of(stored, names)
        except DataError as error:
            shape = f"{stored.dtype} {list(stored.shape)}"
            raise DataError(
                f"{self.info.path}: 'actions' ({shape}) are no actions to choose from: {error}"
            ) from None

    def number_actions(self, labels: Labels | None, names: Sequence[str]) -> None:
        """From now on `actions` are places in `names`, which several files share; None: there are none."""
        self.labels = labels
        self._numbers = None if labels is None else labels.renumbered(names)

    @cached_property
    def episode_ends(self) -> np.ndarray:
        """Indices of the last frame of each episode; the last frame of the file is always one."""
        marked = self.column("episode_ends", bool)
        ends = np.flatnonzero(marked) if marked is not None else np.empty(0, np.int64)
        return np.union1d(ends, [len(self) - 1])

    @cached_property
    def rewards(self) -> np.ndarray | None:
        """What the action at every frame earned, float32 [N]; None without any."""
        return self.column("rewards", np.float32)

    @cached_property
    def terminations(self) -> np.ndarray | None:
        """Whether the game ended with it, bool [N]; None where ends are not told from cuts."""
        return self.column("terminations", bool)

    def close(self) -> None:
        """Close this process's handle."""
        self._frames.close()

    def column(self, name: str, dtype: type | None = None) -> np.ndarray | None:
        """Return a per-frame dataset [N], as `dtype` or as it is stored; None if the file has none."""
        with opened(self.info.path, f"in '{name}'") as file:
            data = find(file, self.info.path, name)
            values = data[:] if isinstance(data, h5py.Dataset) else None
        return values if values is None or dtype is None else values.astype(dtype)


def _offset(file: h5py.File, data: h5py.Dataset) -> int | None:
    """Where the bytes of a dataset stored in one piece begin, or None if it must be read through h5py."""
    if (
        data.chunks is not None
        or file.userblock_size
        or data.id.get_create_plist().get_layout() != h5d.CONTIGUOUS
    ):
        return None
    return data.id.get_offset()
