"""The pieces of all videos to the gameplay file of a game, after what it holds already; all or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinyworlds.data.h5_open import opened
from tinyworlds.data.reader import FrameFile
from tinyworlds.data.schema import read_info
from tinyworlds.data.stored import dataset, find
from tinyworlds.data.writer import FrameWriter
from tinyworlds.errors import ConfigError, DataError
from tinyworlds.sources.ingest.clean import Cleaner
from tinyworlds.sources.ingest.files import Source
from tinyworlds.sources.ingest.pieces import Pieces, State
from tinyworlds.sources.ingest.settings import Settings, name_list
from tinyworlds.system.files import move_into_place, storing

VIDEOS = "videos"
"""Dataset with a JSON list of the videos in a file, so that none gets in twice."""

_BATCH_FRAMES = 64


@dataclass(frozen=True)
class VideoRecord:
    """A video within a gameplay file.

    Attributes:
        name: of the video file.
        content: its content hash.
        settings: how it was ingested.
        first: index of its first frame.
        num_frames: how many there are.
        num_cuts: scene cuts found.
        num_dropped: still frames left out.
        num_repeats: frames that look like the one before.
        crops: the part that was kept of its pictures, see `Crops.boxes`; None if that was not noted.
    """

    name: str
    content: str
    settings: dict[str, Any]
    first: int
    num_frames: int
    num_cuts: int = 0
    num_dropped: int = 0
    num_repeats: int = 0
    crops: list[Any] | None = None


@dataclass(frozen=True)
class Extracted:
    """A video whose pieces are complete."""

    path: Source
    content: str
    pieces: Pieces
    state: State


def read_records(path: Path, settings: Settings) -> list[VideoRecord]:
    """Return the videos in an existing gameplay file, to which others of these settings may be appended.

    Raises:
        DataError: the file was not made by an ingest, or is damaged.
        ConfigError: its frames are of another size or rate.
    """
    info = read_info(path)
    with opened(path) as file:
        if find(file, path, VIDEOS) is None:
            raise DataError(
                f"{path} exists and was not made by ingest; choose another --game, or --overwrite it"
            )
        records = [VideoRecord(**record) for record in json.loads(dataset(file, path, VIDEOS)[()])]
    if (info.height, info.fps) != (settings.size, settings.fps):
        raise ConfigError(
            f"{path} holds {info.height} px at {info.fps:g} fps, asked for {settings.size} px at "
            f"{settings.fps:g} fps; choose another --game, or --overwrite it"
        )
    return records


def assemble(
    out: Path,
    work: Path,
    old: Sequence[VideoRecord],
    videos: Sequence[Extracted],
    settings: Settings,
    skip_static: bool,
    advance: Callable[[int], None],
) -> list[VideoRecord | DataError]:
    """Write `out` anew: what it holds, if there are `old` videos, then `videos`.

    Args:
        out: the gameplay file.
        work: folder on the same disk for the file that is not yet complete.
        old: the videos in `out`.
        videos: those to append.
        settings: of the new ones.
        skip_static: see `Cleaner`.
        advance: called with the number of frames dealt with.

    Returns:
        For each of `videos` its record, or why it is not in; if none is, `out` stays as it was.

    Raises:
        DataError: a piece is damaged.
        StorageError: the disk is full.
    """
    whole = work / "whole.h5"
    names = [record.name for record in old] + [video.path.name for video in videos]
    writer = FrameWriter(whole, settings.size, settings.size, settings.fps, name_list(names))
    try:
        if old:
            _copy(out, writer, advance)
        results = [_append(writer, video, settings, skip_static, advance) for video in videos]
        records = [result for result in results if isinstance(result, VideoRecord)]
        if not records:
            writer.discard()
            return results
        writer.add_text(VIDEOS, json.dumps([asdict(record) for record in (*old, *records)]))
        writer.close()
    except BaseException:
        writer.discard()
        raise
    with storing(out):
        move_into_place(whole, out)
    return results


def _copy(path: Path, writer: FrameWriter, advance: Callable[[int], None]) -> None:
    file = FrameFile(path)
    ends = np.zeros(len(file), bool)
    ends[file.episode_ends] = True
    for start in range(0, len(file), _BATCH_FRAMES):
        frames = file.frames(start, min(_BATCH_FRAMES, len(file) - start))
        for frame, end in zip(frames, ends[start:], strict=False):
            writer.append(frame, episode_end=bool(end))
        advance(len(frames))
    file.close()


def _append(
    writer: FrameWriter,
    video: Extracted,
    settings: Settings,
    skip_static: bool,
    advance: Callable[[int], None],
) -> VideoRecord | DataError:
    first, cleaner = writer.num_frames, Cleaner(settings.fps, skip_static)
    for frame, broken_after in video.pieces.frames(video.state):
        for ready, end in cleaner.push(frame, broken_after):
            writer.append(ready, episode_end=end)
        advance(1)
    for ready, end in cleaner.finish():
        writer.append(ready, episode_end=end)
    if writer.num_frames == first:
        return DataError(f"{video.path}: nothing in it moves; leave it out, or leave --skip-static out")
    return VideoRecord(
        video.path.name,
        video.content,
        settings.as_json() | {"skip_static": skip_static},
        first,
        writer.num_frames - first,
        cleaner.num_cuts,
        cleaner.num_dropped,
        cleaner.num_repeats,
        video.state.kept(settings).as_json(),
    )
