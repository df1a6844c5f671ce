"""The same moments, dreamt on with every action: each one held for some frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from tinyworlds.errors import ConfigError, DataError

_SESSIONS = 64  # dreamt at once, at most


def hold_each_action(
    world: Any,
    start_frames: np.ndarray | None,
    start_actions: np.ndarray | None,
    num_steps: int,
    advance: Callable[[int], None] = lambda count: None,
) -> np.ndarray:
    """Hold every action of a world from the same starts; the likeliest picture each, without chance.

    Args:
        world: a :class:`tinyworlds.models.world.World`; its current game ends.
        start_frames: clips to start from, uint8 [N, T, H, W, 3].
        start_actions: the actions between their frames, int64 [N, T-1], or None.
        num_steps: frames to dream.
        advance: told of frames as they are dreamt, `num_actions` * N * `num_steps` together.

    Returns:
        uint8 [num_actions, N, num_steps + 1, H, W, 3]; the first frame is the start as the world sees it.

    Raises:
        ConfigError: the world has one action only.
        DataError: there is nothing to start from.
    """
    if world.num_actions < 2:
        raise ConfigError("this world does not listen to actions: there is nothing to tell apart")
    if start_frames is None or not len(start_frames):
        raise DataError("this world stores no clips to start from: name gameplay with --data FILE")
    chance, world.sampling = world.sampling, dataclasses.replace(world.sampling, temperature=0.0)
    try:
        chunk = max(1, _SESSIONS // world.num_actions)
        parts = [
            _hold(world, *_part(start_frames, start_actions, i, chunk), num_steps, advance)
            for i in range(0, len(start_frames), chunk)
        ]
    finally:
        world.sampling = chance
    return np.concatenate(parts, axis=1)


def _part(
    frames: np.ndarray, actions: np.ndarray | None, start: int, count: int
) -> tuple[np.ndarray, np.ndarray | None]:
    part = slice(start, start + count)
    return frames[part], None if actions is None else actions[part]


def _hold(
    world: Any, frames: np.ndarray, actions: np.ndarray | None, num_steps: int, advance: Callable[[int], None]
) -> np.ndarray:
    count, starts = world.num_actions, len(frames)
    between = None if actions is None else np.tile(actions, (count, 1))
    seen = [world.reset_many(np.tile(frames, (count, 1, 1, 1, 1)), between)]
    held = np.repeat(np.arange(count), starts)
    for _ in range(num_steps):
        seen.append(world.step_many(held))
        advance(len(held))
    return np.stack(seen, axis=1).reshape(count, starts, num_steps + 1, *frames.shape[2:])
