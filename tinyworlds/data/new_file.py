"""An HDF5 file in the making: it takes its name when it is whole, or was never there.

HDF5 writes through `Target`, a Python object that never fails it: the library cannot close a file whose last
bytes it cannot write, complains again from every object that is freed, and crashes the interpreter when it
ends. So a failing disk is remembered, what could not be written stays in memory until the file is closed, and
the writer asks for the error. No signal comes in between, see `uninterrupted`.
"""

from __future__ import annotations

import contextlib
import io
import os
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import h5py

from tinyworlds.system.files import move_into_place, storage_error, storing
from tinyworlds.system.interrupts import uninterrupted
from tinyworlds.system.neighbours import new_neighbour

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_T = TypeVar("_T")


class NewFile:
    """A file that is written beside its place.

    Args:
        path: where it will be; missing folders are made, what killed processes left there goes.

    Attributes:
        path: where it will be.
        partial: where it is meanwhile.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        # an ending of its own: nobody who looks for gameplay files takes it for one
        self.partial = new_neighbour(self.path.with_name(f"{self.path.name}.part"))
        with storing(self.path), uninterrupted():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            target = Target(self.partial)
            self._target, self._file = target, h5py.File(target, "w")
            # also where nobody discards it: HDF5 must not find the target gone when the program ends
            self._drop = weakref.finalize(self, _drop, self._file, target, self.partial, os.getpid())

    def change(self, action: Callable[[h5py.File], _T]) -> _T:
        """Call `action` with the open file, while signals wait; return what it returns.

        It is a function so that its data sets are freed, which may write, before signals come again.

        Raises:
            StorageError: the disk is full.
        """
        with uninterrupted():
            try:
                result = action(self._file)
            except Exception:
                self._check_disk()
                raise
            self._check_disk()
            return result

    def finish(self, check: Callable[[Path], None] = lambda _: None) -> None:
        """Close the file and rename it into place.

        Args:
            check: called with the whole file before it takes its place; may raise.

        Raises:
            StorageError: the disk is full.
        """
        self.change(lambda file: file.close())
        self._target.close()
        check(self.partial)
        with storing(self.path):
            move_into_place(self.partial, self.path)
        self._drop.detach()

    def discard(self) -> None:
        """Drop everything written so far; nothing after `finish`."""
        self._drop()

    def _check_disk(self) -> None:
        if self._target.error is not None:
            raise storage_error(self.path, self._target.error) from self._target.error


@contextlib.contextmanager
def created(path: Path) -> Iterator[h5py.File]:
    """Yield a new HDF5 file under its own name for a short while, during which signals wait.

    Raises:
        StorageError: the disk is full.
    """
    with uninterrupted():
        target = Target(path)
        file = h5py.File(target, "w")
        try:
            yield file
        finally:
            file.close()
            target.close()
            if target.error is not None:
                raise storage_error(path, target.error) from target.error


def _drop(file: h5py.File, target: Target, partial: Path, owner: int) -> None:
    if os.getpid() != owner:  # a fork has the same file, which is not its own
        return
    with uninterrupted():
        with contextlib.suppress(Exception):
            file.close()
        target.close()
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


class Target:
    """The file under HDF5. It never raises: the first error of the disk is kept in `error`."""

    def __init__(self, path: Path) -> None:
        self._file = io.FileIO(path, "w+")
        self._place = 0
        self._unwritten: list[tuple[int, bytes]] = []  # what the disk did not take, and where it belongs
        self.error: OSError | None = None

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a place; return it."""
        self._place = offset + (self._size() if whence == os.SEEK_END else 0)
        return self._place

    def tell(self) -> int:
        """Return the place."""
        return self._place

    def write(self, data: ReadableBuffer, /) -> int:
        """Write all of `data`; what the disk does not take stays here."""
        view = memoryview(data).cast("B")
        try:
            if self.error is None:
                self._file.seek(self._place)
                rest = view
                while rest:
                    rest = rest[self._file.write(rest) :]
        except (OSError, ValueError) as error:
            self._note(error)
        if self.error is not None:
            self._unwritten.append((self._place, bytes(view)))
        self._place += len(view)
        return len(view)

    def read(self, size: int, /) -> bytes:
        """Return what was written there; by this method h5py knows a file."""
        buffer = bytearray(size)
        self.readinto(buffer)
        return bytes(buffer)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill `buffer` with what was written there, zeros where nothing was."""
        view = memoryview(buffer).cast("B")
        count = 0
        with contextlib.suppress(OSError, ValueError):
            self._file.seek(self._place)
            while count < len(view) and (more := self._file.readinto(view[count:])):
                count += more
        view[count:] = bytes(len(view) - count)
        for start, data in self._unwritten:
            first, last = max(start, self._place), min(start + len(data), self._place + len(view))
            if first < last:
                view[first - self._place : last - self._place] = data[first - start : last - start]
        self._place += len(view)
        return len(view)

    def truncate(self, size: int | None = None, /) -> int:
        """Change the length."""
        size = self._place if size is None else size
        try:
            if self.error is None:
                self._file.truncate(size)
        except (OSError, ValueError) as error:
            self._note(error)
        return size

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """Close the file; writes that come all the same are errors."""
        try:
            self._file.close()
        except OSError as error:
            self._note(error)

    def _note(self, error: OSError | ValueError) -> None:
        self.error = self.error or (error if isinstance(error, OSError) else OSError(str(error)))

    def _size(self) -> int:
        size = 0
        with contextlib.suppress(OSError, ValueError):
            size = os.fstat(self._file.fileno()).st_size
        return max([size, *(start + len(data) for start, data in self._unwritten)])
