"""A real frame rate: the world computes in a thread of its own while the view goes on to take keys."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinyworlds.play.session import Session
    from tinyworlds.play.view import View

_LOOK_S = 0.004  # how often the view is looked after while a frame is computed
_KEPT = 600  # latencies that are remembered


class Pace:
    """How a session keeps up: frames a second, frames that came too late, and how soon keys act.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.dropped = 0
        self.latencies: deque[float] = deque(maxlen=_KEPT)  # seconds from a key to its frame, latest last
        self._clock = clock
        self._ticks: deque[float] = deque(maxlen=30)

    def ticked(self) -> None:
        """Note that a frame is done."""
        self._ticks.append(self._clock())

    def shown(self, pressed_at: float | None) -> None:
        """Note that a frame is in sight in which a key acts that was pressed then."""
        if pressed_at is not None:
            self.latencies.append(self._clock() - pressed_at)

    @property
    def fps(self) -> float:
        """Frames per second reached lately."""
        span = self._ticks[-1] - self._ticks[0] if self._ticks else 0.0
        return (len(self._ticks) - 1) / span if span > 0 else 0.0

    def summary(self) -> str:
        """What a session amounted to, in a line."""
        said = f"{self.fps:.1f} frames/s, {self.dropped} dropped"
        if not self.latencies:
            return said
        ordered = sorted(self.latencies)
        worst = ordered[min(int(0.95 * len(ordered)), len(ordered) - 1)]
        median = statistics.median(ordered)
        return f"{said}; key to frame {1000 * median:.0f} ms (95 %: {1000 * worst:.0f} ms)"

    @property
    def latency_ms(self) -> float | None:
        """Median of the last keys, in milliseconds."""
        latest = list(self.latencies)[-10:]
        return 1000 * statistics.median(latest) if latest else None


def play(session: Session, view: View) -> None:
    """Run a session until the player quits, at its rate, or as fast as the world goes where that is slower.

    A frame is computed when it is due, with the keys pressed until then, and shown as soon as it is ready.
    Frames that should have been shown by now and were not count as dropped; nothing hurries to catch up.
    """
    try:
        with ThreadPoolExecutor(1, thread_name_prefix="world") as worker:
            began, shown = time.perf_counter(), 0
            due = began
            while session.running:
                due = max(due + 1 / session.fps, time.perf_counter())  # of the next frame
                coming = worker.submit(session.tick)
                while not coming.done():
                    view.wait(_LOOK_S)
                    session.handle(view.poll())
                frame = coming.result()
                view.show(frame)
                shown += 1
                session.pace.shown(frame.pressed_at)
                late = int((time.perf_counter() - began) * session.fps) - shown
                session.pace.dropped = max(session.pace.dropped, late)
                view.wait(max(due - time.perf_counter(), 0))
                session.handle(view.poll())
    finally:
        session.close()


def play_through(session: Session, view: View) -> None:
    """Run a session as fast as it goes: a tick, a frame shown, and one look at the keys, in turn."""
    try:
        while session.running:
            view.show(session.tick())
            session.handle(view.poll())
    finally:
        session.close()
