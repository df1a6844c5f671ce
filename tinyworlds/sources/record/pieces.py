"""A recording on disk while it is under way: small gameplay files, joined when all are there.

A piece is complete or absent, so a process that is killed loses the frames since its last piece and no more.
Where play stopped between two pieces (after a kill the next process starts the game anew) an episode ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py

from tinyworlds.data.schema import open_h5, read_info, reading
from tinyworlds.data.writer import CHUNK_FRAMES, FrameWriter

_PIECE_BYTES = 2**24  # of frames in memory
_BATCH_FRAMES = 4 * CHUNK_FRAMES


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
        super().__init__(folder / f"{first:010d}.h5", size, size, fps, action_names=names)
        self._file.attrs["begun"] = begun
        self.full_at = max(1, _PIECE_BYTES // (size * size * 3 * CHUNK_FRAMES)) * CHUNK_FRAMES

    def complete(self, continues: bool) -> None:
        """Close it; `continues`: the next frame belongs to the same episode."""
        self._file.attrs["continues"] = continues
        self.close()


def find_pieces(folder: Path) -> list[Piece]:
    """Return the complete pieces of one process, in order."""
    return [_read_piece(path) for path in sorted(folder.glob("*.h5"))]


def _read_piece(path: Path) -> Piece:
    num_frames = read_info(path).num_frames
    with open_h5(path) as file, reading(path):
        return Piece(
            path, int(path.stem), num_frames, int(file.attrs["begun"]), bool(file.attrs["continues"])
        )


class Joiner(FrameWriter):
    """Writes one file out of complete ones; packed chunks are taken over as they are where they fit."""

    def add(self, path: Path, continues: bool = False) -> int:
        """Append all frames of a file and return how many they are.

        Args:
            path: a file with all columns of the schema.
            continues: its last frame does not end an episode.

        Raises:
            DataError: the file is damaged.
            StorageError: the disk is full.
        """
        with open_h5(path) as source, reading(path):
            start, count = self.num_frames, len(source["frames"])
            self.num_frames += count
            for name, data in self._file.items():
                data.resize(self.num_frames, axis=0)
                if name != "frames":
                    data[start:] = source[name][:]
            if continues:
                self._file["episode_ends"][-1] = False
            copy = _copy_chunks if self._fits(source["frames"], start) else _copy_frames
            for _ in copy(source["frames"], self._file["frames"], start):
                self._check_disk()
        return count

    def _fits(self, frames: h5py.Dataset, start: int) -> bool:
        return start % CHUNK_FRAMES == 0 and _storage(frames) == _storage(self._file["frames"])


def _storage(frames: h5py.Dataset) -> tuple:
    return frames.chunks, frames.compression, frames.compression_opts, frames.shuffle, frames.fletcher32


def _copy_chunks(source: h5py.Dataset, target: h5py.Dataset, start: int) -> Iterable[None]:
    for row in range(0, len(source), CHUNK_FRAMES):
        mask, content = source.id.read_direct_chunk((row, 0, 0, 0))
        target.id.write_direct_chunk((start + row, 0, 0, 0), content, mask)
        yield


def _copy_frames(source: h5py.Dataset, target: h5py.Dataset, start: int) -> Iterable[None]:
    for row in range(0, len(source), _BATCH_FRAMES):
        block = source[row : row + _BATCH_FRAMES]
        target[start + row : start + row + len(block)] = block
        yield
