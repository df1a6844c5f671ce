"""Whether a video file reaches as far as its container says, told from sizes in it and not from times."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_EBML, _SEGMENT, _CLUSTER, _TOP = 0x1A45DFA3, 0x18538067, 0x1F43B675, (0x18538067, 0x1F43B675)
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_TS_PACKETS = ((0, 188), (4, 192), (0, 204))  # start, bytes: plain, after a time code, with error correction
_ZEROS = 4096  # a download that was cut off leaves the rest of its file zero


def is_whole(path: Path) -> bool | None:
    """Return whether the file ends where its container does; None where that does not say."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(4096)
        for known, ends in _KINDS:
            if known(head):
                file.seek(0)
                return ends(file, size, head)
    return None


def ends_in_zeros(path: Path) -> bool:
    """Return whether the last bytes are zero, as where the rest of a download never came."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        file.seek(max(0, size - _ZEROS))
        return not any(file.read())


def _mp4(file: BinaryIO, size: int, head: bytes) -> bool | None:
    """Boxes of a known length, one after the other; one of them is the index."""
    place, has_index = 0, False
    while place + 8 <= size:
        file.seek(place)
        header = file.read(16)
        has_index = has_index or header[4:8] == b"moov"
        length = int.from_bytes(header[:4], "big")
        if length == 0:  # up to the end of the file, wherever that is
            return None
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length < 8:
            return None
        place += length
    return place <= size and has_index


def _matroska(file: BinaryIO, size: int, head: bytes) -> bool | None:
    """Elements of a known length; in those of unknown length, of live recordings, the ones within."""
    place, known = 0, False
    while place < size:
        file.seek(place)
        header = file.read(12)
        element, after_id = _vint(header, 0, keep_marker=True)
        length, after = _vint(header, after_id)
        if element is None or length is None:
            return False if known and len(header) < 12 else None
        place += after
        unknown = length == (1 << 7 * (after - after_id)) - 1
        if unknown and element in _TOP:
            continue
        if element == _SEGMENT and not unknown:
            return place + length <= size
        known = known or element not in (_EBML, *_TOP)
        place += length
    return place <= size if known else None


def _vint(data: bytes, place: int, keep_marker: bool = False) -> tuple[int | None, int]:
    """A number of Matroska's, whose leading zero bits say how many bytes it has, and where it ends."""
    first = data[place] if place < len(data) else 0
    length = 9 - first.bit_length()
    if not first or place + length > len(data):
        return None, place
    value = int.from_bytes(data[place : place + length], "big")
    return value if keep_marker else value - (1 << 7 * length), place + length


def _riff(file: BinaryIO, size: int, head: bytes) -> bool | None:
    declared = int.from_bytes(head[4:8], "little")
    return None if declared == 0 else 8 + declared <= size + 1  # some leave out the byte that pads it


def _transport_stream(file: BinaryIO, size: int, head: bytes) -> bool | None:
    length = next(length for start, length in _TS_PACKETS if _is_row(head, start, length))
    return size % length == 0


def _flv(file: BinaryIO, size: int, head: bytes) -> bool | None:
    """The last four bytes say how long the last tag is, and the tag itself says it too."""
    file.seek(max(0, size - 4))
    length = int.from_bytes(file.read(4), "big")
    if not 11 <= length <= size - 4:
        return False
    file.seek(size - 4 - length)
    return int.from_bytes(file.read(4)[1:], "big") == length - 11


def _gif(file: BinaryIO, size: int, head: bytes) -> bool | None:
    file.seek(max(0, size - _ZEROS))
    return file.read().rstrip(b"\0").endswith(b";")


def _asf(file: BinaryIO, size: int, head: bytes) -> bool | None:
    place = head.find(_ASF_FILE_PROPERTIES)
    declared = int.from_bytes(head[place + 40 : place + 48], "little") if place >= 0 else 0
    return declared <= size if declared else None


def _is_row(head: bytes, start: int, length: int) -> bool:
    return len(head) > start + 3 * length and all(head[start + length * k] == 0x47 for k in range(4))


_KINDS: tuple[tuple[Callable[[bytes], bool], Callable[[BinaryIO, int, bytes], bool | None]], ...] = (
    (lambda head: head[4:8] in _MP4_BOXES, _mp4),
    (lambda head: head.startswith(_EBML.to_bytes(4, "big")), _matroska),
    (lambda head: head[:4] == b"RIFF", _riff),
    (lambda head: head[:3] == b"FLV", _flv),
    (lambda head: head[:4] == b"GIF8", _gif),
    (lambda head: head.startswith(_ASF), _asf),
    (lambda head: any(_is_row(head, *packets) for packets in _TS_PACKETS), _transport_stream),
)
