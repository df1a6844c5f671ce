"""Many sessions of one world as a `gymnasium.vector.VectorEnv`: a step is one batch through the networks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from tinyworlds.envs.world_env import (
    RESET_OPTIONS,
    check_episode,
    drawn_seed,
    drawn_start,
    given_start,
    outcomes_of,
    session_of,
    spaces_of,
)
from tinyworlds.errors import ConfigError

if TYPE_CHECKING:
    from tinyworlds.world.core import WorldCore


class WorldVectorEnv(VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """`num_envs` sessions of a world, stepped together; all begin and end their episodes together.

    Session i does what a `WorldEnv` with its seed does, up to rounding (a batch may differ by 1 of 255).
    Where codes are drawn at random (temperature above 0), the sessions draw from one source that all their
    seeds decide: the same seeds repeat the whole batch, and one session is not repeated in another batch.

    Since they end together, a world that expects ends does not end one of them: ``infos["end_chance"]`` tells
    the chance, [N], and rewards are those that it expects.

    Args:
        world: the world, or anything that `World.load` takes.
        num_envs: how many sessions.
        max_steps: steps per episode; None for no limit.
        render_mode: ``"rgb_array"`` or None.
        autoreset_mode: what follows the last step of an episode. ``"NextStep"``: the next call of `step`
            ignores its actions and returns new start frames. ``"SameStep"``: the last step returns them
            already, and the last frames as ``infos["final_obs"]``. ``"Disabled"``: you call `reset`.
        settings: arguments of `World.load`, for a world that is loaded here.

    Raises:
        ConfigError: a setting is unknown or out of range.
        MissingFileError: the world is not there.
        CheckpointError: it cannot be read.
    """

    def __init__(
        self,
        world: WorldCore | str | os.PathLike[str],
        num_envs: int = 1,
        max_steps: int | None = None,
        render_mode: str | None = None,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        **settings: Any,
    ) -> None:
        check_episode(max_steps, render_mode)
        if num_envs < 1:
            raise ConfigError(f"num_envs is {num_envs}; there is at least 1 session")
        self.autoreset_mode = _autoreset_mode(autoreset_mode)
        self.world = session_of(world, settings)
        self.num_envs, self.max_steps, self.render_mode = num_envs, max_steps, render_mode
        self.metadata = {
            "render_modes": ["rgb_array"],
            "render_fps": self.world.fps,
            "autoreset_mode": self.autoreset_mode,
        }
        self.single_observation_space, self.single_action_space = spaces_of(self.world)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._chances = [seeding.np_random()[0] for _ in range(num_envs)]
        self._frames: np.ndarray | None = None
        self._steps, self._over = 0, False

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode in every session.

        Args:
            seed: one for each session, where None goes on with its own; a single number n stands for n,
                n + 1, n + 2, ...
            options: ``"frames"`` to start from, uint8 [T, H, W, 3] for all sessions or [N, T, H, W, 3];
                ``"actions"`` between them, [T-1] or [N, T-1], are inferred when missing.

        Returns:
            The first frames, uint8 [N, H, W, 3], and an empty dictionary.

        Raises:
            ConfigError: an option is unknown, there are not as many seeds as sessions, or only some sessions
                are to be reset.
            DataError: the frames do not fit, or the world stores no clips.
        """
        self._seed(seed)
        frames, actions = given_start(options, (*RESET_OPTIONS, "reset_mask"))
        if not np.all((options or {}).get("reset_mask", True)):
            raise ConfigError("sessions of one batch start together: reset_mask has to be all True")
        return self._start(frames, actions).copy(), {}

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Take one action in each session.

        Args:
            actions: action ids [N].

        Returns:
            Frames uint8 [N, H, W, 3], rewards [N] (0 where the world expects none), terminated [N] (never),
            truncated [N], infos.

        Raises:
            ConfigError: the world has no such action, there are not N of them, or `reset` is due.
        """
        if self._over and self.autoreset_mode is AutoresetMode.DISABLED:
            raise ConfigError("the episodes are over: call reset(), autoreset_mode is 'Disabled'")
        infos: dict[str, Any] = {}
        rewards = np.zeros(self.num_envs)
        if self._over:
            frames = self._start()
        else:
            frames = self._frames = self.world.step_many(actions)
            self._steps += 1
            rewards, ends = outcomes_of(self.world, self.num_envs)
            if self.world.outcomes is not None:
                infos = {"end_chance": ends, "_end_chance": np.ones(self.num_envs, bool)}
            self._over = self._steps == self.max_steps
        truncated = np.full(self.num_envs, self._over)
        if self._over and self.autoreset_mode is AutoresetMode.SAME_STEP:
            for session, frame in enumerate(frames):
                infos = self._add_info(infos, {"final_obs": frame, "final_info": {}}, session)
            frames = self._start()
        return frames.copy(), rewards, np.zeros(self.num_envs, bool), truncated, infos

    def render(self) -> tuple[np.ndarray, ...] | None:
        """Return each session's current frame, uint8 [H, W, 3]; None without a render mode."""
        return tuple(self._frames.copy()) if self.render_mode and self._frames is not None else None

    def _seed(self, seed: int | Sequence[int | None] | None) -> None:
        if seed is None:
            return
        seeds = [seed + i for i in range(self.num_envs)] if isinstance(seed, int | np.integer) else list(seed)
        if len(seeds) != self.num_envs:
            raise ConfigError(f"{self.num_envs} sessions take as many seeds, got {len(seeds)}")
        for session, own in enumerate(seeds):
            if own is not None:
                self._chances[session] = seeding.np_random(int(own))[0]

    def _start(self, frames: np.ndarray | None = None, actions: np.ndarray | None = None) -> np.ndarray:
        if frames is None:
            starts = [drawn_start(self.world, chance) for chance in self._chances]
            frames = np.stack([clip for clip, _ in starts])
            taken = [between for _, between in starts if between is not None]  # known of all clips or of none
            actions = np.stack(taken) if taken else None
        else:
            frames = self._for_each(np.asarray(frames), 4)
            actions = None if actions is None else self._for_each(np.asarray(actions), 1)
        seeds = [drawn_seed(chance) for chance in self._chances]
        # one session samples as it would alone; several share a source that every seed has a part in
        mixed = seeds[0] if len(seeds) == 1 else int(np.random.SeedSequence(seeds).generate_state(1)[0])
        self._frames = self.world.reset_many(frames, actions, seed=mixed)
        self._steps, self._over = 0, False
        return self._frames

    def _for_each(self, start: np.ndarray, num_axes: int) -> np.ndarray:
        """Repeat what is given once, of `num_axes` axes, for every session; else there must be N of it."""
        if start.ndim == num_axes:
            return np.repeat(start[None], self.num_envs, axis=0)
        if len(start) != self.num_envs:
            raise ConfigError(f"{self.num_envs} sessions start from as many clips, got {len(start)}")
        return start


def _autoreset_mode(mode: str | AutoresetMode) -> AutoresetMode:
    try:
        return AutoresetMode(mode)
    except ValueError:
        known = ", ".join(f"'{mode.value}'" for mode in AutoresetMode)
        raise ConfigError(f"autoreset_mode is one of {known}, not '{mode}'") from None


def make_vector_env(
    world: str | os.PathLike[str], num_envs: int = 1, max_episode_steps: int | None = None, **settings: Any
) -> WorldVectorEnv:
    """Make a `WorldVectorEnv` from what `gymnasium.make_vec` passes on, in gymnasium's own words."""
    return WorldVectorEnv(world, num_envs, **{"max_steps": max_episode_steps, **settings})
