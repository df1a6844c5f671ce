"""What came of the actions in a gameplay file: rewards, and ends of the game."""

from __future__ import annotations

import numpy as np

from tinyworlds.data.reader import FrameFile
from tinyworlds.errors import DataError


def check_outcomes(file: FrameFile) -> None:
    """Raise DataError unless a file holds rewards, and tells ends of the game from cuts."""
    missing = [name for name in ("rewards", "terminations") if getattr(file, name) is None]
    if missing:
        raise DataError(
            f"--model.outcomes: {file.info.path} holds no {' and no '.join(missing)}; record it with "
            "`tinyworlds record`, or export an agent's replay"
        )


def outcomes_of(file: FrameFile, start: int, num_frames: int, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what came between each frame of a window and the next, or the end of the episode.

    Args:
        file: has rewards and ends.
        start: the window's first frame.
        num_frames: T, frames of the window, all in one episode.
        stride: stored frames from one of them to the next.

    Returns:
        The sums of the rewards, float32 [T], and whether the game ended, bool [T].
    """
    assert file.rewards is not None
    assert file.terminations is not None
    ends = file.episode_ends
    stop = min(start + num_frames * stride, int(ends[np.searchsorted(ends, start)]) + 1)
    rewards, over = np.zeros(num_frames * stride, np.float32), np.zeros(num_frames * stride, bool)
    rewards[: stop - start], over[: stop - start] = file.rewards[start:stop], file.terminations[start:stop]
    return rewards.reshape(-1, stride).sum(1), over.reshape(-1, stride).max(1)
