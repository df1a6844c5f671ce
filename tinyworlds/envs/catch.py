"""Catch: a ball falls, a paddle catches it. The smallest game that needs eyes and foresight.

The task is that of bsuite's "catch" (https://github.com/google-deepmind/bsuite), drawn as a picture.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

CELLS, CELL_PX = 8, 2
_MOVES = (0, -1, 1)


class Catch(gym.Env[np.ndarray, np.int64]):
    """A ball falls one cell a step; the paddle in the lowest row goes left, right, or stays.

    Observations are uint8 ``[16, 16, 1]``, actions 0 noop, 1 left, 2 right. The only reward is 1 for a ball
    that is caught and -1 for one that is missed, after seven moves. Whoever plays at random earns about
    -0.75, whoever plays well 1.
    """

    metadata = {  # noqa: RUF012
        "render_modes": ["rgb_array"],
        "render_fps": 8,
    }

    def __init__(self, render_mode: str | None = None) -> None:
        side = CELLS * CELL_PX
        self.observation_space = gym.spaces.Box(0, 255, (side, side, 1), np.uint8)
        self.action_space = gym.spaces.Discrete(len(_MOVES))
        self.render_mode = render_mode
        self._ball, self._row, self._paddle = 0, 0, CELLS // 2

    def get_action_meanings(self) -> list[str]:
        """Names of the actions."""
        return ["noop", "left", "right"]

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict]:
        """Drop a ball."""
        super().reset(seed=seed)
        self._ball, self._row = int(self.np_random.integers(CELLS)), 0
        self._paddle = CELLS // 2
        return self._picture(), {}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict]:
        """Move the paddle, and let the ball fall."""
        self._paddle = min(max(self._paddle + _MOVES[int(action)], 0), CELLS - 1)
        self._row += 1
        over = self._row == CELLS - 1
        reward = (1.0 if self._ball == self._paddle else -1.0) if over else 0.0
        return self._picture(), reward, over, False, {}

    def render(self) -> np.ndarray:
        """The picture in colour, uint8 ``[16, 16, 3]``."""
        return self._picture().repeat(3, axis=-1)

    def _picture(self) -> np.ndarray:
        cells = np.zeros((CELLS, CELLS), np.uint8)
        cells[CELLS - 1, self._paddle] = 160
        cells[self._row, self._ball] = 255
        return np.kron(cells, np.ones((CELL_PX, CELL_PX), np.uint8))[..., None]
