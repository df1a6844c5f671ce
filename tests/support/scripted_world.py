"""A world that is drawn: a square, a ball that nobody steers, a background; actions do what a script says.

It has the methods and attributes of `World` that finding out about actions needs.
"""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np

from tinyworlds.models.maskgit import Sampling
from tinyworlds.world.start_clips import StartClips

SIZE = 48
# What an action may do: move the square (right, down), the view (right, down), zoom, brighten, cut.
IDLE = {}
LEFT, RIGHT = {"square": (-3, 0)}, {"square": (3, 0)}
UP, DOWN = {"square": (0, -3)}, {"square": (0, 3)}
UP_LEFT = {"square": (-3, -3)}
TURN_LEFT, TURN_RIGHT, LOOK_UP = {"view": (-3, 0)}, {"view": (3, 0)}, {"view": (0, -3)}
FORWARD, BACK = {"zoom": 1.06}, {"zoom": 1 / 1.06}
FLASH, CUT = {"bright": 60}, {"cut": True}


class ScriptedWorld:
    """Actions by number; `num_starts` moments to start from, told apart by the pixel in the corner."""

    def __init__(self, *script: dict, num_starts: int = 8, scroll: tuple[int, int] = (0, 0)) -> None:
        self.script, self.scroll, self.num_actions = script, scroll, len(script)
        self.info = SimpleNamespace(actions="latent", provenance={})
        self.game, self.fps, self.frame_size, self.frame_shape = "drawn", 15.0, SIZE, (SIZE, SIZE, 3)
        self.key_map, self.idle_action = {}, 0
        self.action_names = tuple(f"action {i}" for i in range(len(script)))
        self.sampling, self.latent_actions = Sampling(temperature=1.0), None
        self.temperatures = set()
        noise = np.random.default_rng(0).integers(0, 256, (160, 160, 3), dtype=np.uint8)
        self._ground = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2.5), None, 20, 150, cv2.NORM_MINMAX)
        starts = [self._draw(self._begin(i))[None] for i in range(num_starts)]
        self.start_clips = StartClips(np.stack(starts), np.zeros((num_starts, 0), np.int64))

    def reset_many(self, start, action_ids=None, seed=None):
        self._states = [self._begin(int(clip[-1, 0, 0, 0])) for clip in start]
        return np.stack([self._draw(state) for state in self._states])

    def step_many(self, action_ids):
        self.temperatures.add(self.sampling.temperature)
        for state, action in zip(self._states, action_ids, strict=True):
            does = self.script[action]
            state["square"] = state["square"] + does.get("square", (0, 0))
            state["view"] = state["view"] + does.get("view", (0, 0)) + self.scroll
            state["ball"] = state["ball"] + state["way"]
            state["zoom"] *= does.get("zoom", 1.0)
            state["bright"] = does.get("bright", 0)
            state["cut"] = state["cut"] + does.get("cut", False) * state["way"] * 23
        return np.stack([self._draw(state) for state in self._states])

    def _begin(self, start: int) -> dict:
        random = np.random.default_rng(start)
        return {
            "start": start, "zoom": 1.0, "bright": 0, "cut": np.zeros(2, int),
            "square": random.integers(18, 26, 2), "view": random.integers(40, 60, 2),
            "ball": random.integers(8, 40, 2), "way": random.choice((-2, -1, 1, 2), 2),
        }  # fmt: skip

    def _draw(self, state: dict) -> np.ndarray:
        right, down = state["view"] + state["cut"]
        ground = np.roll(self._ground, (-int(down), -int(right)), axis=(0, 1))[:SIZE, :SIZE]
        turn = cv2.getRotationMatrix2D(((SIZE - 1) / 2,) * 2, 0, state["zoom"])
        frame = cv2.warpAffine(ground, turn, (SIZE, SIZE), borderMode=cv2.BORDER_REFLECT)
        for (x, y), side, colour in (
            (state["square"], 6, (250, 220, 40)),
            (state["ball"], 3, (255, 255, 255)),
        ):
            x, y = int(x), int(y)
            frame[max(y, 0) : max(y + side, 0), max(x, 0) : max(x + side, 0)] = colour
        frame = np.clip(frame.astype(int) + state["bright"], 0, 255).astype(np.uint8)
        frame[0, 0] = state["start"]
        return frame
