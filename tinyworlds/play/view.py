"""What a session, its world and its views know of each other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tinyworlds.keys import KeyBinding, KeyEvent

UNUSUAL = 0.05
"""What a world is less sure of than of all but this share of true seconds, it makes up."""

WHAT_FOLLOWED = "what really followed"
"""What is said of the true frames of a start clip."""


class PlayableWorld(Protocol):
    """What a session needs of a world; `tinyworlds.World` is one.

    Optional, and missed only by the keys that need them: ``state()`` and ``restore(state)`` (rewind, fork),
    ``reset_near(image)`` (back to a real frame), ``truth`` (the frames that followed the start frame in its
    own clip, uint8 [n, H, W, 3]). ``notes`` are lines that a player should read, ``sureness`` and
    ``usual_sureness`` say how sure it is of what it draws, ``choose()`` is the action of an agent that lives
    in it, ``said`` what there is to say of the last step, if anything. Where a real game runs beside it,
    ``beside`` is that game's picture now, uint8 [H, W, 3].
    """

    @property
    def num_actions(self) -> int:
        """How many actions there are; ids are 0 ... num_actions - 1."""

    @property
    def fps(self) -> float:
        """Frames per second."""

    @property
    def key_map(self) -> dict[str, int]:
        """Key name to action id."""

    @property
    def action_names(self) -> tuple[str, ...]:
        """A name for every action id."""

    @property
    def idle_action(self) -> int:
        """The action taken while no key is pressed."""

    @property
    def game(self) -> str:
        """Short name of the title."""

    def reset(self, *, seed: int | None = None) -> np.ndarray:
        """Start anew; return the first frame, uint8 [H, W, 3]."""

    def step(self, action_id: int) -> np.ndarray:
        """Take an action; return the next frame, uint8 [H, W, 3]."""


@dataclass(frozen=True)
class PlayFrame:
    """One frame for a view: the picture and what is said about it."""

    image: np.ndarray  # uint8 [H, W, 3], RGB
    number: int  # frames since the last reset; 0 is the start frame
    action: int | None  # the action that led here, None at a start frame
    action_name: str
    fps: float  # frames per second reached lately
    paused: bool
    recording: bool
    message: str
    truth: np.ndarray | None = None  # uint8 [H, W, 3], seen beside it; None when unknown or not wanted
    help: bool = False  # whether the player asked what the keys do
    latency_ms: float | None = None  # from a key to the frame that shows it, lately
    dropped: int = 0  # frames that came too late, so far
    num_steps: int | None = None  # decoding steps a frame
    pressed_at: float | None = None  # when the oldest key that acts in this frame was pressed
    label: str = ""  # what the picture is, where it might be another
    truth_label: str = WHAT_FOLLOWED
    sure: float | None = (
        None  # share of true seconds of which the world was less sure, 0 to 1; None if unknown
    )

    @property
    def made_up(self) -> bool:
        """Whether the world is so unsure of this that it makes it up."""
        return self.sure is not None and self.sure < UNUSUAL


Event = KeyEvent | KeyBinding


class View(Protocol):
    """Where keys come from and frames go to."""

    def poll(self) -> Iterable[Event]:
        """Return the events since the last call."""

    def show(self, frame: PlayFrame) -> None:
        """Show a frame."""

    def wait(self, seconds: float) -> None:
        """Let `seconds` pass (0: do not wait) while the view stays responsive."""
