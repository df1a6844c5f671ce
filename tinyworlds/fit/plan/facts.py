"""What a plan rests on: facts of the recording, and seconds that things take on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

Words = Mapping[str, Sequence[str]]
"""For each stage, the words after ``tinyworlds fit``."""


@dataclass(frozen=True)
class Facts:
    """What a recording and a machine are.

    Attributes:
        frame_size: height and width of the frames in pixels.
        num_frames: frames at the rate that is trained at, held-out ones included.
        num_labels: recorded true actions to choose among; 0 where not every frame has one.
        startup_s: seconds from the start of a process until it can train.
        fast_bf16: whether it is a CPU with matrix units, which are made for bfloat16.
    """

    frame_size: int
    num_frames: int
    num_labels: int
    startup_s: float
    fast_bf16: bool


@dataclass(frozen=True)
class Pace:
    """How fast one stage goes.

    Attributes:
        updates: how many its settings ask for; -1 for no end.
        update_s: seconds of one.
        clips: of an update.
        num_frames: of a clip.
        encode_s: seconds to make codes of a frame; 0 for stages that make none.
        size: the network in words.
    """

    updates: int
    update_s: float
    clips: int
    num_frames: int
    encode_s: float
    size: str


class Machine(Protocol):
    """Answers questions about the recording and this machine; each takes some seconds."""

    def facts(self, words: Words) -> Facts:
        """Return the facts of what `words` would be trained on, and where."""

    def pace(self, words: Words, stage: str) -> Pace:
        """Return how fast a stage goes with the settings in `words`."""
