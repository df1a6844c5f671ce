"""Frames of files that refer to others beside them: virtual data sets and links, where it is asked for.

HDF5 does not read any of it: which rows lie where is looked up here, and each file is opened as every other.
Only files within the folder of the one that was named are followed.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from h5py import h5d, h5s

from tinyworlds.data.h5_open import opened
from tinyworlds.data.reader import SpanReader
from tinyworlds.data.stored import Elsewhere, dataset, follow
from tinyworlds.errors import DataError, TinyWorldsError

_PATIENCE_S = 60.0


@dataclass(frozen=True)
class _Rows:
    path: Path
    name: str
    first: int
    count: int | None  # None: all
    shape: tuple[int, ...] | None  # of one row, if it is known before the file is opened


class JoinedReader:
    """Rows of a data set, wherever beside the file they lie.

    Args:
        path: the file.
        name: of the data set.

    Attributes:
        shape: of the whole.
        dtype: of all parts.
        nbytes: of the whole in memory.
        chunk_rows: rows that are stored together, at most.
        plain: the reader of `path` where all of it lies there, else None.

    Raises:
        MissingFileError: there is no such file.
        DataError: it refers to a file that is not there or outside of its folder, or rows lie nowhere.
    """

    def __init__(self, path: str | Path, name: str) -> None:
        path = Path(path)
        rows = _rows(path, name)
        self._readers = [SpanReader(part.path, part.name, unclosed=True) for part in rows]
        self._firsts = [part.first for part in rows]
        self._counts = []
        for part, reader in zip(rows, self._readers, strict=True):
            count = len(reader) if part.count is None else part.count
            if part.first + count > len(reader) or part.shape not in (None, reader.shape[1:]):
                wanted = [part.first + count, *(part.shape or reader.shape[1:])]
                raise DataError(
                    f"{path}: '{name}' takes {wanted} of {part.path}, which has {list(reader.shape)}."
                )
            self._counts.append(count)
        self.dtype = self._readers[0].dtype
        self.shape = (sum(self._counts), *self._readers[0].shape[1:])
        if {(reader.dtype, reader.shape[1:]) for reader in self._readers} != {(self.dtype, self.shape[1:])}:
            raise DataError(
                f"{path}: '{name}' is made of data sets of several kinds; write the data themselves."
            )
        self.nbytes = math.prod(self.shape) * self.dtype.itemsize
        self.chunk_rows = max(reader.chunk_rows for reader in self._readers)
        self.plain = self._readers[0] if [part.path for part in rows] == [path] else None

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, start: int, count: int) -> np.ndarray:
        """Return `count` rows from `start`.

        Raises:
            DataError: the storage is damaged there.
        """
        found, place = [], 0
        for reader, first, length in zip(self._readers, self._firsts, self._counts, strict=True):
            begin, end = max(start - place, 0), min(start + count - place, length)
            if begin < end:
                found.append(reader.read(first + begin, end - begin))
            place += length
        return found[0] if len(found) == 1 else np.concatenate(found)

    def close(self) -> None:
        """Close this process's handles."""
        for reader in self._readers:
            reader.close()


def _rows(path: Path, name: str) -> list[_Rows]:
    with opened(path, unclosed=True) as file:
        try:
            dataset(file, path, name)
        except Elsewhere as elsewhere:
            if elsewhere.link is not None:
                other, inside = elsewhere.link
                return [_Rows(_beside(path, other), inside, 0, None, None)]
            return _told_by_child(path, name)
        return [_Rows(path, name, 0, None, None)]


def _told_by_child(path: Path, name: str) -> list[_Rows]:
    """Let another process ask HDF5 what a virtual data set is made of: a crafted one may crash it."""
    code = "import sys; from tinyworlds.data.joined import tell; tell(*sys.argv[1:])"
    words = [sys.executable, "-c", code, str(path), name]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    told: dict[str, Any] = {"error": f"{path} is damaged in '{name}'; copy, download or record it again."}
    with contextlib.suppress(ValueError, subprocess.TimeoutExpired):
        child = subprocess.run(words, capture_output=True, check=False, env=environment, timeout=_PATIENCE_S)
        told = json.loads(child.stdout)
    if "error" in told:
        raise DataError(told["error"])
    return [
        _Rows(Path(rows["path"]), rows["name"], rows["first"], rows["count"], tuple(rows["shape"]))
        for rows in told["rows"]
    ]


def tell(path: str, name: str) -> None:
    """Print, as JSON, the rows that a virtual data set is made of, or what is wrong with it."""
    try:
        with opened(path, unclosed=True) as file:
            data = follow(file, Path(path), name, virtual_too=True)
            assert isinstance(data, h5d.DatasetID)
            rows = _virtual_rows(data, Path(path), name)
        told: dict[str, object] = {"rows": [{**asdict(part), "path": str(part.path)} for part in rows]}
    except TinyWorldsError as error:
        told = {"error": str(error)}
    print(json.dumps(told))


def _virtual_rows(data: h5d.DatasetID, path: Path, name: str) -> list[_Rows]:
    made, parts, shape = data.get_create_plist(), [], (0,)
    for i in range(made.get_virtual_count()):
        space, source = made.get_virtual_vspace(i), made.get_virtual_srcspace(i)
        shape, (start, count) = space.shape, _whole_rows(space, path, name)
        first, taken = (
            (0, count) if source.get_select_type() == h5s.SEL_ALL else _whole_rows(source, path, name)
        )
        if taken != count:
            raise DataError(
                f"{path}: '{name}' puts {taken} rows in place of {count}; write the data themselves."
            )
        other = made.get_virtual_filename(i)
        there = path if other == "." else _beside(path, other)
        parts.append((start, _Rows(there, made.get_virtual_dsetname(i), first, count, tuple(shape[1:]))))
    parts.sort(key=lambda part: part[0])
    end = 0
    for start, rows in parts:
        if start != end:
            break
        end += rows.count or 0
    if not parts or end != shape[0]:
        raise DataError(
            f"{path}: rows of '{name}' from {end:,} on come from no file, or from two; write them all."
        )
    return [rows for _, rows in parts]


def _whole_rows(space: h5s.SpaceID, path: Path, name: str) -> tuple[int, int]:
    """First and number of the rows that a selection takes as a whole."""
    if space.get_select_type() == h5s.SEL_ALL:
        return 0, space.shape[0]
    if space.get_select_type() == h5s.SEL_HYPERSLABS and space.is_regular_hyperslab():
        starts, strides, counts, blocks = space.get_regular_hyperslab()
        together = all(
            count == 1 or stride == block
            for stride, count, block in zip(strides, counts, blocks, strict=True)
        )
        lengths = [count * block for count, block in zip(counts, blocks, strict=True)]
        if together and not any(starts[1:]) and lengths[1:] == list(space.shape[1:]) and lengths[0] < 2**63:
            return int(starts[0]), int(lengths[0])
    raise DataError(f"{path}: '{name}' is put together of more than whole rows; write the data themselves.")


def _beside(path: Path, name: str) -> Path:
    """The file of a name that another file holds, if it lies in that one's folder."""
    there = (path.parent / name).resolve()
    if not there.is_relative_to(path.parent.resolve()):
        raise DataError(
            f"{path} takes data from {name!a}, outside of its folder; move that file there, or write the "
            "data themselves."
        )
    if not there.is_file():
        raise DataError(f"{path} takes data from {name!a}, which is not there; put it beside it.")
    return there
