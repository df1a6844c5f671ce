"""Whether a data set is virtual, told from its bytes before HDF5 opens it.

HDF5 decodes what a virtual data set is made of when it opens it, and trusts the number of axes stored there:
a damaged or crafted one overwrites its stack. So the few bytes that say "virtual" are looked for here. See
https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t4.html, IV.A.1 object headers, IV.A.2.i layouts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

_LAYOUT, _CONTINUED = 0x08, 0x10  # types of messages
_VIRTUAL = 3  # class of a layout; there since version 4 of the message
_MOST_BLOCKS = 1024
_MOST_BYTES = 2**24


def is_virtual(file: BinaryIO, base: int, address: int) -> bool:
    """Whether an object header has the layout of a virtual data set; groups have none.

    Args:
        file: the HDF5 file, opened as bytes.
        base: where HDF5's part of it begins.
        address: of the object header, from `base`.

    Raises:
        ValueError: it is no object header.
    """
    return any(
        kind == _LAYOUT and len(data) > 1 and data[0] >= 4 and data[1] == _VIRTUAL
        for kind, data in _messages(file, base, address)
    )


def _messages(file: BinaryIO, base: int, address: int) -> Iterator[tuple[int, bytes]]:
    """Yield type and content of each message of an object header."""
    sizes = _sizes(file, base)
    head = _read(file, base + address, 64)
    if head[:4] == b"OHDR":
        flags = head[5]
        start = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        width = 1 << (flags & 3)
        blocks = [(address + start + width, int.from_bytes(head[start : start + width], "little"))]
        prefix, kind_bytes = 4 + (2 if flags & 4 else 0), 1
    elif head[0] == 1:
        blocks = [(address + 16, int.from_bytes(head[8:12], "little"))]
        prefix, kind_bytes = 8, 2
    else:
        raise ValueError(f"no object header at byte {base + address}")
    for number, (start, length) in enumerate(blocks):  # grows while it is walked
        if number >= _MOST_BLOCKS or length > _MOST_BYTES:
            raise ValueError(f"object header at byte {base + address} has no end")
        block, place = _read(file, base + start, length), 0
        if kind_bytes == 1 and number:
            place, length = 4, length - 4  # a signature before, a checksum behind
        while place + prefix <= length:
            kind = int.from_bytes(block[place : place + kind_bytes], "little")
            size = int.from_bytes(block[place + kind_bytes : place + kind_bytes + 2], "little")
            data = block[place + prefix : place + prefix + size]
            if kind == _CONTINUED:
                more = int.from_bytes(data[: sizes[0]], "little")
                blocks.append((more, int.from_bytes(data[sizes[0] : sum(sizes)], "little")))
            yield kind, data
            place += prefix + size


def _sizes(file: BinaryIO, base: int) -> tuple[int, int]:
    """Bytes of an address and of a length in this file."""
    head = _read(file, base, 16)
    return (head[13], head[14]) if head[8] < 2 else (head[9], head[10])


def _read(file: BinaryIO, start: int, count: int) -> bytes:
    file.seek(start)
    content = file.read(count)
    if len(content) < min(count, 16):
        raise ValueError(f"the file ends within an object header, at byte {start}")
    return content
