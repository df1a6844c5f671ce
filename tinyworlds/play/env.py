"""A world as a `gymnasium.Env`: what the agents and tools made for games can play too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np

if TYPE_CHECKING:
    from tinyworlds.models.world import World


class WorldEnv(gymnasium.Env[np.ndarray, np.int64]):
    """A learned world behind ``reset`` and ``step``.

    Observations are frames, uint8 [H, W, 3]; actions are the world's action ids. A world has no reward and
    no end of its own: the reward is 0, and an episode is truncated after `max_steps`.

    Args:
        world: the world to wrap; it is used, not copied.
        max_steps: steps per episode; None for no limit.
        render_mode: ``"rgb_array"`` or None.
    """

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012 (gymnasium's own form)

    def __init__(self, world: World, max_steps: int | None = None, render_mode: str | None = None) -> None:
        self.world, self.max_steps, self.render_mode = world, max_steps, render_mode
        self.metadata = {**self.metadata, "render_fps": world.fps}
        height, width = world.frame_shape[:2]
        self.observation_space = gymnasium.spaces.Box(0, 255, (height, width, 3), np.uint8)
        self.action_space = gymnasium.spaces.Discrete(world.num_actions)
        self._frame: np.ndarray | None = None
        self._steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start from a stored clip, or from ``options={"frames": uint8 [T, H, W, 3]}``."""
        super().reset(seed=seed)
        # Unseeded resets draw from the env's own generator, so a seeded episode sequence repeats as a whole.
        world_seed = int(self.np_random.integers(2**31))
        self._frame = self.world.reset(frames=(options or {}).get("frames"), seed=world_seed)
        self._steps = 0
        return self._frame, {}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Take an action id; the reward is always 0."""
        self._frame = self.world.step(int(action))
        self._steps += 1
        truncated = self.max_steps is not None and self._steps >= self.max_steps
        return self._frame, 0.0, False, truncated, {}

    def render(self) -> np.ndarray | None:
        """Return the current frame."""
        return self._frame if self.render_mode == "rgb_array" else None
