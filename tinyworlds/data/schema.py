"""What a gameplay file holds, and the checks that every reader relies on.

One HDF5 file is one game:

==================  =================  =====================================================================
``frames``          uint8 [N,H,W,3]    RGB; the only dataset a file must have (public files have nothing else)
``actions``         int64 [N]          action taken after seeing frame i, which leads to frame i+1; other ids,
                                       texts and rows of switches are numbered, see `action_ids`
``rewards``         float32 [N]        reward of that action
``episode_ends``    bool [N]           frame i is the last one of its episode; no window reaches across it
``terminations``    bool [N]           its action ended the game, so that nothing could be earned after it; an
                                       episode that ends without was cut
==================  =================  =====================================================================

Attributes: ``fps`` (frames per second of game time, as stored), ``source``, ``action_names`` (JSON list),
``schema_version``. This file knows neither windows nor torch.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from h5py import h5a, h5t

from tinyworlds.data.h5_open import opened
from tinyworlds.data.stored import find
from tinyworlds.errors import DataError, listed

SCHEMA_VERSION = 1
ASSUMED_FPS = 60.0  # public files carry no rate; they were captured at 60 frames per second
MAX_FRAMES = 2**27  # of a file: 17 weeks at 15 frames per second; their actions take a GiB
MAX_SIDE = 8192  # of a frame in pixels; more is a damaged header, and would be taken as much memory
MAX_COLUMN_BYTES = 2**30  # of actions, rewards or episode ends; more is a damaged header, too
MAX_ATTRIBUTE_BYTES = 2**20
COLUMNS = {
    "actions": ("whole action ids", "biuf"),
    "rewards": ("numbers", "biuf"),
    "episode_ends": ("boolean", "bui"),
    "terminations": ("boolean", "bui"),
}
"""What may lie beside the frames, one entry for each: what it must be, and the kinds of dtype that are."""


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
    frames = _frames(file, path)
    columns = [name for name in COLUMNS if _has_column(file, path, name, len(frames))]
    return FileInfo(
        path=path,
        num_frames=len(frames),
        height=int(frames.shape[1]),
        width=int(frames.shape[2]),
        fps=_fps(file, path),
        source=_source(file, path),
        action_names=_action_names(file, path),
        has_actions="actions" in columns,
        has_rewards="rewards" in columns,
        has_episodes="episode_ends" in columns,
        chunks=frames.chunks,
        compression=frames.compression,
        schema_version=_version(file, path),
    )


def _frames(file: h5py.File, path: Path) -> h5py.Dataset:
    frames = find(file, path, "frames")
    if isinstance(frames, h5py.Group):
        raise DataError(
            f"{path}: 'frames' is a group of {len(frames)} ({_shown(frames)}), not one dataset; join them to "
            "uint8 [N,H,W,3] and mark the last frame of each in 'episode_ends'."
        )
    if frames is None:
        raise DataError(
            f"{path} has no dataset 'frames' (it holds: {_shown(file)}); write uint8 [N,H,W,3] frames to it."
        )
    check_frames(frames.shape, frames.dtype, path)
    return frames


def _shown(group: h5py.Group) -> str:
    return listed([name if name.isprintable() else ascii(name) for name in sorted(map(str, group))])


def check_frames(shape: tuple[int, ...], dtype: np.dtype, path: Path) -> None:
    """Check that what is stored are frames.

    Raises:
        DataError: they are not; the message says how they become some.
    """
    told = f"{path}: 'frames' is {dtype} {list(shape)}"
    if dtype != np.uint8:
        remedy = "write np.uint8(np.round(frames * 255)) if they go from 0 to 1" if dtype.kind == "f" else ""
        raise DataError(f"{told}; it must be uint8 with values 0 to 255, so {remedy or 'convert it'}.")
    if len(shape) == 3 and shape[-1] > 4:
        raise DataError(
            f"{told}; it must have four axes [N,H,W,3]: write np.stack([frames] * 3, -1) of grey ones."
        )
    if len(shape) == 5 and shape[-1] == 3:
        raise DataError(
            f"{told}; it must have four axes [N,H,W,3]: join its episodes, and mark the last frame of each "
            "in 'episode_ends'."
        )
    if len(shape) != 4:
        raise DataError(f"{told}; it must have four axes [N,H,W,3], so reshape it.")
    if shape[-1] != 3:
        raise DataError(f"{told}; it must end in 3 RGB channels [N,H,W,3]: write {_as_rgb(shape)}.")
    if 0 in shape:
        raise DataError(f"{path}: 'frames' is empty, {dtype} {list(shape)}; record the file again.")
    if max(shape[1:3]) > MAX_SIDE:
        raise DataError(f"{told}; a side has at most {MAX_SIDE} pixels, so resize them.")
    if shape[0] > MAX_FRAMES:
        raise DataError(f"{told}; a file has at most {MAX_FRAMES:,} frames, so write several.")


def _as_rgb(shape: tuple[int, ...]) -> str:
    if shape[-1] == 4:
        return "frames[..., :3]"
    if shape[-1] == 1:
        return "np.repeat(frames, 3, -1)"
    if shape[1] == 3:
        return "frames.transpose(0, 2, 3, 1)"
    return "them as RGB"


def _has_column(file: h5py.File, path: Path, name: str, num_frames: int) -> bool:
    """Whether there is such a dataset, which is then checked."""
    data = find(file, path, name)
    if data is None:
        return False
    shape = list(data.shape) if isinstance(data, h5py.Dataset) else "a group"
    axes = 2 if name == "actions" else 1
    if not isinstance(data, h5py.Dataset) or not 1 <= data.ndim <= axes or len(data) != num_frames:
        raise DataError(f"{path}: '{name}' is {shape}; it must have one entry per frame, [{num_frames}].")
    wanted, kinds = COLUMNS[name]
    is_text = h5py.check_string_dtype(data.dtype) is not None and data.ndim == 1
    if data.dtype.kind not in kinds and not (name == "actions" and is_text):
        raise DataError(f"{path}: '{name}' is {data.dtype}; it must be {wanted}, so convert it.")
    if data.dtype.itemsize * data.size > MAX_COLUMN_BYTES:
        raise DataError(f"{path}: '{name}' is {data.dtype} {shape}; no gameplay has as many; write it again.")
    return True


def _fps(file: h5py.File, path: Path) -> float | None:
    stored = _attribute(file, path, "fps")
    if stored is None:
        return None
    try:
        fps = float(stored.item())  # also an array of one number, as MATLAB has them
    except (TypeError, ValueError):
        fps = float("nan")
    if not 0 < fps < float("inf"):
        raise DataError(f"{path}: attribute 'fps' is {str(stored)[:40]!a}; it must be a positive number.")
    return fps


def _action_names(file: h5py.File, path: Path) -> tuple[str, ...]:
    stored = _attribute(file, path, "action_names")
    if stored is None:
        return ()
    if stored.ndim:
        return tuple(_text(name) for name in stored.ravel())  # an array of texts, as h5py makes of a list
    try:
        names = json.loads(_text(stored.item()))
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, list):
        raise DataError(
            f"{path}: attribute 'action_names' is no JSON list of names; write it with json.dumps."
        )
    return tuple(str(name) for name in names)


def _version(file: h5py.File, path: Path) -> int | None:
    stored = _attribute(file, path, "schema_version")
    if stored is None:
        return None
    try:
        version = int(stored.item())
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{path}: attribute 'schema_version' is no whole number; write it again.") from error
    if version > SCHEMA_VERSION:
        raise DataError(
            f"{path} has schema version {version}, this TinyWorlds reads up to {SCHEMA_VERSION}; update it."
        )
    return version


def _source(file: h5py.File, path: Path) -> str:
    stored = _attribute(file, path, "source")
    return "" if stored is None or stored.size != 1 else _text(stored.item())


def _attribute(file: h5py.File, path: Path, name: str) -> np.ndarray | None:
    """An attribute as an array; None if there is none. Its declared size is looked at before it is read."""
    if name not in file.attrs:
        return None
    stored = file.attrs.get_id(name)
    if not is_simple(stored):
        raise DataError(f"{path}: attribute '{name}' is no number and no text; write it again.")
    return np.asarray(file.attrs[name])


def is_simple(attribute: h5a.AttrID) -> bool:
    """Whether an attribute is numbers or texts of a size to expect; HDF5 may crash over others."""
    kind = attribute.get_type()
    if not isinstance(kind, h5t.TypeIntegerID | h5t.TypeFloatID | h5t.TypeStringID | h5t.TypeEnumID):
        return False
    return math.prod(attribute.shape or ()) * kind.get_size() <= MAX_ATTRIBUTE_BYTES


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
