"""Where a game's picture comes from: its observation, one entry of it, or `render`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from tinyworlds.errors import ConfigError, DataError, did_you_mean
from tinyworlds.media.rgb import PictureReader

RENDER, OBSERVATION = "render", "observation"
_USUAL = ("screen", "image", "pixels", "rgb", "pov", "frame")  # the picture, where several entries may be it
_SMALLEST_PX = 16  # smaller ones are grids of cell codes


class Camera:
    """Takes the picture of a game.

    Args:
        env: the environment.
        env_id: its name, for messages.
        choice: ``"render"``, ``"observation"``, the key of an entry of a dictionary observation (``"a.b"``
            for one inside another), or None: an observation that is a picture of bytes, else what the game
            renders, else any observation that is a picture.

    Raises:
        ConfigError: there is no such entry, no picture at all, or several.
    """

    def __init__(self, env: gym.Env, env_id: str, choice: str | None = None) -> None:
        self._env, self._env_id = env, env_id
        self._renders_by_mode: bool | None = None
        space = getattr(env, "observation_space", None)
        self._key = _chosen(env, env_id, space, choice)
        part = _part_of_space(space, self._key)
        low, high = _declared(part) or (None, None)
        self.from_render = self._key == RENDER
        said = "render()" if self.from_render else f"the observation{_shown(self._key)}"
        self._read = PictureReader(f"{env_id}: {said}", low, high, stacks=not self.from_render)

    def __call__(self, observation: Any) -> np.ndarray:
        """Return the picture that belongs to an observation, uint8 [H,W,3].

        Raises:
            DataError: it is no picture.
        """
        return self._read(self._rendered() if self.from_render else self._part(observation))

    def _part(self, observation: Any) -> Any:
        try:
            return entry_of(observation, self._key)
        except LookupError as error:
            raise DataError(f"{self._env_id}: an observation {error.args[0]}.") from None

    def _rendered(self) -> Any:
        if self._renders_by_mode is None:
            self._renders_by_mode = _takes(self._env.unwrapped.render, "mode")  # as before gym 0.26
        if self._renders_by_mode:
            render: Any = self._env.unwrapped.render
            return render(mode="rgb_array")
        return self._env.render()


def metadata(env: gym.Env) -> Mapping[str, Any]:
    """Return what an environment tells about itself; nothing where it tells nothing."""
    told = getattr(env, "metadata", None)
    return told if isinstance(told, Mapping) else {}


def render_modes(env: gym.Env) -> tuple[str, ...]:
    """Return how an environment can be drawn, whichever generation of gym it follows."""
    modes = metadata(env).get("render_modes") or metadata(env).get("render.modes") or ()
    return tuple(str(mode) for mode in modes)


def has_byte_picture(space: Any) -> bool:
    """Whether observations of a space hold a picture as games draw it, uint8, that needs no other source."""
    return any(
        key in (OBSERVATION, *_USUAL[:3]) and _is_byte_picture(part) for key, part in observation_parts(space)
    )


def _chosen(env: gym.Env, env_id: str, space: Any, choice: str | None) -> str:
    parts = dict(observation_parts(space))
    pictures = [key for key, part in parts.items() if _is_picture(part)]
    if choice == RENDER or choice in parts:
        return str(choice)
    if choice is not None:
        known = [RENDER, *parts]
        raise ConfigError(
            f"{env_id} has no picture '{choice}'; it has {', '.join(known)}.{did_you_mean(choice, known)}"
        )
    for key in (OBSERVATION, *_USUAL[:3]):
        if key in parts and _is_byte_picture(parts[key]):
            return key
    if {"rgb_array", "rgb_array_list"} & set(render_modes(env)):
        return RENDER
    if len(pictures) > 1:
        pictures = [key for key in _USUAL if key in pictures][:1] or pictures
    if len(pictures) == 1:
        return pictures[0]
    if pictures:
        raise ConfigError(
            f"{env_id} shows several pictures: {', '.join(pictures)}; choose with --picture {pictures[0]}."
        )
    raise ConfigError(
        f"{env_id} shows no picture: no image observation (it has {_entries(space)}) and no 'rgb_array' "
        "rendering."
    )


def observation_parts(space: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every entry of a space of observations with its name, ``a.b`` for one inside another."""
    inside: Mapping[Any, Any] = {}
    if isinstance(space, gym.spaces.Dict):
        inside = space.spaces
    elif isinstance(space, gym.spaces.Tuple):
        inside = dict(enumerate(space.spaces))
    elif space is not None:
        yield path or OBSERVATION, space
    for key, part in inside.items():
        yield from observation_parts(part, f"{path}.{key}" if path else str(key))


def entry_of(observation: Any, key: str) -> Any:
    """Return the entry of an observation of that name.

    Raises:
        LookupError: there is none; says so in words.
    """
    for part in key.split(".") if key != OBSERVATION else ():
        try:
            observation = observation[int(part) if isinstance(observation, (tuple, list)) else part]
        except (KeyError, IndexError, TypeError, ValueError):
            raise LookupError(f"has no entry '{key}', only {_entries(observation)}") from None
    return observation


def _part_of_space(space: Any, key: str) -> Any:
    return dict(observation_parts(space)).get(key)


def _is_byte_picture(space: Any) -> bool:
    """Whether a space is of pictures as most games have them: uint8, one or three channels last."""
    if not isinstance(space, gym.spaces.Box) or space.dtype != np.uint8 or len(space.shape) not in (2, 3):
        return False
    return min(space.shape[:2]) >= _SMALLEST_PX and (len(space.shape) == 2 or space.shape[2] in (1, 3))


def _is_picture(space: Any) -> bool:
    """Whether a space may be of pictures: two large sides, few layers, a range that pictures have."""
    if not isinstance(space, gym.spaces.Box) or len(space.shape) not in (2, 3, 4) or not _declared(space):
        return False
    sides = sorted(space.shape)[-2:]
    return min(sides) >= _SMALLEST_PX and all(size < _SMALLEST_PX for size in sorted(space.shape)[:-2])


def _declared(space: Any) -> tuple[float, float] | None:
    """Return black and white of a space of pictures; None where it does not say."""
    if not isinstance(space, gym.spaces.Box):
        return None
    low, high = float(np.min(space.low)), float(np.max(space.high))
    return (low, high) if (low, high) in ((0, 1), (0, 255), (-1, 1), (0, 65535)) else None


def _shown(key: str) -> str:
    return "" if key == OBSERVATION else f" '{key}'"


def _entries(observation: Any) -> str:
    """What an observation or its space is made of, in a few words."""
    if isinstance(observation, gym.Space):
        found = [f"{key}: {_space(part)}" for key, part in observation_parts(observation)]
        return ", ".join(found[:8]) + (", ..." if len(found) > 8 else "")
    if isinstance(observation, Mapping):
        return ", ".join(map(str, list(observation)[:8]))
    return f"a {type(observation).__name__}"


def _space(space: Any) -> str:
    return f"{space.dtype} {list(space.shape)}" if isinstance(space, gym.spaces.Box) else type(space).__name__


def _takes(function: Any, name: str) -> bool:
    try:
        return name in inspect.signature(function).parameters
    except (TypeError, ValueError):  # some compiled functions tell nothing
        return False
