"""A file for HDF5 to read from that refuses what would make the library hang.

Texts of any length (attributes such as ``source``) lie in "global heaps". HDF5 walks a heap object by object
and trusts the stored sizes: an object of size 0 keeps it walking for ever, inside C, where no time limit of
ours reaches it. So every heap is looked at here on its way to the library. Nothing else that we found by
damaging thousands of files makes HDF5 hang or crash.
"""

from __future__ import annotations

import io
import os
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_SIGNATURE = b"GCOL\x01\0\0\0"  # a global heap, version 1; eight bytes, so pixels hardly ever look like one
_MOST_OBJECTS = 2**16  # their numbers have 16 bits
_HEADER_BYTES = 16  # of a heap: signature and size; of an object in it: index, counts and size


class GuardedFile(io.FileIO):
    """A file opened for reading, to be given to ``h5py.File`` in place of its name."""

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill `buffer` from where the file stands; return how many bytes there were.

        Raises:
            OSError: they hold a heap with impossible sizes.
        """
        start = self.tell()
        count = super().readinto(buffer) or 0
        content = bytes(memoryview(buffer)[:count])
        place = content.find(_SIGNATURE)
        while place >= 0:
            self._check_heap(start + place)
            place = content.find(_SIGNATURE, place + 1)
        return count

    def __del__(self) -> None:
        self.close()  # HDF5 lets go of the file without closing it

    def _check_heap(self, start: int) -> None:
        before = self.tell()
        size, place, count = self._number(start + 8, "<Q"), _HEADER_BYTES, 0
        if start + size > os.fstat(self.fileno()).st_size:  # HDF5 would ask for as much memory first
            raise OSError(f"global heap at byte {start}: {size} bytes are more than the file has")
        while place + _HEADER_BYTES <= size:
            count += 1
            if count > _MOST_OBJECTS:
                raise OSError(f"global heap at byte {start}: more objects than there are numbers")
            index, length = self._number(start + place, "<H"), self._number(start + place + 8, "<Q")
            # object 0 is the room that is left, its length counts its own header
            step = length if index == 0 else _HEADER_BYTES + -(-length // 8) * 8
            if step < _HEADER_BYTES or place + step > size:
                raise OSError(f"global heap at byte {start}: object of {length} bytes at {place} of {size}")
            place += step
        self.seek(before)

    def _number(self, place: int, form: str) -> int:
        self.seek(place)
        content = self.read(struct.calcsize(form))
        if len(content) < struct.calcsize(form):
            raise OSError(f"the file ends within a global heap, at byte {place}")
        return struct.unpack(form, content)[0]
