"""A world without networks, quick enough to test sessions: frames say which action led to them."""

from __future__ import annotations

import numpy as np


class FakeWorld:
    """Frames are [16, 16, 3]; pixel (0, 0) holds (start, number of the frame, action + 1)."""

    def __init__(self, num_actions: int = 4, fps: float = 200.0) -> None:
        self.num_actions, self.fps = num_actions, fps
        self.key_map = {"left": 1, "right": 2, "space": 3}
        self.action_names = ("noop", "left", "right", "shoot")[:num_actions]
        self.idle_action, self.game = 0, "fake"
        self.notes = ["nothing found for duck"]
        self.device, self.frame_shape = "cpu", (16, 16, 3)
        self.taken: list[int] = []
        self._rng = np.random.default_rng()
        self.truth = np.stack([np.full((16, 16, 3), number, np.uint8) for number in range(3)])

    def reset(self, *, seed: int | None = None) -> np.ndarray:
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        self.start, self.number = int(self._rng.integers(256)), 0
        return self._frame(0)

    def step(self, action_id: int) -> np.ndarray:
        self.taken.append(action_id)
        self.number += 1
        return self._frame(action_id + 1)

    def state(self):
        return self.start, self.number, self._rng.bit_generator.state

    def restore(self, state) -> None:
        self.start, self.number, self._rng.bit_generator.state = state

    def reset_near(self, image: np.ndarray) -> np.ndarray:
        self.start, self.number = int(image[0, 0, 0]), 0
        return self._frame(0)

    def _frame(self, action: int) -> np.ndarray:
        frame = np.full((16, 16, 3), 90, np.uint8)
        column = min(self.number, 15)
        frame[4 + 2 * action, column] = (250, 200, 40)
        frame[0, 0] = (self.start, self.number % 256, action)
        return frame
