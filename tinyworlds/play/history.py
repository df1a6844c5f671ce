"""What a session can go back to: the last seconds of play, frame by frame."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Moment:
    """A frame of play and all that is needed to go on from it.

    Attributes:
        image: uint8 [H, W, 3].
        number: frames since the last reset.
        action: the action that led here; None at a start frame.
        state: what the session needs to go on from here; None in a world that cannot go back.
        truth: what is seen beside it, uint8 [H, W, 3]: the true frame at this place of the start clip, or the
            picture of a real game; None where there is none.
        sureness: how sure the world was of it, see `tinyworlds.world.sureness`; None where that is not known.
    """

    image: np.ndarray
    number: int
    action: int | None
    state: Any = None
    truth: np.ndarray | None = None
    sureness: float | None = None


class History:
    """The moments before the present one, as many as are kept.

    Args:
        limit: how many; the oldest are forgotten.
    """

    def __init__(self, limit: int) -> None:
        self._moments: deque[Moment] = deque(maxlen=max(limit, 1))

    def __len__(self) -> int:
        return len(self._moments)

    def push(self, moment: Moment) -> None:
        """Keep a moment that is now past."""
        self._moments.append(moment)

    def pop(self) -> Moment | None:
        """Take the latest moment back; None where there is none."""
        return self._moments.pop() if self._moments else None

    def latest(self, count: int) -> list[Moment]:
        """The latest moments, at most `count`, the last of them last."""
        return [*islice(reversed(self._moments), count)][::-1]

    def clear(self) -> None:
        """Forget everything."""
        self._moments.clear()
