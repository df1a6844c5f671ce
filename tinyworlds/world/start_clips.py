"""The clips of true frames that a world starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tinyworlds.errors import DataError

Window = tuple[np.ndarray, np.ndarray | None]
"""Frames uint8 [n, T, H, W, 3] and, where they are known, the actions between them, int64 [n, T-1]."""


def _no_frames() -> np.ndarray:
    return np.zeros((0, 1, 1, 1, 3), np.uint8)


@dataclass(frozen=True)
class StartClips:
    """Clips of equal length; false where there are none.

    Args:
        frames: uint8 [n, T, H, W, 3].
        actions: the action ids between their frames, int64 [n, T-1]; None where they are not known.

    Raises:
        DataError: the arrays have other shapes or types.
    """

    frames: np.ndarray = field(default_factory=_no_frames)
    actions: np.ndarray | None = None

    def __post_init__(self) -> None:
        frames, actions = self.frames, self.actions
        if frames.dtype != np.uint8 or frames.ndim != 5:
            raise DataError(
                "start clips are uint8 [clips, frames, height, width, channels];"
                f" got {frames.dtype} {list(frames.shape)}"
            )
        if actions is None:
            return
        between = [frames.shape[0], frames.shape[1] - 1]
        if list(actions.shape) != between or not np.issubdtype(actions.dtype, np.integer):
            raise DataError(
                f"the actions between the start clips' frames are integers {between};"
                f" got {actions.dtype} {list(actions.shape)}"
            )

    def __len__(self) -> int:
        return len(self.frames)

    def __repr__(self) -> str:
        count, length, height, width = self.frames.shape[:4]
        known = "without actions" if self.actions is None else "with their actions"
        size = f"{length} frames, {width} x {height}"
        return f"{count} StartClips of {size}, {known}" if count else "no StartClips"

    def __getitem__(self, chosen: slice | Sequence[int] | np.ndarray) -> StartClips:
        """Some of the clips."""
        return StartClips(self.frames[chosen], None if self.actions is None else self.actions[chosen])

    def some(self) -> StartClips:
        """These clips, where there are any.

        Raises:
            DataError: there are none.
        """
        if not self:
            raise DataError(
                "this world stores no start clips: play it with `--start PICTURE_OR_CLIP`, put some in with"
                " `tinyworlds convert IN OUT.world --data GAMEPLAY.h5`, or give frames to reset(), uint8"
                " [T, H, W, 3]"
            )
        return self

    def spread(self, count: int) -> StartClips:
        """Up to `count` of the clips, evenly spread over all."""
        return self[np.unique(np.linspace(0, len(self) - 1, count).astype(int))]

    def window(self, length: int, place: int = 0) -> Window:
        """`length` frames of each clip from `place` on (fewer where the clips end), and their actions."""
        frames = self.frames[:, place : place + length]
        last = place + frames.shape[1] - 1
        return frames, None if self.actions is None else self.actions[:, place:last]

    def draw(self, chance: np.random.Generator, count: int) -> StartClips:
        """Clips drawn with replacement."""
        return self[chance.integers(len(self), size=count)]

    def most_like(self, image: np.ndarray, length: int) -> tuple[int, int]:
        """The clip, and the place in it, of the window of `length` frames whose last is most like an image.

        Args:
            image: uint8 [H, W, 3].
            length: frames of the window; the clips have as many.
        """
        last = self.frames[:, length - 1 :].astype(np.int16)  # [n, places, H, W, 3]
        distance = np.abs(last - image.astype(np.int16)).mean(axis=(2, 3, 4))
        clip, place = np.unravel_index(distance.argmin(), distance.shape)
        return int(clip), int(place)


def check_start(frames: np.ndarray, frame_shape: tuple[int, int, int], many: bool = False) -> None:
    """Raise DataError unless a world with frames [H, W, C] can start from ``[T, H, W, C]``, or N of these."""
    shape, dtype = np.shape(frames), getattr(frames, "dtype", type(frames).__name__)
    clip = shape[1:] if many else shape
    if dtype != np.uint8 or len(clip) != 4 or min(shape[: 1 + many]) < 1 or clip[1:] != frame_shape:
        height, width, channels = frame_shape
        raise DataError(
            f"this world starts from uint8 frames {'[N, T' if many else '[T'}, {height}, {width},"
            f" {channels}]; got {dtype} {list(shape)}: resize or convert them"
        )
