"""Play without a window: a script of keys in, a clip out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from tinyworlds.keys import KeyEvent
from tinyworlds.play.pacing import play_through
from tinyworlds.play.panels import side_by_side
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

    Where anything was seen beside the dream, both are in the clip. `scale` enlarges single pictures.

    Raises:
        ConfigError: the path ends in nothing that clips end in.
        VideoError: no codec could write it.
        StorageError: the disk is full or the path cannot be written.
    """
    from tinyworlds.media.video import save_clip

    if all(frame.truth is None for frame in frames):
        return save_clip(path, np.stack([frame.image for frame in frames]), fps, scale)
    return save_clip(path, np.stack([_pair(frame) for frame in frames]), fps, 1)


def _pair(frame: PlayFrame) -> np.ndarray:
    """What a window shows of a frame that something is seen beside."""
    label = frame.label or "dream"
    text = f"{label}: {frame.action_name}" if frame.action_name else label
    if frame.sure is not None:
        text += "   making it up" if frame.made_up else f"   sure {100 * frame.sure:.0f} %"
    return side_by_side([frame.image, frame.truth], [text, "" if frame.truth is None else frame.truth_label])
