"""Cleaning a stream of frames: where a scene is cut, and what shows nothing new."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import cv2
import numpy as np

STILL_S = 1.0
"""Stillness that is kept: standing still is part of playing, a menu that waits is not."""

_LOOK_PX = 32
_CUT_DIFFERENCE = 20.0  # mean over pixels and channels, of 255
_CUT_COLOURS = 0.3  # share of the pixels that change between 64 groups of colours
_CUT_SHARE, _CHANGED = 0.6, 12.0  # share of the pixels that change by more: an explosion leaves the others
_CUT_RATIO = 2.5  # above the usual difference: fast motion is no cut
_USUAL_FRAMES = 10
_NEW_PIXEL = 10  # mean over channels, of 255: compression noise is below, a moving sprite above
REMEMBERED = 4
"""Different pictures that a blinking menu goes round in."""


class CutFinder:
    """Tells from each frame and those before it whether a new scene begins.

    A cut changes the picture and its colours at once, and much more than the frames before it did.
    """

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._last_colours: np.ndarray | None = None
        self._usual: deque[float] = deque(maxlen=_USUAL_FRAMES)

    def __call__(self, frame: np.ndarray) -> bool:
        """Return whether a cut lies between the last frame and this one, uint8 [H,W,3]."""
        small = frame
        if len(frame) > _LOOK_PX:
            small = cv2.resize(frame, (_LOOK_PX, _LOOK_PX), interpolation=cv2.INTER_AREA)
        look = small.astype(np.float32)
        groups = small >> 6  # [H, W, 3] -> 64 groups of colours
        index = groups[..., 0] * 16 + groups[..., 1] * 4 + groups[..., 2]
        colours = np.bincount(index.ravel(), minlength=64) / index.size
        last, last_colours = self._last, self._last_colours
        self._last, self._last_colours = look, colours
        if last is None or last_colours is None:
            return False
        changes = np.abs(look - last).mean(-1)
        difference = float(changes.mean())
        usual = float(np.median(self._usual)) if self._usual else 0.0
        self._usual.append(difference)
        return (
            difference > max(_CUT_DIFFERENCE, _CUT_RATIO * usual)
            and float((changes > _CHANGED).mean()) > _CUT_SHARE
            and float(np.abs(colours - last_colours).sum()) / 2 > _CUT_COLOURS
        )


class Stillness:
    """Tells which frames show nothing new, and for how long.

    A frame is nothing new if it looks like one of the last few different ones, so that a menu with a
    blinking line counts as still.

    Attributes:
        num_still: frames without anything new up to and with the last one; 0 if that was new.
    """

    def __init__(self) -> None:
        self._earlier: deque[np.ndarray] = deque(maxlen=REMEMBERED)
        self.num_still = 0

    def __call__(self, frame: np.ndarray) -> None:
        """Look at the next frame, uint8 [H,W,3]."""
        if any(not _differs(frame, earlier) for earlier in self._earlier):
            self.num_still += 1
        else:
            self._earlier.append(frame)
            self.num_still = 0


def _differs(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(cv2.absdiff(one, other).sum(-1, dtype=np.uint16).max() > 3 * _NEW_PIXEL)


class Cleaner:
    """Passes the frames of one video on, a little late, with the ends of episodes marked.

    Args:
        fps: frames per second.
        skip_static: leave out what shows nothing new for more than `STILL_S` seconds; an episode that is
            nothing else, such as a title screen, goes as a whole.

    Attributes:
        num_cuts: scene cuts found so far.
        num_dropped: frames left out so far.
        num_repeats: frames so far that look like the one before.
    """

    def __init__(self, fps: float, skip_static: bool) -> None:
        self._is_cut = CutFinder()
        self._stillness = Stillness() if skip_static else None
        self._allowed = max(1, round(fps * STILL_S))
        self._last: np.ndarray | None = None
        self._held: list[np.ndarray] = []
        self._num_different = 0  # pictures of this episode
        self.num_cuts = self.num_dropped = self.num_repeats = 0

    def push(self, frame: np.ndarray, broken_after: bool = False) -> Iterator[tuple[np.ndarray, bool]]:
        """Take the next frame; yield earlier ones that are ready, each with whether its episode ends there.

        Args:
            frame: uint8 [H,W,3].
            broken_after: the next one does not follow in time.
        """
        self.num_repeats += self._last is not None and not _differs(frame, self._last)
        self._last = frame
        if self._is_cut(frame):
            self.num_cuts += 1
            yield from self.finish()
        if self._is_left_out(frame):
            yield from self._leave_out()
            return
        self._held.append(frame)
        if self._is_playing():
            *ready, last = self._held
            yield from ((earlier, False) for earlier in ready)
            self._held = [last]
        if broken_after:
            yield from self.finish()

    def finish(self) -> Iterator[tuple[np.ndarray, bool]]:
        """End the episode: yield the frames that are held back."""
        held, self._held, self._num_different = self._held, [], 0
        for i, frame in enumerate(held, 1):
            yield frame, i == len(held)

    def _is_left_out(self, frame: np.ndarray) -> bool:
        if self._stillness is None:
            return False
        self._stillness(frame)
        self._num_different += self._stillness.num_still == 0
        return self._stillness.num_still > self._allowed

    def _is_playing(self) -> bool:
        """Whether the episode has shown more pictures than a blinking menu has."""
        return self._stillness is None or self._num_different > REMEMBERED

    def _leave_out(self) -> Iterator[tuple[np.ndarray, bool]]:
        """Leave a frame out, and those held back if the episode was nothing but still."""
        self.num_dropped += 1
        if not self._is_playing():
            self.num_dropped += len(self._held)
            self._held = []
        yield from self.finish()
