"""Environments of other habits behind gymnasium's interface: the gym of old, rewards and ends in arrays."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from tinyworlds.errors import DataError


class Habits(gym.Wrapper):
    """Takes `seed` and returns five values, whatever the environment takes and returns.

    Args:
        env: an environment that may follow the gym of before 0.26.
        env_id: its name, for messages.
    """

    def __init__(self, env: gym.Env, env_id: str) -> None:
        super().__init__(env)
        self._env_id = env_id
        self._takes = _parameters(env.reset)

    def __getattr__(self, name: str) -> Any:
        """Hand on what only the environment has, so that nobody notices what stands between."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.env, name)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict]:
        """Start an episode, seeded by whichever way the environment knows."""
        known: dict[str, Any] = {"seed": seed, "options": options}
        passed = {key: value for key, value in known.items() if self._takes is None or key in self._takes}
        if seed is not None and "seed" not in passed:
            self._seed(seed)
        found: Any = self.env.reset(**passed)
        if isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], (Mapping, type(None))):
            return found[0], dict(found[1] or {})
        return found, {}  # as before gym 0.26

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, dict]:
        """Play one action; four values, as before gym 0.26, are taken as well.

        Raises:
            DataError: the environment returned something else.
        """
        found: Any = self.env.step(action)
        if not isinstance(found, (tuple, list)) or len(found) not in (4, 5):
            what = f"{len(found)} values" if isinstance(found, (tuple, list)) else type(found).__name__
            raise DataError(
                f"{self._env_id}: step() returned {what}; it must return observation, reward, terminated, "
                "truncated and info."
            )
        observation, reward, *over, info = found
        return observation, reward, over[0], (*over, False)[1], info

    def _seed(self, seed: int) -> None:
        """Seed an environment whose `reset` takes no seed."""
        seeding = getattr(self.env, "seed", None)  # as before gym 0.26
        if callable(seeding):
            seeding(seed)
        else:
            told = "reset() takes no seed, so this recording cannot be repeated exactly"
            print(f"{self._env_id}: {told}", file=sys.stderr)


def adapt(env: gym.Env, env_id: str) -> gym.Env:
    """Put `Habits` below gymnasium's own wrappers, such as a time limit, which expect today's interface.

    Raises:
        DataError: the environment lacks a part.
    """
    outer, inner = None, env
    while isinstance(inner, gym.Wrapper) and type(inner).__module__.startswith("gymnasium."):
        outer, inner = inner, inner.env
    for part in ("reset", "step", "action_space"):
        if getattr(inner, part, None) is None:
            raise DataError(f"{env_id}: the environment ({type(inner.unwrapped).__name__}) has no {part}.")
    adapted = Habits(inner, env_id)
    if outer is None:
        return adapted
    outer.env = adapted
    return env


def as_reward(reward: Any, env_id: str) -> float:
    """Return a reward as a number: None is 0, an array of one its value.

    Raises:
        DataError: it is no finite number.
    """
    value = 0.0 if reward is None else _single(reward)
    if value is None or not abs(value) <= float(np.finfo(np.float32).max):
        raise DataError(
            f"{env_id}: step() returned {_short(reward)} as reward; it must be one finite number, as a "
            "wrapper (gymnasium.wrappers.TransformReward) can make of it."
        )
    return value


def as_end(over: Any, env_id: str) -> bool:
    """Return whether an episode is over: a bool, a number, an array of one; None is not.

    Raises:
        DataError: it is something else.
    """
    value = 0.0 if over is None else _single(over)
    if value is None or math.isnan(value):
        raise DataError(
            f"{env_id}: step() returned {_short(over)} as end of the episode; it must be True or False "
            "(environments of several players are not recorded)."
        )
    return bool(value)


def _parameters(function: Callable[..., Any]) -> set[str] | None:
    """Names that a function takes as keywords; None if it takes any, or does not tell."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return {p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}


def _single(value: Any) -> float | None:
    """Return the number in a number, an array or a tensor of one; None if it is something else."""
    try:
        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
        if array.size != 1 or array.dtype.kind not in "buifO":
            return None
        return float(array.reshape(-1)[0])
    except (TypeError, ValueError, OverflowError):
        return None


def _short(value: Any) -> str:
    told = " ".join(repr(value).split())
    return told if len(told) <= 60 else f"{told[:57]}..."
