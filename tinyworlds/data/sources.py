"""From settings to files: which ones, at what size and rate, and what a registered title supplies."""

from __future__ import annotations

import glob
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from tinyworlds.data.reader import FrameFile
from tinyworlds.data.schema import FileInfo
from tinyworlds.errors import ConfigError, DataError, MissingFileError


@dataclass(frozen=True)
class Defaults:
    """What applies where a setting is not given: data file, frames per second, frames to skip."""

    data_file: str | None = None
    fps: float | None = None
    skip_frames: int = 0


def game_defaults(game: str | None) -> Defaults:
    """Return the defaults of a registered title (plain ones for None).

    Raises:
        ConfigError: no title has that name.
    """
    if game is None:
        return Defaults()
    from games.registry import get

    spec = get(game)
    return Defaults(spec.data_file, spec.fps, spec.skip_frames)


def find_files(files: str | Sequence[str] | None, game_file: str | None) -> list[str]:
    """Return the files that were asked for, patterns resolved.

    Raises:
        ConfigError: none was named.
        MissingFileError: a pattern matches nothing.
    """
    if files is None:
        files = game_file
    if not files:
        raise ConfigError("No gameplay file was named: pass --data.files FILE or --data.game TITLE.")
    found: list[str] = []
    for name in [files] if isinstance(files, str) else files:
        matches = sorted(glob.glob(str(name))) if glob.has_magic(str(name)) else [str(name)]
        if not matches:
            raise MissingFileError(f"No gameplay file matches '{name}'; record one or name another.")
        found += matches
    if len(set(found)) < len(found):
        raise ConfigError(
            f"A gameplay file is named twice in {', '.join(found)}; windows would be in two splits."
        )
    return found


def frame_stride(info: FileInfo, fps: float | None) -> int:
    """Return how many stored frames make one frame at `fps` (1 for None); warn where the file is slower."""
    if fps is None:
        return 1
    if info.rate < 0.75 * fps:
        warnings.warn(
            f"{info.path} holds {info.rate:g} frames per second, {fps:g} were asked for; all are used.",
            stacklevel=2,
        )
    return max(1, round(info.rate / fps))


def check_frame_size(files: Sequence[FrameFile], frame_size: int | None) -> None:
    """Check that all frames are square, of one size, and of the size asked for.

    Raises:
        DataError: they are not.
    """
    wanted = frame_size or files[0].info.height
    for file in files:
        info = file.info
        if info.height == info.width == wanted:
            continue
        found = f"{info.path} holds {info.width}x{info.height} frames"
        if info.height != info.width:
            raise DataError(f"{found}; they must be square, so record or convert them with --size.")
        if frame_size is None:
            raise DataError(f"{found}, {files[0].info.path} {wanted}x{wanted}; use files of one size.")
        raise DataError(
            f"{found}, but frame_size is {wanted}; set --data.frame_size {info.height} or use another file."
        )
