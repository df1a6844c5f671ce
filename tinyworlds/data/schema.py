"""What a gameplay file holds, and the checks that every reader relies on.

One HDF5 file is one game:

==================  =================  =====================================================================
``frames``          uint8 [N,H,W,3]    RGB; the only dataset a file must have (public files have nothing else)
``actions``         int64 [N]          action taken after seeing frame i, which leads to frame i+1; other ids,
                                       texts and rows of switches are numbered, see `action_ids`
``rewards``         float32 [N]        reward of that action
``episode_ends``    bool [N]           frame i is the last one of its episode; no window reaches across it
==================  =================  =====================================================================

Attributes: ``fps`` (frames per second of game time, as stored), ``source``, ``action_names`` (JSON list),
``schema_version``. This file knows neither windows nor torch.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from tinyworlds.data.guarded_file import GuardedFile
from tinyworlds.errors import DataError, MissingFileError, TinyWorldsError
from tinyworlds.media.suffixes import VIDEO_SUFFIXES
from tinyworlds.system.interrupts import uninterrupted

SCHEMA_VERSION = 1
ASSUMED_FPS = 60.0  # public files carry no rate; they were captured at 60 frames per second
MAX_SIDE = 8192  # of a frame in pixels; more is a damaged header, and would be taken as much memory
MAX_COLUMN_BYTES = 2**30  # of actions, rewards or episode ends; more is a damaged header, too
_KINDS = {
    "actions": ("whole action ids", "biuf"),
    "rewards": ("numbers", "biuf"),
    "episode_ends": ("boolean", "bui"),
}


@dataclass(frozen=True)
class FileInfo:
    """The facts about one gameplay file.

    Attributes:
        path: the file.
        num_frames: N.
        height: H in pixels.
        width: W in pixels.
        fps: stored frames per second of game time, or None where the file does not say.
        source: what the frames were recorded from; empty if unknown.
        action_names: one name per true action; empty without actions or names.
        has_actions: whether the true actions lie beside the frames.
        has_rewards: whether rewards do.
        has_episodes: whether episode ends are marked.
        chunks: storage chunks of ``frames``, or None if contiguous.
        compression: storage filter of ``frames``, or None.
        schema_version: version of the layout, or None for files that only hold frames.
    """

    path: Path
    num_frames: int
    height: int
    width: int
    fps: float | None
    source: str
    action_names: tuple[str, ...]
    has_actions: bool
    has_rewards: bool
    has_episodes: bool
    chunks: tuple[int, ...] | None
    compression: str | None
    schema_version: int | None

    @property
    def rate(self) -> float:
        """Frames per second, assuming the capture rate of public files where the file does not say."""
        return self.fps or ASSUMED_FPS

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame in memory."""
        return self.height * self.width * 3


def open_h5(path: str | Path) -> h5py.File:
    """Open an HDF5 file for reading.

    Damaged files are refused or raise while they are read, see `reading`; none makes the process hang.

    Raises:
        MissingFileError: there is no such file.
        DataError: it is not HDF5, is cut short, is being written, or may not be read.
    """
    path = Path(path)
    if not path.exists():
        raise MissingFileError(
            f"No such gameplay file: {path}; record one with 'tinyworlds record ENV_ID --out {path}', "
            f"fetch a public one with 'tinyworlds download datasets --pattern {path.name}', "
            "or name yours with --data.files."
        )
    if path.is_dir():
        raise DataError(f"{path} is a folder, not a gameplay file; name the .h5 file in it.")
    if path.suffix.lower() in VIDEO_SUFFIXES:
        raise DataError(
            f"{path} is a video, no gameplay file; make one of it: tinyworlds ingest {path} --game NAME"
        )
    try:
        h5py.File(path, "r").close()  # this one asks whether somebody is writing the file
        return h5py.File(GuardedFile(path), "r")
    except BlockingIOError as error:
        raise DataError(
            f"{path} is being written by another process; wait until that has finished."
        ) from error
    except PermissionError as error:
        raise DataError(f"{path} may not be read by this user; change its permissions.") from error
    except (OSError, RuntimeError, ValueError) as error:
        if "truncated" in str(error):
            raise DataError(
                f"{path} is truncated: its end is missing; copy, download or record it again."
            ) from error
        raise DataError(
            f"{path} is not an HDF5 file or is damaged ({path.stat().st_size:,} bytes); "
            "copy, download or record it again."
        ) from error


@contextlib.contextmanager
def reading(path: str | Path, where: str = "") -> Iterator[None]:
    """Turn whatever h5py raises over damaged content within the block into one line; signals wait meanwhile.

    Args:
        path: of the file that is read.
        where: what of it, such as "near row 48".

    Raises:
        DataError: something is damaged.
    """
    try:
        with uninterrupted():
            yield
    except TinyWorldsError:
        raise
    except Exception as error:  # h5py: OSError, RuntimeError, KeyError, TypeError ..., by the place of damage
        place = f" {where}" if where else ""
        reason = " ".join(str(error).split())[:100]
        raise DataError(f"{path} is damaged{place} ({reason}); copy, download or record it again.") from error


