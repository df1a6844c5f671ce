"""One video to its pieces: decode, resample, crop, shrink; goes on where an interrupted call stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tinyworlds.data.writer import FrameWriter
from tinyworlds.errors import ConfigError, DataError
from tinyworlds.sources.ingest.clock import Clock
from tinyworlds.sources.ingest.letterbox import find_crop
from tinyworlds.sources.ingest.picture import Shrinker
from tinyworlds.sources.ingest.pieces import Pieces, State
from tinyworlds.sources.ingest.reader import Mark, Picture, VideoReader
from tinyworlds.sources.ingest.settings import Settings, format_time

PIECE_BYTES = 16 * 2**20
_LONGEST_INTERVAL_S = 0.1  # the average of a video that only notes changes can be seconds
_CUT_SHORT_S, _CUT_SHORT_SHARE = 1.0, 0.02  # what may be missing at the end of a sound video


@dataclass(frozen=True)
class Job:
    """One video to extract.

    Attributes:
        path: the video.
        folder: where its pieces go.
        settings: how.
        threads: of the decoder.
        piece_bytes: size of a piece in memory; what an interruption costs.
    """

    path: Path
    folder: Path
    settings: Settings
    threads: int = 1
    piece_bytes: int = PIECE_BYTES


def extract(job: Job, report: Callable[[int], None]) -> State:
    """Store all frames of a video in pieces and return what was found; at once if that was done before.

    Args:
        job: what to do.
        report: called often with the bytes of the file read so far.

    Raises:
        DataError: the file is missing, empty, no video, cut short, or changes its size in the middle.
        ConfigError: the settings do not fit it.
        StorageError: the disk is full.
    """
    pieces = Pieces(job.folder)
    state = pieces.load()
    if state is not None and state.done:
        return state
    with VideoReader(job.path, job.threads) as video:
        try:
            return _Extraction(job, pieces, video, state).run(report)
        except ConfigError as error:
            raise ConfigError(f"{job.path}: {error}") from error


class _Extraction:
    """The work on one open video."""

    def __init__(self, job: Job, pieces: Pieces, video: VideoReader, state: State | None) -> None:
        self._job, self._pieces, self._video = job, pieces, video
        self._settings = job.settings
        self._state = state or self._begin()
        interval = min(1 / video.rate, _LONGEST_INTERVAL_S)
        self._clock = Clock(job.settings.fps, interval, self._state.base_s, self._state.count)
        self._seekable = self._state.mark is None or self._state.mark.seekable
        self._writer: FrameWriter | None = None
        self._shrink: Shrinker | None = None

    def run(self, report: Callable[[int], None]) -> State:
        shown: Picture | None = None
        try:
            for picture in self._pictures():
                if shown is not None:
                    self._advance(shown, picture.time)
                shown = picture
                report(picture.position)
            last = self._checked(shown)
            self._store(last, max(self._clock.due(self._end_of(last)), int(self._total() == 0)))
            self._finish(last)
        finally:
            if self._writer is not None:
                self._writer.discard()
        return self._state

    def _begin(self) -> State:
        settings = self._settings
        crop = settings.crop if isinstance(settings.crop, tuple) else None
        if settings.crop == "auto":
            crop = find_crop(self._video, settings.start_s)
        first = next(self._video.pictures(settings.start_s), None)
        if first is None:
            raise DataError(f"{self._job.path}: not one picture of it can be decoded; copy it again")
        upright = Shrinker(first.frame, settings.size, crop)
        piece_frames = max(1, self._job.piece_bytes // (settings.size**2 * 3))
        return State(crop, upright.width, upright.height, piece_frames, base_s=settings.start_s)

    def _pictures(self) -> Iterator[Picture]:
        mark = self._state.mark
        if mark is None:
            return self._video.pictures(self._settings.start_s)
        return self._video.resume(mark, self._settings.start_s)

    def _advance(self, shown: Picture, next_s: float) -> None:
        """Store `shown` as often as it is on the screen until the next picture comes."""
        if not self._clock.jumps(shown.time, next_s):
            self._store(shown, self._clock.due(next_s))
            return
        self._seekable = False  # a time may now come twice
        noted = bool(self._state.breaks) and self._state.breaks[-1] == self._total() - 1  # before a resume
        if shown.time >= self._clock.base_s and not noted:
            # at least one frame, so that there is one after which the break can be noted
            self._store(shown, max(1, self._clock.due(self._end_of(shown))), ends=True)
        self._clock.restart(max(next_s, self._settings.start_s))

    def _end_of(self, shown: Picture) -> float:
        return shown.time + self._clock.interval_s

    def _total(self) -> int:
        return self._state.num_frames + (self._writer.num_frames if self._writer is not None else 0)

    def _store(self, shown: Picture, count: int, ends: bool = False) -> None:
        if count == 0:
            return
        self._shrink = self._shrink or Shrinker(shown.frame, self._settings.size, self._state.crop)
        try:
            frame = self._shrink(shown.frame)
        except DataError as error:
            raise DataError(f"{self._job.path}: {error}") from error
        for left in range(count, 0, -1):
            if self._writer is None:
                self._writer = self._pieces.writer(self._state, self._settings.size, self._settings.fps)
            if ends and left == 1:
                self._state.breaks.append(self._total())
            self._writer.append(frame)
            self._clock.count += 1
            if self._writer.num_frames == self._state.piece_frames:
                self._complete(shown)

    def _complete(self, shown: Picture) -> None:
        """Close the piece, then write down that it is there."""
        state, writer = self._state, self._writer
        self._writer = None
        if writer is not None:
            writer.close()
            state.num_frames += writer.num_frames
        state.mark = Mark(shown.time, shown.ordinal, shown.checksum(), self._seekable)
        state.base_s, state.count = self._clock.base_s, self._clock.count
        self._pieces.save(state)

    def _finish(self, shown: Picture) -> None:
        self._state.done = True
        self._state.seconds = self._end_of(shown)
        self._state.num_damaged = self._video.num_damaged
        self._complete(shown)

    def _checked(self, last: Picture | None) -> Picture:
        path, promised, start = self._job.path, self._video.duration_s, self._settings.start_s
        if last is None:
            raise DataError(f"{path}: not one picture of it can be decoded; copy it again")
        if last.ordinal == 0 and self._state.mark is None:
            raise DataError(f"{path} holds a single picture; name a video")
        readable = self._end_of(last)
        # what a file with jumping times promises says nothing about its last picture
        if promised is not None and self._seekable and not self._settings.keep_truncated:
            _check_length(path, readable, promised)
        if readable <= start:
            raise DataError(
                f"{path}: --start {format_time(start)} lies behind its end at {format_time(readable)}"
            )
        return last


def _check_length(path: Path, readable: float, promised: float) -> None:
    if promised - readable > max(_CUT_SHORT_S, _CUT_SHORT_SHARE * promised):
        raise DataError(
            f"{path} is cut short: {format_time(readable)} of {format_time(promised)} can be read; "
            "copy it again, or add --keep-truncated to use that part"
        )
