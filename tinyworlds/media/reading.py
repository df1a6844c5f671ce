"""Frames of any picture or clip, at a wanted rate."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from tinyworlds.errors import DataError, MissingFileError
from tinyworlds.media.containers import MAX_PIXELS, open_container

if TYPE_CHECKING:
    from av.container import InputContainer

_ASSUMED_RATE = 30.0  # pictures a second, of files that tell neither times nor rate
_LONGEST_PICTURE_S = 2.0  # one that stays longer is a pause; it is not filled up
_ROUNDING = 0.1  # of a picture's time, by which times may be off


def read_frames(path: str | Path, fps: float, max_frames: int) -> np.ndarray:
    """Frames of a picture (one) or a clip, from its start.

    Args:
        path: a picture that Pillow reads, or a video that FFmpeg reads.
        fps: frames per second wanted of a clip; each is the picture that is shown at that time.
        max_frames: of a clip, at most.

    Returns:
        uint8 [T, H, W, 3], T >= 1.

    Raises:
        MissingFileError: there is no such file.
        DataError: it is neither.
    """
    if not Path(path).is_file():
        raise MissingFileError(f"there is no picture or clip {path}")
    picture = _read_picture(path)
    if picture is not None:
        return picture[None]
    try:
        frames = list(islice(_clip_frames(path, fps), max_frames))
    except (OSError, ValueError, IndexError) as error:  # FFmpeg's errors are among them
        reason = " ".join(str(error).split())[:100]
        raise DataError(f"{path} is no picture and no clip that can be read ({reason})") from None
    if not frames:
        raise DataError(f"{path} holds no picture")
    return np.stack(frames)


def _read_picture(path: str | Path) -> np.ndarray | None:
    """A still picture, uint8 [H, W, 3]; None for what is none, such as a GIF that moves."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd tags, and of sizes that are looked at here
        try:
            with Image.open(path) as image:
                if getattr(image, "n_frames", 1) > 1:
                    return None
                _check_size(path, image.width * image.height)
                return np.asarray(_opaque(ImageOps.exif_transpose(image)).convert("RGB"))
        except UnidentifiedImageError:
            return None
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise DataError(f"{path} is a picture that cannot be read: {error}") from None


def _check_size(path: str | Path, num_pixels: int) -> None:
    if num_pixels > MAX_PIXELS:
        raise DataError(f"{path} has {num_pixels:,} pixels: make it smaller, {MAX_PIXELS:,} are the most")


def _opaque(image: Image.Image) -> Image.Image:
    """See-through parts on black, as videos show them; 16 bits of grey as 8."""
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image).clip(0, 65535) // 257).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    return image


def _clip_frames(path: str | Path, fps: float) -> Iterator[np.ndarray]:
    """The picture that is shown at each tick, uint8 [H, W, 3], as long as all have one size."""
    with open_container(path) as container:
        pictures = _timed_pictures(container)
        first = next(pictures, None)
        if first is None:
            return
        (last_s, shown), tick_s, usual_s = first, first[0], 0.0
        for time_s, picture in pictures:
            if picture.shape != shown.shape:
                break
            usual_s = max(time_s - last_s, 0.0)
            if usual_s > _LONGEST_PICTURE_S:
                yield shown
                tick_s = time_s  # after a pause, go on from here
            while tick_s < time_s - _ROUNDING * usual_s:
                yield shown
                tick_s += 1 / fps
            last_s, shown = time_s, picture
        if tick_s <= last_s + (1 - _ROUNDING) * usual_s:
            yield shown


def _timed_pictures(container: InputContainer) -> Iterator[tuple[float, np.ndarray]]:
    """Seconds and pictures, uint8 [H, W, 3], of the stream that players show."""
    from av import VideoFrame
    from av.video.stream import VideoStream

    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream):
        return
    rate = float(stream.average_rate or _ASSUMED_RATE)
    for number, frame in enumerate(container.decode(stream)):
        assert isinstance(frame, VideoFrame)
        yield (number / rate if frame.time is None else frame.time), frame.to_ndarray(format="rgb24")
