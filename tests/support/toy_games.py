"""Toy environments that draw what was done to them; importing this module registers them."""

import os
import time

import gymnasium as gym
import numpy as np


class CountingEnv(gym.Env):
    """Shows its steps (red), the last action (green) and the episode (blue); ends after 7 steps."""

    observation_space = gym.spaces.Box(0, 255, (32, 24, 3), np.uint8)
    metadata = {"render_fps": 24, "render_modes": []}  # noqa: RUF012

    def __init__(self, actions=None):
        self.action_space = actions or gym.spaces.Discrete(5)
        self.episode = -1

    def _see(self, action):
        frame = np.zeros((32, 24, 3), np.uint8)
        frame[:] = (self.steps, action, self.episode % 256)
        return frame

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps, self.episode = 0, self.episode + 1
        return self._see(99), {}

    def step(self, action):
        self.steps += 1
        return self._see(int(action)), float(self.steps), False, self.steps >= 7, {}


class WanderingEnv(CountingEnv):
    """Its episodes end at random, by its own seed; blue is a random number kept through an episode."""

    pause_s = 0.0

    def get_action_meanings(self):
        return ["noop", "left", "right", "fire", "leftfire"]

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode = int(self.np_random.integers(256))
        return self._see(99), {}

    def step(self, action):
        time.sleep(self.pause_s)
        self.steps = (self.steps + 1) % 250
        return self._see(int(action)), float(self.steps), bool(self.np_random.random() < 0.02), False, {}


class SlowEnv(WanderingEnv):
    """Half a millisecond a step, now and then much more."""

    def step(self, action):
        self.pause_s = 0.0005 if np.random.default_rng().random() < 0.99 else 0.02
        return super().step(action)


class CrashingEnv(WanderingEnv):
    """Ends its process, or raises, at step 100 of a process's play."""

    count = 0

    def step(self, action):
        self.count += 1
        if self.count == 100:
            if os.environ.get("TOY_CRASH") == "exit":
                os._exit(7)
            raise RuntimeError("the game broke")
        return super().step(action)


def first_pixel(frame):
    """An agent: the red value of the frame, as an action."""
    return int(frame[0, 0, 0]) % 5


def from_observation(frame, observation):
    """An agent that looks at what the game itself shows."""
    assert frame.shape == (8, 8, 3)
    assert observation.shape == (32, 24, 3)
    return int(observation[0, 0, 0]) % 5


def half_an_action(frame):
    """An agent that returns nonsense."""
    return 0.5


for _name, _game in {
    "TinyCounting-v0": CountingEnv,
    "TinyWandering-v0": WanderingEnv,
    "TinySlow-v0": SlowEnv,
    "TinyCrashing-v0": CrashingEnv,
}.items():
    gym.register(_name, _game)
