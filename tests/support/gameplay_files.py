"""Gameplay files for tests: a sprite that walks as its actions say."""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from tinyworlds.data.writer import FrameWriter

ACTION_NAMES = ("noop", "left", "right", "up")
_MOVES = {0: (0, 0), 1: (0, -1), 2: (0, 1), 3: (-1, 0)}


def sprite_episode(length: int, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames uint8 [length,size,size,3] of a bright sprite that obeys the actions int64 [length]."""
    random = np.random.default_rng(seed)
    background = np.random.default_rng(0).integers(0, 90, (size, size, 3), dtype=np.uint8)
    actions = np.repeat(random.integers(0, 4, length), 3)[:length]  # held for three frames each
    sprite, step = size // 4, max(1, size // 16)
    row, column = random.integers(0, size - sprite, 2)
    frames = np.empty((length, size, size, 3), np.uint8)
    for i, action in enumerate(actions):
        frames[i] = background
        frames[i, row : row + sprite, column : column + sprite] = (250, 200, 40)
        down, right = _MOVES[int(action)]
        row = int(np.clip(row + down * step, 0, size - sprite))
        column = int(np.clip(column + right * step, 0, size - sprite))
    return frames, actions.astype(np.int64)


def write_gameplay(
    path: Path,
    num_episodes: int = 10,
    episode_length: int = 30,
    size: int = 16,
    fps: float = 15.0,
    seed: int = 0,
    names: Sequence[str] = ACTION_NAMES,
    terminations: bool = False,
) -> Path:
    """A file with everything the schema knows."""
    with FrameWriter(path, size, size, fps, "sprite", names, terminations) as writer:
        for episode in range(num_episodes):
            frames, actions = sprite_episode(episode_length, size, seed=1000 * seed + episode)
            for i in range(episode_length):
                last = i == episode_length - 1
                writer.append(frames[i], int(actions[i]), float(i % 7 == 0), last, last and terminations)
    return path


def write_public_style(path: Path, num_frames: int = 300, size: int = 16) -> Path:
    """A file as the public ones are: frames only, automatic chunks (which split channels), lzf."""
    frames, _ = sprite_episode(num_frames, size, seed=7)
    with h5py.File(path, "w") as file:
        file.create_dataset("frames", data=frames, chunks=True, compression="lzf")
    return path
