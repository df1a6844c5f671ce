"""One video file, decoded in order: pictures with their time, from the start or from where one left off."""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any

import av

from tinyworlds.errors import DataError, MissingFileError

_RUN_UP_S = (
    2.0  # decoding begins this much before a wanted picture: the first ones after a jump may be faulty
)
_ASSUMED_RATE = 30.0  # of files that say neither rate nor times
_ASSUMED_TICK = Fraction(1, 1_000_000)  # seconds, of files that do not say what they count time in
_COVER_PICTURE = 1024  # disposition of a still picture that comes with music


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    Attributes:
        frame: the picture as the decoder gives it, not yet turned upright.
        time: seconds since the beginning of the video at which it appears.
        ordinal: how many pictures of the video were decoded before it.
        position: bytes of the file read so far.
    """

    frame: av.VideoFrame
    time: float
    ordinal: int
    position: int

    def checksum(self) -> int:
        """Return a number that tells this picture from its neighbours: a CRC of its first plane."""
        return zlib.crc32(memoryview(self.frame.planes[0]))


@dataclass(frozen=True)
class Mark:
    """A picture to come back to, as plain values.

    Attributes:
        time: see `Picture`.
        ordinal: see `Picture`, counted from where decoding began.
        checksum: of the picture.
        seekable: whether the times up to here only grew, so that it can be found by its time.
    """

    time: float
    ordinal: int
    checksum: int
    seekable: bool


class VideoReader:
    """An open video; use it in a ``with`` block.

    Args:
        path: the video.
        threads: of the decoder.

    Attributes:
        rate: pictures per second as the file says it, on average.
        duration_s: seconds of video the file promises, or None where it promises nothing.
        num_bytes: size of the file.
        num_damaged: packets so far that could not be decoded and were passed over.

    Raises:
        MissingFileError: there is no such file.
        DataError: it is empty, no video, or has no pictures.
    """

    def __init__(self, path: str | Path, threads: int = 1) -> None:
        self.path = Path(path)
        self._threads = threads
        self._open()
        self.num_bytes = self.path.stat().st_size
        self.num_damaged = 0
        self.rate = float(self._stream.average_rate or self._stream.guessed_rate or _ASSUMED_RATE)
        if self._has_no_times():
            self.rate = float(self._stream.guessed_rate or self.rate)
        self.duration_s = self._promised_duration()

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    def pictures(self, start_s: float = 0.0) -> Iterator[Picture]:
        """Decode in order from a picture at or before `start_s` seconds on: near it if the file allows."""
        if start_s > _RUN_UP_S and self._seek(start_s - _RUN_UP_S):
            pictures = self._decode()
            first = next(pictures, None)
            if first is not None and first.time <= start_s:
                return chain([first], pictures)
        self._rewind()
        return self._decode()

    def resume(self, mark: Mark, start_s: float = 0.0) -> Iterator[Picture]:
        """Decode in order from the picture of `mark` on, which was once found by ``pictures(start_s)``.

        Raises:
            DataError: the video changed.
        """
        pictures = self._find(mark) if mark.seekable else None
        if pictures is None:
            pictures = (p for p in self.pictures(start_s) if p.ordinal >= mark.ordinal)
        for i, picture in enumerate(pictures):
            if i == 0 and picture.checksum() != mark.checksum:
                raise DataError(f"{self.path} is not the video that was begun with; start anew (--overwrite)")
            yield Picture(picture.frame, picture.time, mark.ordinal + i, picture.position)

    def _find(self, mark: Mark) -> Iterator[Picture] | None:
        """Jump to just before a mark; return None if its picture does not come out the same that way."""
        pictures = self.pictures(mark.time - _RUN_UP_S)
        for picture in pictures:
            if picture.time >= mark.time:
                same = picture.time == mark.time and picture.checksum() == mark.checksum
                return chain([picture], pictures) if same else None
        return None

    def _open(self) -> None:
        path = self.path
        if not path.exists():
            raise MissingFileError(f"No such video: {path}; check the name")
        if path.stat().st_size == 0:
            raise DataError(f"{path} is empty (0 bytes); copy or download it again")
        if not os.access(path, os.R_OK):
            raise DataError(f"{path} may not be read by this user; change its permissions")
        try:
            self._container = av.open(str(path), metadata_errors="replace")
        except (av.FFmpegError, OSError, ValueError) as error:
            raise DataError(_no_video(path, error)) from error
        streams = [s for s in self._container.streams.video if not int(s.disposition) & _COVER_PICTURE]
        if not streams or streams[0].codec_context is None:
            held = "sound but no pictures" if self._container.streams.audio else "no pictures"
            self._container.close()
            raise DataError(f"{path} holds {held}; name a video")
        self._stream = streams[0]
        self._stream.thread_type = "AUTO"
        self._stream.codec_context.thread_count = self._threads
        self._first = self._stream.start_time or 0
        self._tick = self._stream.time_base or _ASSUMED_TICK

    def _rewind(self) -> None:
        self._container.close()
        self._open()

    def _seek(self, seconds: float) -> bool:
        if self._has_no_times():
            return False
        try:
            ticks = round(seconds / float(self._tick)) + self._first
            self._container.seek(ticks, stream=self._stream, backward=True)
        except (av.FFmpegError, OSError):
            return False
        return True

    def _decode(self) -> Iterator[Picture]:
        """Decode from where the container stands; damaged packets are counted and passed over."""
        ordinal = position = 0
        self.num_damaged = 0
        # a file that is cut short ends with an error instead of an end
        with contextlib.suppress(av.FFmpegError):
            for packet in self._container.demux(self._stream):
                if packet.pos is not None:
                    position = max(position, packet.pos + packet.size)
                for frame in self._frames(packet):
                    yield Picture(frame, self._time(frame, ordinal), ordinal, min(position, self.num_bytes))
                    ordinal += 1

    def _frames(self, packet: Any) -> list[av.VideoFrame]:
        try:
            return packet.decode()
        except av.FFmpegError:
            self.num_damaged += 1
            return []

    def _time(self, frame: av.VideoFrame, ordinal: int) -> float:
        if frame.pts is None:
            return ordinal / self.rate
        return (frame.pts - self._first) * float(frame.time_base or self._tick)

    def _has_no_times(self) -> bool:
        return self._stream.start_time is None and self._stream.duration is None

    def _promised_duration(self) -> float | None:
        if self._stream.duration is not None:
            return float(self._stream.duration * self._tick)
        written = self._stream.metadata.get("DURATION", "")  # Matroska; sound may go on for longer
        with contextlib.suppress(ValueError):
            hours, minutes, seconds = written.split(":")
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        if self._has_no_times() or self._container.duration is None:
            return None
        return self._container.duration / 1e6


def _no_video(path: Path, error: Exception) -> str:
    with open(path, "rb") as file:
        begins_as_mp4 = file.read(12)[4:8] == b"ftyp"
    if begins_as_mp4:
        return f"{path} is cut short: the index at its end is missing; copy it again or repair it"
    reason = getattr(error, "strerror", None) or type(error).__name__
    return f"{path} is no video that can be read ({reason}); name a video, or copy it again"
