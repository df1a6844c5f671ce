"""A real game without an engine: the walk that `small_worlds.known_world` dreams of, and dreams rightly."""

import numpy as np
import torch
from fake_networks import GRID, FakeTokenizer, moved


class FakeGame:
    """Its actions are those of the walk, by name; an episode ends with its step of number `length`."""

    def __init__(self, names=("stay", "right", "left", "down"), moves=None, length=1000, fps=10.0):
        self.names, self.fps, self.length = tuple(names), fps, length
        self.moves = moves or range(4)  # what each action does
        self.taken, self.episodes, self.closed = [], 0, False

    def reset(self, seed):
        self.ids = torch.zeros(GRID**2, dtype=torch.int64)
        self.ids[int(np.random.default_rng(seed).integers(GRID**2))] = 3
        self.episodes, self.steps = self.episodes + 1, 0
        return self._picture()

    def step(self, action):
        self.taken.append(self.names[action])
        self.ids, self.steps = moved(self.ids, self.moves[action]), self.steps + 1
        return self._picture() if self.steps < self.length else None

    def close(self):
        self.closed = True

    def _picture(self):
        frame = FakeTokenizer().decode(self.ids).clamp(-1, 1).detach()
        return ((frame + 1) * 127.5).round().to(torch.uint8).movedim(-3, -1).numpy()
