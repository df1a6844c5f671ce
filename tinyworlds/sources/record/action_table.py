"""Any gymnasium action space as a short table of numbered actions.

Recordings store one whole number per frame. Where a space is not a plain list of choices (several buttons,
sticks), the table holds "nothing" and every single button or direction alone, as a person with one finger
plays.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from tinyworlds.errors import ConfigError, did_you_mean

_MOST = 10_000  # actions in a table


@dataclass(frozen=True)
class Action:
    """One entry of the table: its name, and the value `env.step` takes."""

    name: str
    value: Any


def action_table(env: gym.Env) -> list[Action]:
    """Return the numbered actions of an environment, named as the game names them where it does.

    Raises:
        ConfigError: the action space is of a kind that cannot be listed.
    """
    actions = _single_actions(env.action_space)
    names = _given_names(env.unwrapped)
    if len(names) == len(actions) == len(set(names)):
        return [Action(name, action.value) for name, action in zip(names, actions, strict=True)]
    return actions


def select_actions(actions: list[Action], names: Sequence[str] | None) -> list[Action]:
    """Return the actions with these names, in that order; all of them for None.

    Raises:
        ConfigError: a name is unknown.
    """
    if names is None:
        return actions
    by_name = {action.name.lower(): action for action in actions}
    for name in names:
        if name.lower() not in by_name:
            raise ConfigError(
                f"Unknown action '{name}'; known: {', '.join(by_name)}.{did_you_mean(name, by_name)}"
            )
    return [by_name[name.lower()] for name in names]


def _given_names(env: Any) -> list[str]:
    """Names from ALE (`get_action_meanings`) or ViZDoom (`button_map` over the game's buttons)."""
    if hasattr(env, "get_action_meanings"):
        with contextlib.suppress(Exception):  # it is the environment's code, and names are not needed
            return [str(name).lower() for name in env.get_action_meanings()]
    if hasattr(env, "button_map") and getattr(env, "num_delta_buttons", 0) == 0:
        buttons = [button.name.lower() for button in env.game.get_available_buttons()]
        pressed = [[buttons[i] for i in np.flatnonzero(combination)] for combination in env.button_map]
        return ["+".join(names) or "noop" for names in pressed]
    return []


def _single_actions(space: gym.Space) -> list[Action]:
    """List a space one change at a time; the first entry does nothing."""
    for kind, lister in _LISTERS.items():
        if isinstance(space, kind):
            if _count(space) > _MOST:
                raise ConfigError(
                    f"The actions of {str(space)[:80]} are more than {_MOST:,}; wrap the environment so that "
                    "it has fewer."
                )
            return lister(space)
    raise ConfigError(
        f"Cannot list the actions of {str(space)[:80]}; wrap the environment so that its actions are "
        "Discrete."
    )


def _count(space: gym.Space) -> int:
    """About how many actions a space has, counted before any is made."""
    if isinstance(space, gym.spaces.Discrete):
        return int(space.n)
    if isinstance(space, gym.spaces.MultiDiscrete):
        return int(np.sum(space.nvec))
    if isinstance(space, gym.spaces.Dict):
        return sum(map(_count, space.spaces.values()))
    if isinstance(space, gym.spaces.Tuple):
        return sum(map(_count, space.spaces))
    return 2 * int(np.prod(space.shape or ()))


def _discrete(space: gym.spaces.Discrete) -> list[Action]:
    return [Action(f"action_{i}", int(space.start) + i) for i in range(int(space.n))]


def _multi_binary(space: gym.spaces.MultiBinary) -> list[Action]:
    actions = [Action("noop", np.zeros(space.shape, space.dtype))]
    for i in range(int(np.prod(space.shape))):
        value = np.zeros(space.shape, space.dtype)
        value.flat[i] = 1
        actions.append(Action(f"button_{i}", value))
    return actions


def _multi_discrete(space: gym.spaces.MultiDiscrete) -> list[Action]:
    start = np.asarray(space.start)
    actions = [Action("noop", start.astype(space.dtype))]
    for i, count in enumerate(space.nvec.flat):
        for choice in range(1, int(count)):
            value = start.astype(space.dtype)
            value.flat[i] += choice
            actions.append(Action(f"axis_{i}_{choice}", value))
    return actions


def _box(space: gym.spaces.Box) -> list[Action]:
    low = np.where(np.abs(space.low) < 1e6, space.low, -1)  # an unbounded axis is moved by one unit
    high = np.where(np.abs(space.high) < 1e6, space.high, 1)
    rest = np.clip(np.zeros(space.shape), low, high).astype(space.dtype)
    actions = [Action("noop", rest)]
    for i in range(rest.size):
        for sign, ends in (("-", low), ("+", high)):
            value = rest.copy()
            value.flat[i] = ends.flat[i]
            actions.append(Action(f"axis_{i}{sign}", value))
    return actions


def _dict(space: gym.spaces.Dict) -> list[Action]:
    parts = {key: _single_actions(part) for key, part in space.spaces.items()}
    rest = {key: actions[0].value for key, actions in parts.items()}
    actions = [Action("noop", rest)]
    for key, choices in parts.items():
        actions += [Action(f"{key}_{choice.name}", {**rest, key: choice.value}) for choice in choices[1:]]
    return actions


def _tuple(space: gym.spaces.Tuple) -> list[Action]:
    parts = [_single_actions(part) for part in space.spaces]
    rest = [actions[0].value for actions in parts]
    actions = [Action("noop", tuple(rest))]
    for i, choices in enumerate(parts):
        actions += [
            Action(f"part_{i}_{choice.name}", (*rest[:i], choice.value, *rest[i + 1 :]))
            for choice in choices[1:]
        ]
    return actions


_LISTERS: dict[type[gym.Space], Callable[[Any], list[Action]]] = {
    gym.spaces.Discrete: _discrete,
    gym.spaces.MultiBinary: _multi_binary,
    gym.spaces.MultiDiscrete: _multi_discrete,
    gym.spaces.Box: _box,
    gym.spaces.Dict: _dict,
    gym.spaces.Tuple: _tuple,
}
