"""Who plays while we record: policies that need no knowledge of the game."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from tinyworlds.errors import ConfigError, did_you_mean

POLICIES = ("sticky", "random")


class Policy(Protocol):
    """Chooses the next action id from the current frame, uint8 [H,W,3]."""

    def __call__(self, frame: np.ndarray) -> int: ...  # noqa: D102


class StickyPolicy:
    """Holds each action for a random number of frames, as a hand on a keyboard does.

    A fresh random action every frame averages out: the player trembles on the spot and the recording shows a
    small corner of the game. Lengths are geometric with mean `hold`, actions uniform.

    Args:
        num_actions: action ids are 0 ... `num_actions` - 1.
        hold: mean number of frames an action is held, at least 1 (1: a fresh action every frame).
        seed: of the random numbers.
    """

    def __init__(self, num_actions: int, hold: float = 4.0, seed: int = 0) -> None:
        if hold < 1:
            raise ConfigError(f"hold is {hold}; an action is held for at least 1 frame.")
        self.num_actions = num_actions
        self.hold = hold
        self._random = np.random.default_rng(seed)
        self._action = 0
        self._frames_left = 0

    def __call__(self, frame: np.ndarray) -> int:
        """Return the action for this frame; the frame itself is not looked at."""
        if self._frames_left == 0:
            self._action = int(self._random.integers(self.num_actions))
            self._frames_left = int(self._random.geometric(1 / self.hold))
        self._frames_left -= 1
        return self._action


def make_policy(name: str, num_actions: int, hold: float, seed: int) -> Policy:
    """Return the policy called `name` ("sticky" or "random").

    Raises:
        ConfigError: no policy has that name.
    """
    if name not in POLICIES:
        raise ConfigError(
            f"Unknown policy '{name}'; known: {', '.join(POLICIES)}.{did_you_mean(name, POLICIES)}"
        )
    return StickyPolicy(num_actions, hold if name == "sticky" else 1.0, seed)
