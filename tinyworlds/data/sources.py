"""From settings to files: which ones, at what size and rate, and what a registered title supplies."""

from __future__ import annotations

import glob
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyworlds.data.reader import FrameFile
from tinyworlds.data.schema import FileInfo
from tinyworlds.errors import ConfigError, DataError, MissingFileError
from tinyworlds.system.known_paths import remember
from tinyworlds.system.shell import at_home, shown_command

SUFFIXES = (".h5", ".hdf5")
"""Endings of the files that are taken from a folder; a file that is named itself may have any."""


@dataclass(frozen=True)
class Defaults:
    """What applies where settings or files do not say: data file, rate, frames to skip, names of actions."""

    data_file: str | None = None
    fps: float | None = None
    skip_frames: int = 0
    action_names: tuple[str, ...] = ()


def game_defaults(game: str | None) -> Defaults:
    """Return the defaults of a registered title (plain ones for None).

    Raises:
        ConfigError: no title has that name.
    """
    if game is None:
        return Defaults()
    from games.registry import get

    spec = get(game)
    return Defaults(spec.data_file, spec.fps, spec.skip_frames, tuple(spec.action_names))


def find_files(files: str | Sequence[str] | None, game_file: str | None) -> list[str]:
    """Return the gameplay files that were asked for, in an order that is the same in every process.

    Args:
        files: each a file, a folder (searched with the folders in it), a pattern such as ``data/zelda*.h5``
            or ``data/**/*.h5``, or an address such as ``s3://bucket/zelda/``, which is copied here first (see
            `tinyworlds.data.remote`).
        game_file: what a title supplies where `files` is None.

    Raises:
        ConfigError: none was named, or one twice.
        MissingFileError: a pattern matches nothing, or a folder holds no gameplay file.
        RemoteError: an address could not be read.
    """
    names = [at_home(str(name)) for name in ([files] if isinstance(files, str) else files or ())]
    if not names and not (names := [at_home(game_file)] if game_file and files is None else []):
        raise ConfigError("No gameplay file was named: pass --data.files FILE or --data.game TITLE.")
    paths = [file for name in names for file in _files_of(name)]
    remember(names)
    times = Counter(Path(file).resolve() for file in paths)
    twice = [file for file in paths if times[Path(file).resolve()] > 1]
    if twice:
        raise ConfigError(
            f"A gameplay file is named twice ({', '.join(twice[:4])}); windows would be in two splits."
        )
    return paths


def is_gameplay(name: str) -> bool:
    """Whether a file in a folder, named by its path inside, is a gameplay file: by its ending, not hidden."""
    parts = name.split("/")
    return parts[-1].lower().endswith(SUFFIXES) and not any(part.startswith(".") for part in parts)


def _files_of(name: str) -> list[str]:
    if "://" in name:
        from tinyworlds.data.remote import fetch_files

        return fetch_files(name, is_gameplay)
    path = Path(name)
    if path.is_dir():
        return _files_in(path)
    if path.exists() or not glob.has_magic(name):
        return [name]
    matches = sorted(glob.glob(name, recursive=True))
    if not matches:
        raise MissingFileError(f"No gameplay file matches '{name}'; record one or name another.")
    return _flattened([match] if not Path(match).is_dir() else _files_in(Path(match)) for match in matches)


def _files_in(folder: Path) -> list[str]:
    inside = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    paths = [str(folder / name) for name in inside if is_gameplay(name)]
    if not paths:
        raise MissingFileError(
            f"{folder} is a folder without gameplay files (*{', *'.join(SUFFIXES)}); "
            "record one or name another."
        )
    return paths


def _flattened(lists: Iterable[list[str]]) -> list[str]:
    return [item for items in lists for item in items]


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
    size = frame_size or files[0].info.height
    for file in files:
        info = file.info
        if info.height == info.width == size:
            continue
        what = f"{info.path} holds {info.width}x{info.height} frames"
        if info.height != info.width:
            side = min(info.height, info.width) // 4 * 4 or 4
            raise DataError(
                f"{what}; they must be square: {shown_command('optimize', Path(info.path))} SQUARE.h5 "
                f"--size {side} makes them so."
            )
        if frame_size is None:
            raise DataError(f"{what}, {files[0].info.path} {size}x{size}; use files of one size.")
        raise DataError(
            f"{what}, but frame_size is {size}; set --data.frame_size {info.height} or use another file."
        )