@contextlib.contextmanager
def opened(path: str | Path, where: str = "") -> Iterator[h5py.File]:
    """Yield a file that is open for reading for a short while, see `open_h5` and `reading`."""
    with reading(path, where), contextlib.closing(open_h5(path)) as file:
        yield file


def read_info(path: str | Path) -> FileInfo:
    """Check one gameplay file against the schema and return its facts.

    Raises:
        MissingFileError: there is no such file.
        DataError: the file breaks the schema or is damaged; the message says where.
    """
    with opened(path) as file:
        return check(file, Path(path))


def check(file: h5py.File, path: Path) -> FileInfo:
    """Check an open gameplay file against the schema; see `read_info`."""
    frames = _check_frames(file, path)
    for name in _KINDS:
        _check_per_frame(file, path, name, len(frames))
    return FileInfo(
        path=path,
        num_frames=len(frames),
        height=int(frames.shape[1]),
        width=int(frames.shape[2]),
        fps=_fps(file, path),
        source=_text(file.attrs.get("source", "")),
        action_names=_action_names(file, path),
        has_actions="actions" in file,
        has_rewards="rewards" in file,
        has_episodes="episode_ends" in file,
        chunks=frames.chunks,
        compression=frames.compression,
        schema_version=_version(file, path),
    )


def _check_frames(file: h5py.File, path: Path) -> h5py.Dataset:
    if not isinstance(file.get("frames"), h5py.Dataset):
        names = ", ".join(sorted(map(str, file))) or "nothing"
        raise DataError(
            f"{path} has no dataset 'frames' (it holds: {names}); write uint8 [N,H,W,3] frames to it."
        )
    frames = file["frames"]
    shape = f"{frames.dtype} {list(frames.shape)}"
    if frames.dtype != np.uint8:
        raise DataError(f"{path}: 'frames' is {shape}; it must be uint8 with values 0 to 255, so convert it.")
    if frames.ndim != 4:
        raise DataError(f"{path}: 'frames' is {shape}; it must have four axes [N,H,W,3], so reshape it.")
    if frames.shape[-1] != 3:
        raise DataError(
            f"{path}: 'frames' is {shape}; it must end in 3 RGB channels [N,H,W,3], so convert it."
        )
    if 0 in frames.shape:
        raise DataError(f"{path}: 'frames' is empty, {shape}; record the file again.")
    if max(frames.shape[1:3]) > MAX_SIDE:
        raise DataError(f"{path}: 'frames' is {shape}; a side has at most {MAX_SIDE} pixels, so resize them.")
    return frames


def _check_per_frame(file: h5py.File, path: Path, name: str, num_frames: int) -> None:
    if name not in file:
        return
    data = file[name]
    shape = list(data.shape) if isinstance(data, h5py.Dataset) else "a group"
    axes = 2 if name == "actions" else 1
    if not isinstance(data, h5py.Dataset) or not 1 <= data.ndim <= axes or len(data) != num_frames:
        raise DataError(f"{path}: '{name}' is {shape}; it must have one entry per frame, [{num_frames}].")
    wanted, kinds = _KINDS[name]
    is_text = h5py.check_string_dtype(data.dtype) is not None and data.ndim == 1
    if data.dtype.kind not in kinds and not (name == "actions" and is_text):
        raise DataError(f"{path}: '{name}' is {data.dtype}; it must be {wanted}, so convert it.")
    if data.dtype.itemsize * data.size > MAX_COLUMN_BYTES:
        raise DataError(f"{path}: '{name}' is {data.dtype} {shape}; no gameplay has as many; write it again.")


def _fps(file: h5py.File, path: Path) -> float | None:
    if "fps" not in file.attrs:
        return None
    try:
        fps = float(file.attrs["fps"])
    except (TypeError, ValueError):
        fps = float("nan")
    if not 0 < fps < float("inf"):
        raise DataError(f"{path}: attribute 'fps' is {file.attrs['fps']!r}; it must be a positive number.")
    return fps


def _action_names(file: h5py.File, path: Path) -> tuple[str, ...]:
    try:
        names = json.loads(_text(file.attrs.get("action_names", "[]")))
    except ValueError:
        names = None
    if not isinstance(names, list):
        raise DataError(
            f"{path}: attribute 'action_names' is no JSON list of names; write it with json.dumps."
        )
    return tuple(str(name) for name in names)


def _version(file: h5py.File, path: Path) -> int | None:
    if "schema_version" not in file.attrs:
        return None
    try:
        version = int(file.attrs["schema_version"])
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: attribute 'schema_version' is no whole number; write it again.") from error
    if version > SCHEMA_VERSION:
        raise DataError(
            f"{path} has schema version {version}, this TinyWorlds reads up to {SCHEMA_VERSION}; update it."
        )
    return version


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
