"""A world as a `gymnasium.Env`: what the agents and tools made for games can play too.

`tinyworlds.envs` registers worlds for `gymnasium.make`; `vector_env` plays many sessions in one batch.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec

from tinyworlds.errors import ConfigError, DataError, did_you_mean

if TYPE_CHECKING:
    from tinyworlds.world.core import WorldCore

RESET_OPTIONS = ("frames", "actions")


class WorldEnv(gymnasium.Env[np.ndarray, np.int64]):
    """A learned world behind ``reset`` and ``step``.

    Observations are frames, uint8 [H, W, 3]; actions are the world's action ids. A world that was trained
    with outcomes tells the reward that it expects, and ends an episode with the chance that it expects of
    that; of others the reward is 0, and nothing ends. After `max_steps` an episode is truncated.

    Args:
        world: the world to wrap, or anything that `World.load` takes. Of a loaded world the networks are
            shared; what is played here is not felt by other players of it.
        max_steps: steps per episode; None for no limit.
        render_mode: ``"rgb_array"`` or None.
        start_frames: true frames of the clip that an episode starts from, its first ones; None for as many
            as the world plays with.
        settings: arguments of `World.load`, for a world that is loaded here, such as ``device`` (``"auto"``
            by default) or ``num_steps``.

    Attributes:
        world: this environment's session.

    Raises:
        ConfigError: a setting is unknown or out of range.
        MissingFileError: the world is not there.
        CheckpointError: it cannot be read.
    """

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012 (gymnasium's own form)

    def __init__(
        self,
        world: WorldCore | str | os.PathLike[str],
        max_steps: int | None = None,
        render_mode: str | None = None,
        start_frames: int | None = None,
        **settings: Any,
    ) -> None:
        check_episode(max_steps, render_mode)
        if start_frames is not None and start_frames < 1:
            raise ConfigError(f"start_frames is {start_frames}; an episode starts from at least 1 frame")
        self.start_frames = start_frames
        self.world, self.max_steps, self.render_mode = session_of(world, settings), max_steps, render_mode
        self.metadata = {**self.metadata, "render_fps": self.world.fps}
        self.observation_space, self.action_space = spaces_of(self.world)
        self.spec = _spec(self.world, max_steps, render_mode, start_frames)
        self._frame: np.ndarray | None = None
        self._steps = 0

    def __repr__(self) -> str:
        limit = "" if self.max_steps is None else f", episodes of at most {self.max_steps} steps"
        return f"{type(self).__name__} of {self.world.game or 'an unnamed game'}{limit}\n  {self.world!r}"

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode.

        Args:
            seed: the same seed starts from the same clip and samples alike. Later resets without one go on
                from it, so a whole sequence of episodes repeats.
            options: ``"frames"`` to start from, uint8 [T, H, W, 3], instead of a stored clip; ``"actions"``
                between them, [T-1], are inferred when missing.

        Returns:
            The first frame, uint8 [H, W, 3], and an empty dictionary.

        Raises:
            ConfigError: an option is unknown.
            DataError: the frames do not fit, or the world stores no clips.
        """
        super().reset(seed=seed)
        frames, actions = given_start(options)
        if frames is None:
            frames, actions = drawn_start(self.world, self.np_random, self.start_frames)
        self._frame = self.world.reset(frames, actions, seed=drawn_seed(self.np_random))
        self._steps = 0
        return self._frame.copy(), {}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Take an action id.

        Raises:
            ConfigError: the world has no such action, or `reset` was not called.
        """
        self._frame = self.world.step(int(action))
        self._steps += 1
        truncated = self.max_steps is not None and self._steps >= self.max_steps
        reward, ends = outcomes_of(self.world, 1)
        over = bool(ends[0]) and bool(self.np_random.random() < ends[0])
        return self._frame.copy(), float(reward[0]), over, truncated, {}

    def get_action_meanings(self) -> list[str]:
        """Return the names of the world's actions, as gymnasium's own games do."""
        return list(self.world.action_names)

    def render(self) -> np.ndarray | None:
        """Return the current frame, uint8 [H, W, 3]; None without a render mode."""
        return self._frame.copy() if self.render_mode and self._frame is not None else None


def session_of(world: WorldCore | str | os.PathLike[str], settings: dict[str, Any]) -> WorldCore:
    """Return a session of a loaded world, or the world loaded from a path.

    Raises:
        ConfigError: settings were given for a world that is loaded already.
    """
    from tinyworlds.export.loading import open_world
    from tinyworlds.world.core import WorldCore

    if not isinstance(world, WorldCore):
        return open_world(world, **{"device": "auto", **settings})
    if settings:
        raise ConfigError(
            f"{', '.join(sorted(settings))} cannot be set on a world that is loaded already: give them to "
            "World.load, or give the path instead of the world"
        )
    return world.session()


def spaces_of(world: WorldCore) -> tuple[gymnasium.spaces.Box, gymnasium.spaces.Discrete]:
    """Return the spaces of one session's observations and actions."""
    observations = gymnasium.spaces.Box(0, 255, world.frame_shape, np.uint8)
    return observations, gymnasium.spaces.Discrete(world.num_actions)


