"""One video to its pieces: decode, resample, crop, shrink; goes on where an interrupted call stopped."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tinyworlds.data.writer import FrameWriter
from tinyworlds.errors import ConfigError, DataError
from tinyworlds.media.clock import LONGEST_PICTURE_S, Clock
from tinyworlds.media.shrinker import Shrinker, kind_of, upright_size
from tinyworlds.sources.ingest.files import Source
from tinyworlds.sources.ingest.letterbox import Crops, Lit, common_crops, look
from tinyworlds.sources.ingest.picture_folder import PictureFolder, PictureReader
from tinyworlds.sources.ingest.pieces import Pieces, State
from tinyworlds.sources.ingest.reader import Mark, Picture, Reader, VideoReader
from tinyworlds.sources.ingest.settings import Settings, format_time

PIECE_BYTES = 16 * 2**20
_LONGEST_INTERVAL_S = 0.1  # the average of a video that only notes changes can be seconds
_STILL_S, _STILL_PER_PICTURE_S = 3600.0, 3.0  # pictures may stay on so long, together and on average


@dataclass(frozen=True)
class Job:
    """One video to extract.

    Attributes:
        path: the video, or numbered pictures.
        folder: where its pieces go.
        settings: how.
        threads: of the decoder.
        piece_bytes: size of a piece in memory; what an interruption costs.
        crops: the part to keep of pictures of each size; None looks for black bars in this video alone.
    """

    path: Source
    folder: Path
    settings: Settings
    threads: int = 1
    piece_bytes: int = PIECE_BYTES
    crops: Crops | None = None


def look_at(job: Job, report: Callable[[int], None]) -> list[Lit]:
    """Return what is lit in a video, for the choice of crops.

    Raises:
        DataError: the file is missing, empty or no video.
    """
    with open_video(job, report) as video:
        return look(video, job.settings.start_s)


def open_video(job: Job, report: Callable[[int], None]) -> Reader:
    """Open what a job is about; see `VideoReader` and `PictureReader`."""
    if isinstance(job.path, PictureFolder):
        return PictureReader(job.path, job.settings.source_fps or job.settings.fps, report)
    return VideoReader(job.path, job.threads, report)


def extract(job: Job, report: Callable[[int], None]) -> State:
    """Store all frames of a video in pieces and return what was found; at once if that was done before.

    Args:
        job: what to do.
        report: called often with the bytes of the file read so far.

    Raises:
        DataError: the file is missing, empty, no video, or cut short.
        ConfigError: the settings do not fit it.
        StorageError: the disk is full.
    """
    pieces = Pieces(job.folder)
    state = pieces.load()
    if state is not None and state.done:
        return state
    with open_video(job, report) as video:
        return _Extraction(job, pieces, video, state).run()


class _Extraction:
    """The work on one open video."""

    def __init__(self, job: Job, pieces: Pieces, video: Reader, state: State | None) -> None:
        self._job, self._pieces, self._video = job, pieces, video
        self._settings = job.settings
        self._state = state or self._begin()
        interval = min(1 / video.rate, _LONGEST_INTERVAL_S)
        self._clock = Clock(job.settings.fps, interval, self._state.base_s, self._state.count)
        self._seekable = self._state.mark is None or self._state.mark.seekable
        self._writer: FrameWriter | None = None
        self._shrink: Shrinker | None = None

    def run(self) -> State:
        shown: Picture | None = None
        try:
            for picture in self._pictures():
                if shown is not None:
                    self._advance(shown, picture)
                shown = picture
            last, until_s = self._checked(shown)
            self._store(last, max(self._clock.due(until_s), int(self._total() == 0)))
            self._finish(last, until_s)
        finally:
            if self._writer is not None:
                self._writer.discard()
        return self._state

    def _begin(self) -> State:
        settings = self._settings
        crops = self._job.crops
        if crops is None:
            crops = common_crops(look(self._video, settings.start_s)) if settings.crop == "auto" else Crops()
        first = next(self._video.pictures(settings.start_s), None)
        if first is None:
            raise DataError(f"{self._job.path}: not one picture of it can be decoded; copy it again")
        width, height = upright_size(first.frame)
        piece_frames = max(1, self._job.piece_bytes // (settings.size**2 * 3))
        return State(crops, width, height, piece_frames, base_s=max(settings.start_s, first.time))

    def _pictures(self) -> Iterator[Picture]:
        mark = self._state.mark
        if mark is None:
            return self._video.pictures(self._settings.start_s)
        return self._video.resume(mark, self._settings.start_s)

    def _advance(self, shown: Picture, following: Picture) -> None:
        """Store `shown` as often as it is on the screen until the next picture comes."""
        next_s = following.time
        jumps = self._clock.jumps(shown.time, next_s)
        changes = kind_of(shown.frame) != kind_of(following.frame)
        if following.follows and not jumps and not changes:
            self._store(shown, self._clock.due(next_s))
            self._check_pace(shown)
            return
        self._seekable = self._seekable and not jumps and next_s > shown.time  # else a time may come twice
        noted = bool(self._state.breaks) and self._state.breaks[-1] == self._total() - 1  # before a resume
        if shown.time >= self._clock.base_s and not noted:
            self._state.num_changes += changes
            count = self._clock.due(self._end_of(shown))
            if count or not self._total():
                self._store(shown, max(1, count), ends=True)
            else:
                self._state.breaks.append(self._total() - 1)
        self._clock.restart(max(next_s, self._settings.start_s))

    def _end_of(self, shown: Picture) -> float:
        return shown.time + self._clock.interval_s

    def _total(self) -> int:
        return self._state.num_frames + (self._writer.num_frames if self._writer is not None else 0)

    def _store(self, shown: Picture, count: int, ends: bool = False) -> None:
        if count == 0:
            return
        frame = self._shrinker(shown)(shown.frame)
        for left in range(count, 0, -1):
            if self._writer is None:
                self._writer = self._pieces.writer(self._state, self._settings.size, self._settings.fps)
            if ends and left == 1:
                self._state.breaks.append(self._total())
            self._writer.append(frame)
            self._clock.count += 1
            if self._writer.num_frames == self._state.piece_frames:
                self._complete(shown)

    def _shrinker(self, shown: Picture) -> Shrinker:
        """Return what makes frames of pictures of this kind."""
        kind = kind_of(shown.frame)
        if self._shrink is None or self._shrink.kind != kind:
            given = self._settings.crop
            crop = given if isinstance(given, tuple) else self._state.crops.of(*upright_size(shown.frame))
            try:
                self._shrink = Shrinker(shown.frame, self._settings.size, crop)
            except (ConfigError, DataError) as error:
                raise type(error)(f"{self._job.path}: {error}") from error
        return self._shrink

    def _check_pace(self, shown: Picture) -> None:
        """Refuse times that would make days of a few pictures."""
        seconds = self._total() / self._settings.fps
        if seconds > _STILL_S + _STILL_PER_PICTURE_S * (shown.ordinal + 1):
            raise DataError(
                f"{self._job.path}: its first {shown.ordinal + 1:,} pictures take {format_time(seconds)}; "
                "no game is that slow: its times are broken, repair or convert it"
            )

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

    def _finish(self, shown: Picture, until_s: float) -> None:
        self._state.done = True
        self._state.seconds = until_s
        self._state.num_damaged = self._video.num_damaged
        self._state.num_pictures = self._video.num_pictures
        self._complete(shown)

    def _checked(self, last: Picture | None) -> tuple[Picture, float]:
        """Return the last picture and when it goes, or say what is wrong with the video."""
        path, start = self._job.path, self._settings.start_s
        if last is None:
            raise DataError(f"{path}: not one picture of it can be decoded; copy it again")
        if last.ordinal == 0 and self._state.mark is None:
            raise DataError(f"{path} holds a single picture; name a video")
        ending = self._video.ending(last, self._clock.interval_s, self._seekable)
        if ending.missing_s and not self._settings.keep_truncated:
            promised = (
                f" of {format_time(ending.until_s + ending.missing_s)}" if ending.missing_s < math.inf else ""
            )
            raise DataError(
                f"{path} is cut short: {format_time(ending.until_s)}{promised} can be read; "
                "copy it again, or add --keep-truncated to use that part"
            )
        if ending.until_s <= start:
            raise DataError(
                f"{path}: --start {format_time(start)} lies behind its end at {format_time(ending.until_s)}"
            )
        return last, min(ending.until_s, last.time + LONGEST_PICTURE_S)
