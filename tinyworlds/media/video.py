"""Clips on disk: videos that play in a browser, and GIFs.

Frames are uint8 [T, H, W, 3] RGB. A clip that cannot be encoded on this machine is a
:class:`~tinyworlds.errors.VideoError`, which callers turn into a warning: no picture may depend on a codec.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from tinyworlds.errors import VideoError
from tinyworlds.media.containers import file_url
from tinyworlds.media.pictures import enlarge
from tinyworlds.media.suffixes import check_clip_path
from tinyworlds.system.files import replacing

_H264, _INDEX_IN_FRONT = {"crf": "18", "preset": "veryfast"}, {"movflags": "+faststart"}
_VP9 = {"crf": "24", "b": "0", "deadline": "realtime", "cpu-used": "6"}
_FORMATS: dict[str, tuple[str, str, dict[str, str], dict[str, str]]] = {
    ".mp4": ("mp4", "libx264", _H264, _INDEX_IN_FRONT),
    ".mov": ("mov", "libx264", _H264, _INDEX_IN_FRONT),
    ".mkv": ("matroska", "libx264", _H264, {}),
    ".webm": ("webm", "libvpx-vp9", _VP9, {}),
}
"""Ending: container, codec, options of the codec and of the container."""


def save_video(path: str | Path, frames: np.ndarray, fps: float, scale: int = 1) -> Path:
    """Write a clip through PyAV, in the format that its name ends in: H.264, in ``.webm`` VP9.

    Args:
        path: where to; it ends in ``.mp4``, ``.webm``, ``.mkv`` or ``.mov``, in whatever letters.
        frames: uint8 [T, H, W, 3] RGB.
        fps: frames per second, above 0.
        scale: pixels per pixel.

    Returns:
        The path written.

    Raises:
        ConfigError: it ends in something else.
        VideoError: PyAV is broken or could not encode it; its reason is in the message.
        StorageError: the disk is full or the path cannot be written.
    """
    check_clip_path(path)
    frames = np.asarray(frames)
    if frames.ndim != 4 or frames.shape[-1] != 3 or not len(frames) or frames.dtype != np.uint8 or fps <= 0:
        raise VideoError(
            f"Cannot write {path}: a clip is uint8 [T, H, W, 3] at fps > 0, "
            f"got {frames.dtype} {list(frames.shape)} at {fps} fps."
        )
    target = Path(path)
    try:
        with replacing(target) as temporary:
            write_encoded(temporary, _Enlarged(frames, scale), fps)
    except (ImportError, VideoError) as error:
        raise VideoError(f"No video encoder could write {path} ({error}); run: pip install av") from error
    return target


def save_clip(path: str | Path, frames: np.ndarray, fps: float, scale: int = 1) -> Path:
    """Write a GIF where the path ends in ``.gif``, else a video; see `save_gif` and `save_video`."""
    check_clip_path(path)
    write = save_gif if Path(path).suffix.lower() == ".gif" else save_video
    return write(path, frames, fps, scale)


def save_gif(path: str | Path, frames: np.ndarray, fps: float, scale: int = 1, colours: int = 128) -> Path:
    """Write an animated GIF that repeats for ever.

    Args:
        path: where to.
        frames: uint8 [T, H, W, 3] RGB.
        fps: frames per second; GIFs count in hundredths of a second and viewers slow down above 50.
        scale: pixels per pixel.
        colours: of each frame, at most 256.

    Returns:
        The path written.

    Raises:
        StorageError: the disk is full or the path cannot be written.
    """
    size = (frames.shape[2] * scale, frames.shape[1] * scale)
    # colours are chosen before enlarging: the choice is the same and takes far less time
    small = (Image.fromarray(frame).quantize(colours) for frame in frames)
    drawn = (frame.resize(size, Image.Resampling.NEAREST) for frame in small)
    with replacing(path) as temporary:
        first, duration = next(drawn), max(round(100 / fps), 2) * 10
        first.save(temporary, "GIF", save_all=True, append_images=drawn, duration=duration, loop=0)
    return Path(path)


class _Enlarged:
    """Frames [T, H, W, 3] enlarged one by one, since all of them at once could fill the memory.

    Odd sizes get one more row or column: yuv420p halves the colour's resolution.
    """

    def __init__(self, frames: np.ndarray, scale: int) -> None:
        self.frames, self.scale = frames, scale
        length, height, width, channels = frames.shape
        height, width = height * scale, width * scale
        self.shape = (length, height + height % 2, width + width % 2, channels)

    def __iter__(self) -> Iterator[np.ndarray]:
        for frame in self.frames:
            large = enlarge(frame, self.scale)
            missing = [(0, wanted - size) for wanted, size in zip(self.shape[1:], large.shape, strict=True)]
            yield np.pad(large, missing, mode="edge")


def write_encoded(path: Path, frames: np.ndarray | _Enlarged, fps: float) -> None:
    """The codec of the file's ending; MP4 has its index in front, so that a browser starts at once."""
    import av

    name, codec, options, muxer = _FORMATS[path.suffix.lower()]
    try:
        with av.open(file_url(path), "w", format=name, options=muxer) as container:
            stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1000))
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = "yuv420p"
            stream.options = options
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())
    except (av.FFmpegError, ValueError) as error:  # UnknownCodecError is a ValueError
        if isinstance(error, OSError) and error.errno == 28:  # a full disk is not the codec's fault
            raise
        raise VideoError(str(error)) from error
