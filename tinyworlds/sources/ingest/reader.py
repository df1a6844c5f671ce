"""One video file, decoded in order: pictures with their time, from the start or from where one left off."""

from __future__ import annotations

import contextlib
import math
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import av

from tinyworlds.errors import DataError, MissingFileError, TinyWorldsError
from tinyworlds.media.containers import open_container, rate_of, shown_stream
from tinyworlds.sources.ingest.endings import ends_in_zeros, is_whole

if TYPE_CHECKING:
    from typing_extensions import Self

_RUN_UP_S = 2.0  # decoding begins so much before a wanted picture: the first ones after a jump may be faulty
_ASSUMED_TICK = Fraction(1, 1_000_000)  # seconds, of files that do not say what they count time in
# formats whose length is not written down: FFmpeg looks for the last time stamp
_MEASURED = {"mpegts", "mpeg", "gif"}
_LENGTHS_OF_STREAMS = ("mov", "avi", "asf")  # elsewhere FFmpeg may give every stream the length of all
_SLACK_S, _SLACK_SHARE = 1.0, 0.02  # what may be missing at the end of a sound video
_CUT_SLACK_S = 0.1  # and of one that is known to be cut off
_SAME_S = 1e-3
_OVERLAP, _OVERLAP_BYTES = 4, 2**20  # packets so much larger together than the file share their bytes


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    Attributes:
        frame: the picture as the decoder gives it, not yet turned upright.
        time: seconds since the beginning of the video at which it appears.
        ordinal: how many pictures of the video were decoded before it.
        position: bytes of the file read so far.
        follows: nothing is missing between the picture before and this one.
    """

    frame: av.VideoFrame
    time: float
    ordinal: int
    position: int
    follows: bool = True

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


@dataclass(frozen=True)
class Ending:
    """How a video ends.

    Attributes:
        until_s: when the last picture goes.
        missing_s: seconds that lack after it; infinite where pictures lack and nobody knows how many.
    """

    until_s: float
    missing_s: float = 0.0


class Reader:
    """What pictures come from, opened; use it in a ``with`` block.

    Attributes:
        rate: pictures per second, on average.
        duration_s: seconds of pictures that are promised, or None where nothing is.
        length_s: seconds of pictures that are likely, or None where nobody knows.
        num_bytes: size of all that is read.
        num_damaged: packets or files so far that could not be decoded and were passed over.
        num_pictures: files of a picture each; None of a video.
        pixel_aspect: width of a pixel as it is shown, in its heights.
    """

    rate: float
    duration_s: float | None = None
    length_s: float | None = None
    num_bytes: int = 0
    num_damaged: int = 0
    num_pictures: int | None = None
    pixel_aspect: float = 1.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""

    def pictures(self, start_s: float = 0.0) -> Iterator[Picture]:
        """Decode in order from a picture at or before `start_s` seconds on: near it if the file allows."""
        raise NotImplementedError

    def resume(self, mark: Mark, start_s: float = 0.0) -> Iterator[Picture]:
        """Decode in order from the picture of `mark` on, which was once found by ``pictures(start_s)``.

        Raises:
            DataError: the video changed.
        """
        raise NotImplementedError

    def ending(self, last: Picture, interval_s: float, times_grow: bool) -> Ending:
        """Tell how the video ends, after all of it was decoded.

        Args:
            last: its last picture.
            interval_s: usual time from one picture to the next.
            times_grow: no time came twice, so that lengths can be compared with times.
        """
        return Ending(last.time + interval_s)


class VideoReader(Reader):
    """An open video file.

    Args:
        path: the video.
        threads: of the decoder.
        on_read: called for each packet with the bytes of the file read so far.

    Raises:
        MissingFileError: there is no such file.
        DataError: it is empty, no video, or has no pictures.
    """

    def __init__(
        self, path: str | Path, threads: int = 1, on_read: Callable[[int], None] = lambda position: None
    ) -> None:
        self.path = Path(path)
        self._threads, self._on_read = threads, on_read
        self._open()
        self.num_bytes = self.path.stat().st_size
        self.rate = rate_of(self._stream)
        if self._has_no_times():
            self.rate = float(self._stream.guessed_rate or self.rate)
        self.duration_s = self._promised_duration()
        whole_s = None if self._has_no_times() else self._container.duration
        self.length_s = self.duration_s if whole_s is None else whole_s / 1e6
        self.pixel_aspect = float(self._stream.codec_context.sample_aspect_ratio or 1)
        self._last_packet = (-math.inf, -math.inf)  # by time: when it begins and ends, decoded or not
        self._ended_badly = False

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def pictures(self, start_s: float = 0.0) -> Iterator[Picture]:
        """See `Reader`."""
        if start_s > _RUN_UP_S and self._seek(start_s - _RUN_UP_S):
            pictures = self._decode()
            first = next(pictures, None)
            if first is not None and first.time <= start_s:
                return chain([first], pictures)
        self._rewind()
        return self._decode()

    def resume(self, mark: Mark, start_s: float = 0.0) -> Iterator[Picture]:
        """See `Reader`."""
        pictures = self._find(mark) if mark.seekable else None
        if pictures is None:
            pictures = (p for p in self.pictures(start_s) if p.ordinal >= mark.ordinal)
        for i, picture in enumerate(pictures):
            if i == 0 and picture.checksum() != mark.checksum:
                raise DataError(f"{self.path} is not the video that was begun with; start anew (--overwrite)")
            yield Picture(picture.frame, picture.time, mark.ordinal + i, picture.position)

    def ending(self, last: Picture, interval_s: float, times_grow: bool) -> Ending:
        """See `Reader`.

        A file that reaches as far as its container says lacks only what could not be decoded: screen
        recorders note changes, so the last picture may stay for long. Elsewhere lengths have to tell.
        """
        until = last.time + interval_s
        packet_s, packet_ends_s = self._last_packet
        promised = self.duration_s if times_grow else None
        whole = is_whole(self.path)
        if whole is None and self._ended_badly:
            whole = False
        missing_s = 0.0
        if last.time >= packet_s - _SAME_S:  # so it is the picture of that packet
            until = max(until, packet_ends_s)
        elif times_grow:
            missing_s = packet_ends_s - until
        if promised is None:
            return Ending(until, math.inf if whole is False else missing_s)
        missing_s = max(missing_s, promised - until)
        if whole and missing_s <= promised - until and not ends_in_zeros(self.path):
            return Ending(max(until, promised))
        slack_s = _CUT_SLACK_S if whole is False else max(_SLACK_S, _SLACK_SHARE * promised)
        return Ending(until, missing_s if missing_s > slack_s else 0.0)

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
            self._container = open_container(path)
        except (av.FFmpegError, OSError, ValueError, MemoryError) as error:
            raise DataError(_no_video(path, error)) from error
        stream = shown_stream(self._container)
        if stream is None:
            held = "sound but no pictures" if self._container.streams.audio else "no pictures"
            self._container.close()
            raise DataError(f"{path} holds {held}; name a video")
        self._stream = stream
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
        except (av.FFmpegError, OSError, OverflowError):
            return False
        return True

    def _decode(self) -> Iterator[Picture]:
        """Decode from where the container stands; damaged packets are counted and passed over."""
        ordinal = position = num_read = 0
        self.num_damaged = 0
        self._ended_badly = True
        # a file that is cut short ends with an error instead of an end
        with contextlib.suppress(av.FFmpegError):
            corrupt = corrupt_picture = False
            for packet in self._container.demux(self._stream):
                if packet.pos is not None:
                    position = min(max(position, packet.pos + packet.size), self.num_bytes)
                self._on_read(position)
                num_read += packet.size
                if num_read > _OVERLAP * self.num_bytes + _OVERLAP_BYTES:
                    raise DataError(
                        f"{self.path} is malformed: the same bytes are many pictures; leave it out"
                    )
                corrupt = packet.is_corrupt if packet.size else corrupt
                self._note(packet)
                for frame in self._frames(packet):
                    corrupt_picture = frame.is_corrupt
                    yield Picture(frame, self._time(frame, ordinal), ordinal, position)
                    ordinal += 1
            self._ended_badly = corrupt or corrupt_picture

    def _note(self, packet: av.Packet) -> None:
        """Keep the times of the packet that is shown last."""
        if packet.pts is None or packet.time_base is None or packet.is_discard:
            return
        begins_s = float((packet.pts - self._first) * packet.time_base)
        if begins_s > self._last_packet[0]:
            self._last_packet = begins_s, begins_s + float((packet.duration or 0) * packet.time_base)

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
        """What the container says of this stream, from its first picture on; of all if it is alone."""
        stream, container = self._stream, self._container
        if container.format.name in _MEASURED:
            return None
        if container.format.name == "avi" and stream.frames and stream.average_rate:
            return float(stream.frames / stream.average_rate)  # its length is cut to that of the file
        alone = len(container.streams) == 1
        if stream.duration is not None and (alone or container.format.name.startswith(_LENGTHS_OF_STREAMS)):
            return float(stream.duration * self._tick)
        begins_s = float(self._first * self._tick)
        written = stream.metadata.get("DURATION", "")  # Matroska, counted from 0; sound may go on for longer
        with contextlib.suppress(ValueError):
            hours, minutes, seconds = written.split(":")
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds) - begins_s
        if self._has_no_times() or container.duration is None or not alone:
            return None
        return container.duration / 1e6 - (begins_s if "matroska" in container.format.name else 0.0)


def _no_video(path: Path, error: Exception) -> str:
    if isinstance(error, TinyWorldsError):
        return str(error)
    with open(path, "rb") as file:
        begins_as_mp4 = file.read(12)[4:8] == b"ftyp"
    if begins_as_mp4 and not is_whole(path):
        return f"{path} is cut short: the index at its end is missing; copy it again or repair it"
    reason = getattr(error, "strerror", None) or type(error).__name__
    return f"{path} is no video that can be read ({reason}); name a video, or copy it again"
