"""Frames that look and compress somewhat like a game: a tiled level that scrolls, and a figure that moves."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from einops import rearrange

_TILE_PX = 8
_SCREENS = 16  # width of the level
_SPEED_PX = 2  # a frame


def moving_frames(start: int, count: int, frame_size: int) -> np.ndarray:
    """Frames `start`, start + 1, ... as uint8 [count, H, W, 3]; always the same ones."""
    level = _level(frame_size)  # [H, level width, 3]
    frames = np.empty((count, frame_size, frame_size, 3), np.uint8)
    side = max(2, frame_size // 8)
    for frame, index in zip(frames, range(start, start + count), strict=True):
        left = index * _SPEED_PX % (level.shape[1] - frame_size)
        frame[:] = level[:, left : left + frame_size]
        row = round((frame_size - side) * (0.5 + 0.5 * np.sin(index / 7)))
        column = round((frame_size - side) * (0.5 + 0.3 * np.sin(index / 19)))
        frame[row : row + side, column : column + side] = (250, 200, 40)
    return frames


@lru_cache(maxsize=4)
def _level(frame_size: int) -> np.ndarray:
    """Tiles of a few kinds in random places, uint8 [H, level width, 3]."""
    random = np.random.default_rng(0)
    colours = random.integers(20, 220, (12, 1, 1, 3))
    tiles = np.clip(colours + random.integers(-25, 25, (12, _TILE_PX, _TILE_PX, 3)), 0, 255).astype(np.uint8)
    rows, columns = -(-frame_size // _TILE_PX), -(-frame_size * _SCREENS // _TILE_PX)
    kinds = random.integers(0, len(tiles), (rows, columns))
    return rearrange(tiles[kinds], "row column y x c -> (row y) (column x) c")[:frame_size]