def outcomes_of(world: WorldCore, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rewards float [N] of the last step, and the chances [N] that it ended the game."""
    if world.outcomes is None:
        return np.zeros(count), np.zeros(count)
    rewards, ends = (part.double().cpu().numpy() for part in world.outcomes)
    return rewards, ends


def check_episode(max_steps: int | None, render_mode: str | None) -> None:
    """Check what both kinds of environment are told about their episodes.

    Raises:
        ConfigError: a value is out of range.
    """
    if max_steps is not None and max_steps < 1:
        raise ConfigError(f"max_steps is {max_steps}; an episode has at least 1 step, None for no limit")
    if render_mode not in (None, "rgb_array"):
        raise ConfigError(f"render_mode is 'rgb_array' or None, not '{render_mode}'")


def given_start(
    options: dict[str, Any] | None, names: tuple[str, ...] = RESET_OPTIONS
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return the frames and actions to start from that the options of a reset name, None where they do not.

    Raises:
        ConfigError: an option is unknown, or actions come without frames.
    """
    options = options or {}
    for name in options:
        if name not in names:
            raise ConfigError(f"reset() has no option '{name}', only {names}.{did_you_mean(name, names)}")
    frames, actions = options.get("frames"), options.get("actions")
    if frames is None and actions is not None:
        raise ConfigError("reset() takes the option 'actions' only with the 'frames' that they lie between")
    return frames, actions


def drawn_start(
    world: WorldCore, chance: np.random.Generator, num_frames: int | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Draw the beginning of a stored clip: frames uint8 [T, H, W, 3] and the actions between them.

    Raises:
        DataError: the world stores no clips.
    """
    if not world.start_clips:
        raise DataError(
            "this world stores no start clips: give reset() options={'frames': uint8 [T, H, W, 3]}"
        )
    frames, actions = world.start_clips.draw(chance, 1).window(num_frames or world.context_frames)
    return frames[0], None if actions is None else actions[0]


def drawn_seed(chance: np.random.Generator) -> int:
    """Draw a seed for the sampling of one episode."""
    return int(chance.integers(2**31))


def gymnasium_name(name: str) -> str:
    """Return what `gymnasium.make` calls a world: ``TinyWorlds/`` and the name, with what it allows only."""
    return "TinyWorlds/" + re.sub(r"[^A-Za-z0-9_.-]", "_", name)


def _spec(
    world: WorldCore, max_steps: int | None, render_mode: str | None, start_frames: int | None
) -> EnvSpec:
    """Describe an environment on a loaded world, so that gymnasium's tools can make it again."""

    def another(**settings: Any) -> WorldEnv:  # a function, since gymnasium copies everything else in depth
        return WorldEnv(world, **settings)

    settings = {"max_steps": max_steps, "render_mode": render_mode, "start_frames": start_frames}
    name = gymnasium_name(world.game or "World")
    return EnvSpec(name, another, order_enforce=False, disable_env_checker=True, kwargs=settings)
