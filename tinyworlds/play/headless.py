"""Play without a window: a script of keys in, a clip out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from tinyworlds.keys import KeyEvent
from tinyworlds.play.pacing import play_through
from tinyworlds.play.session import Session
from tinyworlds.play.view import PlayFrame


class ScriptedView:
    """A view whose player is a script: what is held in each frame (a `View` of the session).

    Args:
        script: the key or keys of every frame, None for no key (see `tinyworlds.keys.parse_script`).
    """

    def __init__(self, script: Sequence[str | None]) -> None:
        self.frames: list[PlayFrame] = []
        self._script: Iterator[str | None] = iter(script)
        self._held: list[str] = []

    def poll(self) -> Iterable[KeyEvent]:
        """Return the events of the next frame; at the end of the script the session is asked to quit."""
        keys = next(self._script, "esc")
        wanted = keys.split("+") if keys else []
        released = [KeyEvent(key, down=False) for key in self._held if key not in wanted]
        pressed = [KeyEvent(key) for key in wanted if key not in self._held]
        self._held = wanted
        return [*released, *pressed]

    def show(self, frame: PlayFrame) -> None:
        """Keep the frame."""
        self.frames.append(frame)

    def wait(self, seconds: float) -> None:
        """Nobody watches: go on at once."""


def play_script(session: Session, script: Sequence[str | None]) -> list[PlayFrame]:
    """Play a script and return the start frame and one frame for each key of the script."""
    view = ScriptedView(script)
    play_through(session, view)
    return view.frames


def write_clip(path: str | Path, frames: Sequence[PlayFrame], fps: float, scale: int) -> Path:
    """Write played frames as a clip and return the path written.

    Raises:
        ConfigError: the path ends in nothing that clips end in.
        VideoError: no codec could write it.
        StorageError: the disk is full or the path cannot be written.
    """
    from tinyworlds.media.video import save_clip

    return save_clip(path, np.stack([frame.image for frame in frames]), fps, scale)
