"""A real frame rate: the world computes in a thread of its own while the view goes on to take keys."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from tinyworlds.play.session import Session
from tinyworlds.play.view import View

_LOOK_S = 0.004  # how often the view is looked after while a frame is computed
_AWAY_S = 0.3  # a look that takes so long: the player was in a menu of the view


def play(session: Session, view: View) -> None:
    """Run a session until the player quits, at its rate, or as fast as the world goes where that is slower.

    A frame is computed when it is due, with the keys pressed until then, and shown as soon as it is ready.
    Frames that should have been shown by now and were not count as dropped; nothing hurries to catch up.
    While the view asks the player something, the world stands still and nothing counts.
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
                    began += _look(session, view)
                frame = coming.result()
                view.show(frame)
                shown += 1
                session.pace.shown(frame.pressed_at)
                late = int((time.perf_counter() - began) * session.fps) - shown
                session.pace.dropped = max(session.pace.dropped, late)
                view.wait(max(due - time.perf_counter(), 0))
                began += _look(session, view)
    finally:
        session.close()


def _look(session: Session, view: View) -> float:
    """Hand the view's events to the session; return the seconds in which the player was away in a menu."""
    asked = time.perf_counter()
    session.handle(view.poll())
    gone = time.perf_counter() - asked
    if gone < _AWAY_S:
        return 0.0
    session.pace.rested()
    return gone


def play_through(session: Session, view: View) -> None:
    """Run a session as fast as it goes: a tick, a frame shown, and one look at the keys, in turn."""
    try:
        while session.running:
            view.show(session.tick())
            session.handle(view.poll())
    finally:
        session.close()
