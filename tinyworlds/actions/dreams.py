"""The same moments, dreamt on with every action: each one held for some frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from tinyworlds.errors import ConfigError, DataError
from tinyworlds.world.start_clips import StartClips

_SESSIONS = 64  # dreamt at once, at most


def hold_each_action(
    world: Any,
    starts: StartClips,
    num_frames: int,
    advance: Callable[[int], None] = lambda count: None,
) -> np.ndarray:
    """Hold every action of a world from the same starts; the likeliest picture each, without chance.

    Args:
        world: a :class:`tinyworlds.world.core.World`; its current game ends.
        starts: N clips to start from.
        num_frames: frames to dream.
        advance: told of frames as they are dreamt, `num_actions` * N * `num_frames` together.

    Returns:
        uint8 [num_actions, N, num_frames + 1, H, W, 3]; the first frame is the start as the world sees it.

    Raises:
        ConfigError: the world has one action only.
        DataError: there is nothing to start from.
    """
    if world.num_actions < 2:
        raise ConfigError("this world does not listen to actions: there is nothing to tell apart")
    if not starts:
        raise DataError("this world stores no clips to start from: name gameplay with --data FILE")
    chance, world.sampling = world.sampling, dataclasses.replace(world.sampling, temperature=0.0)
    try:
        chunk = max(1, _SESSIONS // world.num_actions)
        parts = [
            _hold(world, starts[i : i + chunk], num_frames, advance) for i in range(0, len(starts), chunk)
        ]
    finally:
        world.sampling = chance
    return np.concatenate(parts, axis=1)


def _hold(world: Any, starts: StartClips, num_frames: int, advance: Callable[[int], None]) -> np.ndarray:
    count = world.num_actions
    again = starts[np.tile(np.arange(len(starts)), count)]
    seen = [world.reset_many(again.frames, again.actions)]
    held = np.repeat(np.arange(count), len(starts))
    for _ in range(num_frames):
        seen.append(world.step_many(held))
        advance(len(held))
    return np.stack(seen, axis=1).reshape(count, len(starts), num_frames + 1, *starts.frames.shape[2:])
