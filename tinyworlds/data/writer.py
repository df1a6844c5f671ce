"""Streaming writer of gameplay files: flat memory, whole files or none.

Frames go to a hidden file beside `path`, which takes its name when the writer closes without an error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Sized
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import h5py
import numpy as np

from tinyworlds.data.new_file import NewFile
from tinyworlds.data.schema import SCHEMA_VERSION
from tinyworlds.errors import DataError, StorageError
from tinyworlds.system.text import encodable

if TYPE_CHECKING:
    from typing_extensions import Self

CHUNK_FRAMES = 16  # a window of a few frames then touches one or two chunks
_BUFFER_FRAMES = 4 * CHUNK_FRAMES


class FrameWriter:
    """Write one gameplay file frame by frame; use it in a ``with`` block.

    Leaving the block normally renames the file into place; leaving it by an exception removes every trace. An
    existing file of that name stays as it was until then.

    Args:
        path: the file to write; missing folders are made.
        height: H of every frame in pixels.
        width: W of every frame in pixels.
        fps: stored frames per second of game time.
        source: what the frames come from.
        action_names: one name per action; None writes a file without actions and rewards.
        terminations: whether to keep apart episodes that came to an end and those that were cut.
    """

    def __init__(
        self,
        path: str | Path,
        height: int,
        width: int,
        fps: float,
        source: str = "",
        action_names: Sequence[str] | None = None,
        terminations: bool = False,
    ) -> None:
        self.path = Path(path)
        self.num_frames = 0
        self._shape = (height, width, 3)
        self._has_actions, self._has_terminations = action_names is not None, terminations
        self._frames: list[np.ndarray] = []
        self._labels: list[tuple[int, float, bool, bool]] = []
        self._new = NewFile(path)
        self.partial = self._new.partial
        try:
            self._new.change(lambda file: self._create(file, fps, source, action_names))
        except BaseException:
            self.discard()
            raise

    def append(
        self,
        frame: np.ndarray,
        action: int = 0,
        reward: float = 0.0,
        episode_end: bool = False,
        terminated: bool = False,
    ) -> None:
        """Add frame i with the action taken after seeing it.

        Args:
            frame: uint8 [H,W,3].
            action: id of the action that leads to the next frame.
            reward: reward of that action.
            episode_end: the action ended the episode, so the next frame belongs to another one.
            terminated: it did so by itself, as the game's end, rather than being cut.

        Raises:
            DataError: the frame has another shape or dtype than announced.
            StorageError: the disk is full.
        """
        if frame.shape != self._shape or frame.dtype != np.uint8:
            raise DataError(
                f"{self.path}: a frame is {frame.dtype} {list(frame.shape)}, not uint8 {list(self._shape)}."
            )
        self._frames.append(frame)
        self._labels.append((action, reward, episode_end, terminated))
        self.num_frames += 1
        if len(self._frames) == _BUFFER_FRAMES:
            try:
                self._flush()
            except StorageError:
                self.discard()  # its room on the disk is free at once, whatever becomes of the writer
                raise

    def add_text(self, name: str, text: str) -> None:
        """Store a text under a name of its own beside the frames.

        Raises:
            StorageError: the disk is full.
        """
        self._new.change(lambda file: file.create_dataset(name, data=encodable(text)))

    def close(self) -> None:
        """Write what is buffered, mark the last frame as an episode's end, and rename the file into place.

        Raises:
            DataError: there is not one frame.
            StorageError: the disk is full.
        """
        try:
            if self.num_frames == 0:
                raise DataError(f"{self.path}: not one frame was written, so no file was made.")
            self._flush()
            self._new.change(_end_episode)
            self._new.finish()
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Drop everything written so far; nothing after `close`."""
        self._new.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.discard()

    def _create(self, file: h5py.File, fps: float, source: str, action_names: Sequence[str] | None) -> None:
        file.create_dataset(
            "frames",
            shape=(0, *self._shape),
            maxshape=(None, *self._shape),
            dtype=np.uint8,
            chunks=(CHUNK_FRAMES, *self._shape),
            compression="gzip",
            compression_opts=4,
        )
        columns: dict[str, np.dtype] = {"episode_ends": np.dtype(bool)}
        if self._has_terminations:
            columns["terminations"] = np.dtype(bool)
        if self._has_actions:
            columns |= {"actions": np.dtype(np.int64), "rewards": np.dtype(np.float32)}
        for name, dtype in columns.items():
            file.create_dataset(name, shape=(0,), maxshape=(None,), dtype=dtype, chunks=(4096,))
        attributes = {"fps": float(fps), "source": encodable(source), "schema_version": SCHEMA_VERSION}
        if action_names is not None:
            attributes["action_names"] = json.dumps(list(action_names))  # which escapes by itself
        file.attrs.update(attributes)

    def _flush(self) -> None:
        if not self._frames:
            return
        actions, rewards, ends, terminations = zip(*self._labels, strict=True)
        columns: dict[str, Sized] = {
            "frames": np.stack(self._frames),
            "actions": actions,
            "rewards": rewards,
            "episode_ends": ends,
            "terminations": terminations,
        }
        self._new.change(lambda file: _append(file, columns, self.num_frames))
        self._frames.clear()
        self._labels.clear()


def _append(file: h5py.File, columns: Mapping[str, Sized], num_frames: int) -> None:
    for name, values in columns.items():
        if name in file:
            data = file[name]
            data.resize(num_frames, axis=0)
            data[num_frames - len(values) :] = values


def _end_episode(file: h5py.File) -> None:
    file["episode_ends"][-1] = True
