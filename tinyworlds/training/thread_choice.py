"""How many threads train fastest on cores that others may use, too; found by trying, now and then.

Threads of one update wait for each other hundreds of times. Beside busy processes the one that is waited for
does not get its core, and two threads on two cores can be slower than one. What others do changes, so the
choice is looked at again while training runs.

Where nobody waits for a core and no update takes longer than before, nothing is tried: a training that is
alone on its machine runs with all threads throughout, and is the same bit by bit.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from statistics import median

from tinyworlds.system.cores import seconds_waited

CROWDED = 0.1
"""Share of the time for which a thread waits for its core from which others are taken to be busy."""

_FASTER = 0.95  # what is tried must take at most this share of the usual time
_HOPELESS = 1.4  # one update that takes so many times as long ends a try
_CHANGED = 1.33  # updates that become so many times slower or faster, with the same threads
_TRIED_S, _TRIED_UPDATES = 0.3, 2  # a try lasts at least so long
_SOON_S, _LATE_S = 5.0, 60.0  # until the next try; doubled each time that one changes nothing
_LOOK_S = 0.5
_LONG_S = 1.0  # one update of that length is as good as two


class ThreadChoice:
    """Set `num_threads`, run an update, tell `note` what it took, and so on.

    Args:
        most: threads that there may be.
        waited: seconds that threads have waited for a core so far, or None.
        clock: seconds.
    """

    def __init__(
        self,
        most: int,
        waited: Callable[[], float | None] = seconds_waited,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most = most
        self._waited, self._clock = waited, clock
        self._settled = most
        self._recent: deque[float] = deque(maxlen=8)  # seconds of updates with the settled number
        self._usual: float | None = None  # their median when it was last compared
        self._tried: int | None = None
        self._seconds: list[float] = []  # of updates with the number that is tried
        self._upwards = False
        self._pause, self._due = _SOON_S, 0.0
        self._looked = (clock(), waited())
        self._is_crowded = False
        self._is_first = True

    @property
    def num_threads(self) -> int:
        """For the next update."""
        return self._tried or self._settled

    def note(self, seconds: float) -> None:
        """Take note of what an update took with `num_threads`."""
        if self._is_first:  # it makes threads and fills caches
            self._is_first = False
        elif self._tried is not None:
            self._seconds.append(seconds)
            if self._has_enough():
                self._judge()
        elif self.most > 1:
            self._recent.append(seconds)
            self._look()
            enough = len(self._recent) > 1 or seconds > _LONG_S
            if enough and self._wants_try():
                self._begin()

    # ---- settled

    def _look(self) -> None:
        """See how long threads have waited since the last look."""
        (then, before), now = self._looked, self._clock()
        if now - then < _LOOK_S:
            return
        waited = self._waited()
        if waited is not None and before is not None:
            self._is_crowded = waited - before > CROWDED * self._settled * (now - then)
        self._looked = (now, waited)

    def _wants_try(self) -> bool:
        usual = median(self._recent)
        change = 1.0 if self._usual is None else usual / self._usual
        if self._usual is None:
            self._usual = usual
        if not 1 / _CHANGED < change < _CHANGED:
            self._usual, self._pause, self._due = usual, _SOON_S, 0.0
        if self._settled == self.most and not self._is_crowded and change < _CHANGED:
            return False
        return self._clock() >= self._due

    def _begin(self) -> None:
        # halves and doubles: six tries reach one thread from 64
        self._upwards = self._settled == 1 or (self._upwards and self._settled < self.most)
        self._tried = min(2 * self._settled, self.most) if self._upwards else math.ceil(self._settled / 2)
        self._seconds = []

    # ---- trying

    def _has_enough(self) -> bool:
        hopeless = max(self._seconds) > _HOPELESS * median(self._recent)
        enough = len(self._seconds) >= _TRIED_UPDATES and sum(self._seconds) >= _TRIED_S
        return enough or hopeless

    def _judge(self) -> None:
        assert self._tried is not None
        now = self._clock()
        if median(self._seconds) < _FASTER * median(self._recent):
            self._settled = self._tried
            self._recent = deque(self._seconds, self._recent.maxlen)
            self._pause, self._due = _SOON_S, now  # further the same way, if there is one
            if self._settled in (1, self.most):
                self._due = now + self._pause
        else:
            self._due, self._pause = now + self._pause, min(2 * self._pause, _LATE_S)
            self._upwards = not self._upwards
        self._usual, self._tried = median(self._recent), None
        self._looked = (now, self._waited())
