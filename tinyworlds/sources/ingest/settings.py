"""What was asked of an ingest, and reading it from what people type."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tinyworlds.errors import ConfigError

if TYPE_CHECKING:
    from tinyworlds.media.shrinker import Crop

_MAX_SIZE = 1024


@dataclass(frozen=True)
class Settings:
    """How every video of one call is turned into frames.

    Attributes:
        size: height and width of the stored frames in pixels.
        fps: stored frames per second.
        crop: "auto" cuts black bars, "none" keeps all, or the part of the displayed picture to keep.
        start_s: seconds at the beginning of each video that are left out.
        keep_truncated: use the readable part of videos that are cut short.
        source_fps: numbered pictures a second; None takes `fps`, so that each becomes a frame.

    Raises:
        ConfigError: a value is out of range.
    """

    size: int = 64
    fps: float = 15.0
    crop: str | Crop = "auto"
    start_s: float = 0.0
    keep_truncated: bool = False
    source_fps: float | None = None

    def __post_init__(self) -> None:
        if not 4 <= self.size <= _MAX_SIZE or self.size % 4:
            raise ConfigError(f"--size {self.size}: it must be a multiple of 4 from 4 to {_MAX_SIZE} pixels")
        if not 0.1 <= self.fps <= 240:
            raise ConfigError(f"--fps {self.fps:g}: it must be from 0.1 to 240 frames per second")
        if self.source_fps is not None and not 0.1 <= self.source_fps <= 1000:
            raise ConfigError(
                f"--source-fps {self.source_fps:g}: it must be from 0.1 to 1000 pictures per second"
            )
        if not 0 <= self.start_s < math.inf:
            raise ConfigError(f"--start {self.start_s}: it must be 0 or more seconds")

    def as_json(self) -> dict[str, Any]:
        """Return the settings as plain values that `json` reads back unchanged."""
        values = asdict(self)
        return values | {"crop": list(self.crop) if isinstance(self.crop, tuple) else self.crop}


def parse_crop(text: str) -> str | Crop:
    """Return "auto", "none", or the four numbers of ``left,top,width,height``.

    Raises:
        ConfigError: it is none of these.
    """
    if text in ("auto", "none"):
        return text
    try:
        left, top, width, height = (int(part) for part in text.split(","))
    except ValueError:
        left, top, width, height = -1, -1, 0, 0
    if min(left, top) < 0 or min(width, height) < 1:
        raise ConfigError(
            f"--crop {text}: use auto, none, or left,top,width,height in pixels, such as 240,0,1440,1080"
        )
    return left, top, width, height


def parse_time(text: str) -> float:
    """Return the seconds of ``90``, ``1:30``, ``1:30.5`` or ``0:01:30``.

    Raises:
        ConfigError: it is no such time.
    """
    parts = text.split(":")
    try:
        if len(parts) > 3 or not all(part.replace(".", "", 1).isdigit() for part in parts):
            raise ValueError
        return float(sum(float(part) * 60**power for power, part in enumerate(reversed(parts))))
    except ValueError:
        raise ConfigError(f"--start {text}: use seconds or minutes:seconds, such as 0:30") from None


def format_time(seconds: float) -> str:
    """Return ``1:02:03`` or ``2:03``, rounded down to whole seconds."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def name_list(names: Sequence[str], at_most: int = 3) -> str:
    """Return ``a, b, c and 4 more``."""
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more
