"""Live games as an agent meets them: pictures of its size, vectors, actions as networks give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import gymnasium as gym
import numpy as np

from tinyworlds.dreamer.collector import Moment
from tinyworlds.dreamer.spaces import Spaces
from tinyworlds.dreamer.tasks import Task
from tinyworlds.errors import ConfigError, did_you_mean
from tinyworlds.sources.record.camera import entry_of, has_byte_picture, observation_parts
from tinyworlds.sources.record.environments import BLIND, LiveGame
from tinyworlds.sources.record.share import fit_picture

OBSERVED = ("picture", "vector", "both")
_USUAL_SIDE = 64
_OWN_SIDES = (16, 32, 48)  # small pictures that are seen as they are
_LARGEST_VECTOR = 10_000


class AgentGame:
    """A running game.

    Args:
        task: which.
        frame_size: height and width of what is seen, in px; None for 64, or the picture's own where it is
            small.
        grey: whether it is seen without colours; None for as the game shows it.
        observe: ``"picture"``, ``"vector"`` (the numbers that the game hands an agent) or ``"both"``; None
            for the picture that the game hands an agent, else its numbers, else what it draws.
        env_kwargs: settings of the environment's own, over those of the task.
        drawn: whether to keep the game's picture in `screen` also where only numbers are seen.

    Attributes:
        spaces: what is seen and done.
        screen: the game's own picture now, uint8 ``[H, W, 3]``; None where none is kept.
        frames_per_step: game steps per action.

    Raises:
        ConfigError: there is nothing of that kind to see.
    """

    def __init__(
        self,
        task: Task,
        frame_size: int | None = None,
        grey: bool | None = None,
        observe: str | None = None,
        env_kwargs: Mapping[str, Any] | None = None,
        drawn: bool = False,
    ) -> None:
        if observe not in (None, *OBSERVED):
            raise ConfigError(
                f"observe must be one of {', '.join(OBSERVED)}, got '{observe}'."
                f"{did_you_mean(observe, OBSERVED)}"
            )
        self.task = task
        self.screen: np.ndarray | None = None
        self._settings = {**task.env_kwargs, **(env_kwargs or {})}
        self._live = self._open(blind=observe == "vector" and not drawn)
        try:
            self._look(observe, drawn)
            self._repeat = (task.frame_skip or 1) if task.pooled else 1
            self.frames_per_step = self._live.frame_skip * self._repeat
            self.fps = self._live.fps / self._repeat
            space = self._live.action_space
            chosen = task.actions is not None or not isinstance(space, gym.spaces.Box)
            self._box: Any = None if chosen else space
            self._side, self._grey = frame_size, grey
            self.spaces = self._spaces(self.reset(seed=0))
        except BaseException:
            self.close()
            raise

    def _look(self, observe: str | None, drawn: bool) -> None:
        """Decide what is seen."""
        space = self._live.observation_space
        numbers = {key: part for key, part in observation_parts(space) if _is_numbers(part)}
        usual = "picture" if has_byte_picture(space) or not numbers else "vector"
        self._sees = (observe or usual) != "vector"
        self._draws = self._sees or drawn
        self._numbers = numbers if (observe or usual) != "picture" else {}
        if observe not in (None, "picture") and not numbers:
            raise ConfigError(f"{self.task.env_id} hands an agent no numbers; use --data.observe picture.")
        if observe is None and not self._draws:  # drawing costs more than playing
            self._live.close()
            self._live = self._open(blind=True)

    @property
    def action_names(self) -> list[str]:
        """Of the actions of which one is chosen; numbers of a continuous one are called by their place."""
        if self._box is None:
            return [action.name for action in self._live.actions]
        return [f"axis_{number}" for number in range(self.spaces.action_dim)]

    def reset(self, seed: int | None = None) -> Moment:
        """Begin an episode; the same seed begins the same one."""
        self._live.reset(seed)
        if self.task.noops:
            rest = next((a for a in self._live.actions if a.name == "noop"), self._live.actions[0])
            for _ in range(int(np.random.default_rng(seed).integers(1, self.task.noops + 1))):
                if any(self._live.play(rest.value)[1:]):
                    self._live.reset(seed)
        return self._moment(self._live.picture)

    def step(self, action: np.ndarray) -> Moment:
        """Take an action, one-hot or numbers in -1 to 1."""
        value, total, before = self._value(action), 0.0, None
        for number in range(self._repeat):
            before = (
                self._live.picture.copy() if self._draws and number and number == self._repeat - 1 else None
            )
            reward, terminal, cut = self._live.play(value)
            total += reward
            if terminal or cut:
                break
        picture = self._live.picture if before is None else np.maximum(before, self._live.picture)
        return self._moment(picture, total, terminal, terminal or cut)

    def close(self) -> None:
        """End the game."""
        self._live.close()

    def _open(self, blind: bool) -> LiveGame:
        skip, picture = 1 if self.task.pooled else self.task.frame_skip, BLIND if blind else None
        return LiveGame(self.task.env_id, skip, self.task.actions, _USUAL_SIDE, self._settings, picture)

    def _spaces(self, first: Moment) -> Spaces:
        side = channels = 0
        if first.picture is not None:
            side, channels = first.picture.shape[0], first.picture.shape[2]
        vector = 0 if first.vector is None else len(first.vector)
        if vector > _LARGEST_VECTOR:
            raise ConfigError(
                f"{self.task.env_id} hands an agent {vector:,} numbers; use --data.observe picture."
            )
        if self._box is not None:
            return Spaces(side, channels or 3, vector, action_dim=int(np.prod(self._box.shape)))
        return Spaces(side, channels or 3, vector, num_actions=len(self._live.actions))

    def _value(self, action: np.ndarray) -> Any:
        if self._box is None:
            return self._live.actions[int(action.argmax())].value
        space = self._box
        low, high = (
            np.where(np.isfinite(end), end, sign) for end, sign in ((space.low, -1.0), (space.high, 1.0))
        )
        share = (np.clip(action, -1, 1).reshape(space.shape) + 1) / 2
        return (low + share * (high - low)).astype(space.dtype)

    def _moment(
        self, screen: np.ndarray, reward: float = 0.0, terminal: bool = False, last: bool = False
    ) -> Moment:
        if self._draws:
            self.screen = screen.copy()
        picture = self._seen(screen) if self._sees else None
        return Moment(picture, self._vector(), reward, terminal, last)

    def _seen(self, screen: np.ndarray) -> np.ndarray:
        if self._side is None:
            own = screen.shape[0] == screen.shape[1] and screen.shape[0] in _OWN_SIDES
            self._side = screen.shape[0] if own else _USUAL_SIDE
        picture = fit_picture(screen, self._side, self.task.crop)
        if self._grey is None:
            self._grey = _is_grey(self._live.observation_space)
        return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None] if self._grey else picture

    def _vector(self) -> np.ndarray | None:
        if not self._numbers:
            return None
        seen = self._live.observation
        parts = [gym.spaces.flatten(part, entry_of(seen, key)) for key, part in self._numbers.items()]
        return np.concatenate([np.asarray(part, np.float32).ravel() for part in parts])


def _is_numbers(space: gym.Space) -> bool:
    if isinstance(space, gym.spaces.Box):
        return len(space.shape) <= 1
    return isinstance(space, (gym.spaces.Discrete, gym.spaces.MultiBinary, gym.spaces.MultiDiscrete))


def _is_grey(space: gym.Space) -> bool:
    return isinstance(space, gym.spaces.Box) and (len(space.shape) == 2 or space.shape[-1:] == (1,))
