"""Frames of any picture or clip, at a wanted rate, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tinyworlds.errors import DataError, MissingFileError
from tinyworlds.media.clock import Clock
from tinyworlds.media.containers import open_container, rate_of, shown_stream
from tinyworlds.media.picture_file import is_still_picture, read_picture

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

    from tinyworlds.media.shrinker import Shrinker


def read_frames(path: str | Path, fps: float) -> Iterator[np.ndarray]:
    """Yield the frames of a picture (one) or a clip, upright, from its start, as long as all have one size.

    Only the frame that is yielded is in memory. Of a clip that is cut short, those before the cut come.

    Args:
        path: a picture (see `read_picture`), or a video that FFmpeg reads.
        fps: frames per second wanted of a clip; each is the picture that is shown at that time.

    Yields:
        uint8 [H, W, 3].

    Raises:
        MissingFileError: there is no such file.
        DataError: it is neither.
    """
    if not Path(path).is_file():
        raise MissingFileError(f"there is no picture or clip {path}")
    if is_still_picture(path):
        yield read_picture(path)
        return
    any_came = False
    try:
        for frame in _clip_frames(path, fps):
            any_came = True
            yield frame
    except MissingFileError:
        raise
    except (DataError, OSError, ValueError, IndexError) as error:  # FFmpeg's errors are among them
        if not any_came:
            reason = " ".join(str(error).split())[:100]
            raise DataError(f"{path} is no picture and no clip that can be read ({reason})") from None
    if not any_came:
        raise DataError(f"{path} holds no picture that can be decoded")


def _clip_frames(path: str | Path, fps: float) -> Iterator[np.ndarray]:
    from tinyworlds.media.shrinker import Shrinker, kind_of

    with open_container(path) as container:
        pictures = _timed_pictures(container)
        shown = next(pictures, None)
        if shown is None:
            return
        clock, to_rgb = Clock(fps, shown.lasts_s, base_s=shown.time_s), Shrinker(shown.frame, None)
        for following in pictures:
            if kind_of(following.frame) != to_rgb.kind:
                break
            yield from _shown_until(following.time_s, shown, clock, to_rgb)
            shown = following
        yield from _shown_until(shown.time_s + shown.lasts_s, shown, clock, to_rgb)


def _shown_until(until_s: float, shown: _Picture, clock: Clock, to_rgb: Shrinker) -> Iterator[np.ndarray]:
    """The frame of a picture as often as it is on the screen; once before a gap, where time begins anew."""
    jumps = clock.jumps(shown.time_s, until_s)
    count = 1 if jumps else clock.due(until_s)
    if count:
        clock.count += count
        yield from repeat(to_rgb(shown.frame), count)
    if jumps:
        clock.restart(until_s)


class _Picture(NamedTuple):
    time_s: float
    lasts_s: float  # usually
    frame: VideoFrame


def _timed_pictures(container: InputContainer) -> Iterator[_Picture]:
    stream = shown_stream(container)
    if stream is None:
        return
    lasts_s = 1 / rate_of(stream)
    for number, frame in enumerate(container.decode(stream)):
        yield _Picture(number * lasts_s if frame.time is None else frame.time, lasts_s, frame)
