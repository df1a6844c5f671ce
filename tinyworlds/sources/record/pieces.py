"""A recording on disk while it is under way: small gameplay files, joined when all are there.

A piece is complete or absent, so a process that is killed loses the frames since its last piece and no more.
Where play stopped between two pieces (after a kill the next process starts the game anew) an episode ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import h5py

from tinyworlds.data.h5_open import open_h5, opened, reading
from tinyworlds.data.reader import FrameFile
from tinyworlds.data.schema import read_info
from tinyworlds.data.writer import CHUNK_FRAMES, FrameWriter

_PIECE_BYTES = 2**24  # of frames in memory


@dataclass(frozen=True)
class Piece:
    """A complete piece.

    Attributes:
        path: the file.
        first: number of its first frame in the share of its process.
        num_frames: in it.
        begun: number of the frame at which the process that wrote it started to play.
        continues: its last frame does not end an episode.
    """

    path: Path
    first: int
    num_frames: int
    begun: int
    continues: bool

    @property
    def stop(self) -> int:
        """Number of the frame after it."""
        return self.first + self.num_frames


class PieceWriter(FrameWriter):
    """Writes one piece.

    Args:
        folder: of the pieces of one process.
        first: number of the first frame.
        begun: number of the frame at which this process started to play.
        size: height and width of the frames.
        fps: stored frames per second.
        names: of the actions.
    """

    def __init__(
        self, folder: Path, first: int, begun: int, size: int, fps: float, names: Sequence[str]
    ) -> None:
        super().__init__(folder / f"{first:010d}.h5", size, size, fps, action_names=names, terminations=True)
        self._new.change(lambda file: file.attrs.update(begun=begun))
        self.full_at = max(1, _PIECE_BYTES // (size * size * 3 * CHUNK_FRAMES)) * CHUNK_FRAMES

    def complete(self, continues: bool) -> None:
        """Close it; `continues`: the next frame belongs to the same episode."""
        self._new.change(lambda file: file.attrs.update(continues=continues))
        self.close()


def find_pieces(folder: Path) -> list[Piece]:
    """Return the complete pieces of one process, in order."""
    return [_read_piece(path) for path in sorted(folder.glob("*.h5"))]


def _read_piece(path: Path) -> Piece:
    num_frames = read_info(path).num_frames
    with opened(path) as file:
        return Piece(
            path, int(path.stem), num_frames, int(file.attrs["begun"]), bool(file.attrs["continues"])
        )


class Joiner(FrameWriter):
    """Writes one file out of complete ones; packed chunks are taken over as they are where they fit."""

    def add(self, path: Path, continues: bool = False) -> int:
        """Append all frames of a file and return how many they are.

        Args:
            path: a file with all columns of the schema; older ones tell of no ``terminations``.
            continues: its last frame does not end an episode.

        Raises:
            DataError: the file is damaged.
            StorageError: the disk is full.
        """
        start = self.num_frames
        with closing(FrameFile(path)) as file, closing(open_h5(path)) as source:
            self._add_columns(file, continues)
            frames = source["frames"]
            copy = _copy_chunk if start % CHUNK_FRAMES == 0 and self._is_stored_alike(frames) else _copy_block
            for row in range(0, len(file), CHUNK_FRAMES):
                with reading(path, f"in 'frames' near row {row}"):
                    self._new.change(partial(copy, frames, row, start + row))
            return len(file)

    def _add_columns(self, file: FrameFile, continues: bool) -> None:
        start = self.num_frames
        self.num_frames += len(file)

        def add(whole: h5py.File) -> None:
            for name, data in whole.items():
                data.resize(self.num_frames, axis=0)
                values = file.column(name) if name != "frames" else None
                if values is not None:
                    data[start:] = values
            if continues:
                whole["episode_ends"][-1] = False

        self._new.change(add)

    def _is_stored_alike(self, frames: h5py.Dataset) -> bool:
        return self._new.change(lambda whole: _storage(whole["frames"])) == _storage(frames)


def _storage(frames: h5py.Dataset) -> tuple:
    return frames.chunks, frames.compression, frames.compression_opts, frames.shuffle, frames.fletcher32


def _copy_chunk(source: h5py.Dataset, row: int, to: int, target: h5py.File) -> None:
    mask, content = source.id.read_direct_chunk((row, 0, 0, 0))
    target["frames"].id.write_direct_chunk((to, 0, 0, 0), content, mask)


def _copy_block(source: h5py.Dataset, row: int, to: int, target: h5py.File) -> None:
    block = source[row : row + CHUNK_FRAMES]
    target["frames"][to : to + len(block)] = block
