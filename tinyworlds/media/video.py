"""Clips on disk: videos that play in a browser, and GIFs.

Frames are uint8 [T, H, W, 3] RGB. A clip that cannot be encoded on this machine is a
:class:`~tinyworlds.errors.VideoError`, which callers turn into a warning: no picture may depend on a codec.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tinyworlds.errors import VideoError
from tinyworlds.media.containers import file_url
from tinyworlds.media.pictures import enlarge
from tinyworlds.media.suffixes import check_clip_path
from tinyworlds.system.files import move_into_place, replacing, storing
from tinyworlds.system.neighbours import new_neighbour

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


class VideoWriter:
    """Writes a video as its frames come, however many; what it is called is said at the end.

    Args:
        folder: where to; made if missing.
        fps: frames per second, above 0.
        scale: pixels per pixel.
        suffix: the format, as in `save_video`.
    """

    def __init__(self, folder: Path, fps: float, scale: int = 1, suffix: str = ".mp4") -> None:
        self._part = new_neighbour(folder / f"clip{suffix}")
        self._fps, self._scale = fps, scale
        self._encoder: _Encoder | None = None

    def add(self, frame: np.ndarray) -> None:
        """Add a frame, uint8 [H, W, 3] RGB; all are of one size.

        Raises:
            VideoError: this machine cannot encode it.
            StorageError: the disk is full or the folder cannot be written.
        """
        padded = _even(enlarge(frame, self._scale))
        with storing(self._part), _codec_errors():
            if self._encoder is None:
                self._part.parent.mkdir(parents=True, exist_ok=True)
                self._encoder = _Encoder(self._part, padded.shape[0], padded.shape[1], self._fps)
            self._encoder.add(padded)

    def finish(self, path: Path) -> Path:
        """End the video and give it its name, which is returned.

        Raises:
            VideoError: it holds no frame.
        """
        if self._encoder is None:
            raise VideoError(f"{path} would hold no frame.")
        with storing(path), _codec_errors():
            self._encoder.close()
            move_into_place(self._part, path)
        return path

    def discard(self) -> None:
        """Leave nothing behind."""
        with contextlib.suppress(Exception):
            if self._encoder is not None:
                self._encoder.close()
        self._part.unlink(missing_ok=True)


def _even(frame: np.ndarray) -> np.ndarray:
    """One more row or column where sizes are odd: yuv420p halves the colour's resolution."""
    height, width = frame.shape[:2]
    return np.pad(frame, [(0, height % 2), (0, width % 2), (0, 0)], mode="edge")


class _Enlarged:
    """Frames [T, H, W, 3] enlarged one by one, since all of them at once could fill the memory."""

    def __init__(self, frames: np.ndarray, scale: int) -> None:
        self.frames, self.scale = frames, scale
        length, height, width, channels = frames.shape
        height, width = height * scale, width * scale
        self.shape = (length, height + height % 2, width + width % 2, channels)

    def __iter__(self) -> Iterator[np.ndarray]:
        for frame in self.frames:
            yield _even(enlarge(frame, self.scale))


def write_encoded(path: Path, frames: np.ndarray | _Enlarged, fps: float) -> None:
    """The codec of the file's ending; MP4 has its index in front, so that a browser starts at once."""
    height, width = frames.shape[1:3]
    with _codec_errors(), contextlib.closing(_Encoder(path, height, width, fps)) as encoder:
        for frame in frames:
            encoder.add(frame)


class _Encoder:
    """A video that is being written, frame by frame."""

    def __init__(self, path: Path, height: int, width: int, fps: float) -> None:
        import av

        name, codec, options, muxer = _FORMATS[path.suffix.lower()]
        self._container = av.open(file_url(path), "w", format=name, options=muxer)
        stream: Any = self._container.add_stream(codec, rate=Fraction(fps).limit_denominator(1000))
        stream.height, stream.width = height, width
        stream.pix_fmt = "yuv420p"
        stream.options = options
        self._stream = stream

    def add(self, frame: np.ndarray) -> None:
        from av import VideoFrame

        self._container.mux(self._stream.encode(VideoFrame.from_ndarray(frame, format="rgb24")))

    def close(self) -> None:
        try:
            self._container.mux(self._stream.encode())
        finally:
            self._container.close()


@contextlib.contextmanager
def _codec_errors() -> Iterator[None]:
    import av

    try:
        yield
    except (av.FFmpegError, ValueError) as error:  # UnknownCodecError is a ValueError
        if isinstance(error, OSError) and error.errno == 28:  # a full disk is not the codec's fault
            raise
        raise VideoError(str(error)) from error
