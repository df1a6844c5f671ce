"""Video files by their name and nothing else: what FFmpeg would make of names and contents is switched off.

FFmpeg takes what stands before a colon for a protocol, ``%d`` and ``*`` for many pictures, and some contents
for lists of other files and addresses to open. Here a name is a file, and a file is all that is opened.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from tinyworlds.system.documents import check_is_no_pointer

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

MAX_PIXELS = 2**25
"""Of one picture, those of 8K: a few bytes may declare gigabytes."""

_ASSUMED_RATE = 30.0  # of files that say neither rate nor times
_DEFAULT_TRACK = 1  # disposition of what players show
_STILL_PICTURES = 1024 | 2048  # dispositions of a cover that comes with music, and of thumbnails of chapters

# formats that name other files or addresses, that run scripts, or that make pictures of text
_REFUSED = frozenset({
    "avisynth", "vapoursynth", "concat", "dash", "hls", "applehttp", "imf", "image2", "image2pipe", "vobsub",
    "sdp", "rtp", "rtsp", "sap", "webm_dash_manifest", "lavfi", "tty", "bin", "adf", "idf", "xbin",
})  # fmt: skip


def file_url(path: str | Path) -> str:
    """Return the name under which FFmpeg takes `path` for a file, whatever signs are in it."""
    return f"file:{Path(path).absolute()}"


def open_container(path: str | Path) -> InputContainer:
    """Open a video for reading.

    Raises:
        FFmpegError: it is no video.
        OSError: it cannot be read, or Git LFS left a few lines in its place.
        ValueError: it is malformed in a way that PyAV notices.
    """
    import av

    check_is_no_pointer(Path(path))
    options = {"protocol_whitelist": "file", "format_whitelist": _formats()}
    container = av.open(file_url(path), options=options, metadata_errors="replace")
    for stream in container.streams.video:
        if stream.codec_context is not None:
            stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    return container


def shown_stream(container: InputContainer) -> VideoStream | None:
    """Return the pictures that players show: the first stream marked as default, else the first; or None."""
    streams = [s for s in container.streams.video if not int(s.disposition) & _STILL_PICTURES]
    streams.sort(key=lambda stream: not int(stream.disposition) & _DEFAULT_TRACK)
    return streams[0] if streams and streams[0].codec_context is not None else None


def rate_of(stream: VideoStream) -> float:
    """Return the pictures a second that a stream is said, guessed or assumed to have."""
    return float(stream.average_rate or stream.guessed_rate or _ASSUMED_RATE)


@lru_cache(maxsize=1)
def _formats() -> str:
    import av

    known = [name for name in av.formats_available if not _REFUSED.intersection(name.split(","))]
    return ",".join(sorted(known))
