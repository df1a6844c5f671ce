"""Gymnasium's CarRacing as a person plays it: five keys, no opening flight, drawn when somebody looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import gymnasium as gym
import numpy as np

from tinyworlds.sources.record.making import make, one_line

_NAMES = ["noop", "right", "left", "gas", "brake"]  # the order of CarRacing's own discrete actions
_OPENING_STEPS = 50  # for the first second the camera flies down to the car


def is_car_racing(env_id: str, settings: Mapping[str, Any]) -> bool:
    """Whether an id is CarRacing with keys; with ``continuous=true`` it is one environment among others."""
    return env_id.startswith("CarRacing-") and not settings.get("continuous", False)


class CarRacing(gym.Env):
    """CarRacing with its five discrete actions; every episode is a track of its own.

    The picture is the one made for agents, uint8 [96,96,3]: the bar below shows speed and steering. Drawing
    costs far more than driving, so the steps that `frame_skip` leaves out are not drawn.

    Args:
        env_id: such as ``CarRacing-v3``.
        frame_skip: steps of the game, 50 a second, for each action.
        settings: of the environment's own.

    Raises:
        MissingExtraError: Box2D is not installed.
        ConfigError: a setting is unknown.
    """

    metadata = {"render_fps": 50}  # noqa: RUF012

    def __init__(self, env_id: str, frame_skip: int, settings: Mapping[str, Any]) -> None:
        self._env_id, self._skip = env_id, frame_skip
        self._game = make(env_id, {**settings, "continuous": False})
        self._inner = cast(Any, self._game.unwrapped)
        self._draw = self._inner._render
        self.action_space, self.observation_space = self._game.action_space, self._game.observation_space

    def get_action_meanings(self) -> list[str]:
        """Return the name of each action."""
        return _NAMES

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict]:
        """Start on another track, the camera at the car."""
        with one_line(self._env_id, "reset()"):
            self._game.reset(seed=seed, options=options)
        return self._advance(0, _OPENING_STEPS)[0], {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict]:
        """Hold one key for `frame_skip` steps."""
        return self._advance(int(action), self._skip)

    def close(self) -> None:
        """End the game."""
        self._game.close()

    def _advance(self, action: int, count: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        total, ended, stopped = 0.0, False, False
        self._inner._render = lambda mode: None
        for _ in range(count):
            _, reward, ended, stopped, _ = self._game.step(action)
            total += float(reward)
            if ended or stopped:
                break
        self._inner._render = self._draw
        return self._draw("state_pixels"), total, ended, stopped, {}
