"""The frames of one video on disk while an ingest is under way: numbered pieces, and how far they reach.

Each piece is a small gameplay file. What has been done is written down after a piece is complete, so a
process that is killed at any moment loses one piece at most.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tinyworlds.data.reader import FrameFile
from tinyworlds.data.writer import FrameWriter
from tinyworlds.errors import DataError, MissingFileError
from tinyworlds.media.shrinker import Crop
from tinyworlds.sources.ingest.letterbox import Crops
from tinyworlds.sources.ingest.reader import Mark
from tinyworlds.sources.ingest.settings import Settings
from tinyworlds.system.files import write_text

_BATCH_FRAMES = 64  # read back at once


@dataclass
class State:
    """How far a video is.

    Attributes:
        crops: the part kept of pictures of each size.
        width: of its first picture, upright, in pixels.
        height: of its first picture, upright, in pixels.
        piece_frames: frames in each piece.
        num_frames: frames stored in complete pieces.
        breaks: frames, counted in this video, after which its times jump or its pictures change.
        num_changes: how often the size or format of its pictures changes.
        base_s: see `Clock`.
        count: see `Clock`.
        mark: the picture that the next frame may still show; None before the first piece.
        done: everything is stored.
        seconds: of video seen.
        num_damaged: packets, or pictures, that could not be decoded.
        num_pictures: in a folder of them; None of a video.
    """

    crops: Crops
    width: int
    height: int
    piece_frames: int
    num_frames: int = 0
    breaks: list[int] = field(default_factory=list)
    num_changes: int = 0
    base_s: float = 0.0
    count: int = 0
    mark: Mark | None = None
    done: bool = False
    seconds: float = 0.0
    num_damaged: int = 0
    num_pictures: int | None = None

    @property
    def crop(self) -> Crop | None:
        """What is cut out of its first picture; None is all."""
        return self.crops.of(self.width, self.height)

    def kept(self, settings: Settings) -> Crops:
        """Return the part that was kept of its pictures, also where the settings named it."""
        if self.crops.boxes:
            return self.crops
        box: Any = None
        if isinstance(settings.crop, tuple):
            left, top, width, height = settings.crop
            sides = (self.width, self.height) * 2
            edges = (left, top, left + width, top + height)
            box = tuple(edge / side for edge, side in zip(edges, sides, strict=True))
        return Crops(((self.width, self.height, self.width / self.height, box),))


class Pieces:
    """The pieces of one video.

    Args:
        folder: theirs alone; made when the first one is written.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._state_file = self.folder / "state.json"

    def load(self) -> State | None:
        """Return how far the video is, or None if it was not begun or its pieces are gone."""
        try:
            values = json.loads(self._state_file.read_text(encoding="utf-8"))
            mark = Mark(**values["mark"]) if values["mark"] else None
            crops = Crops.from_json(values["crops"]["boxes"])
            state = State(**(values | {"mark": mark, "crops": crops}))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        complete = all(self._path(i).exists() for i in range(self._count(state)))
        return state if complete else None

    def save(self, state: State) -> None:
        """Write down how far the video is."""
        write_text(self._state_file, json.dumps(asdict(state)))

    def writer(self, state: State, size: int, fps: float) -> FrameWriter:
        """Return the writer of the piece after the complete ones."""
        return FrameWriter(self._path(self._count(state)), size, size, fps)

    def frames(self, state: State) -> Iterator[tuple[np.ndarray, bool]]:
        """Yield each frame, uint8 [size,size,3], and whether the times jump after it.

        Raises:
            DataError: a piece is damaged; it is forgotten, so that the next call makes it again.
        """
        breaks, number = set(state.breaks), 0
        for i in range(self._count(state)):
            for frame in self._read(self._path(i)):
                yield frame, number in breaks
                number += 1

    def _read(self, path: Path) -> Iterator[np.ndarray]:
        try:
            file = FrameFile(path)
            for start in range(0, len(file), _BATCH_FRAMES):
                yield from file.frames(start, min(_BATCH_FRAMES, len(file) - start))
        except (DataError, MissingFileError) as error:
            self._state_file.unlink(missing_ok=True)
            raise DataError(
                f"{error} It was left by an interrupted ingest: run the command again."
            ) from error
        file.close()

    def _count(self, state: State) -> int:
        return -(-state.num_frames // state.piece_frames)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.h5"
