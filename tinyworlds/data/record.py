"""Record a live game: any gymnasium environment to a gameplay file, true actions beside the frames.

    record("VizdoomBasic-v1", "data/doom_frames.h5", num_frames=8000)

Frame i is what the player saw, action i what was then pressed, reward i what came of it. The picture after
the last action of an episode is not stored (ViZDoom has none), so every stored frame has a true action.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tinyworlds.data.environments import LiveGame
from tinyworlds.data.policies import Policy, make_policy
from tinyworlds.data.progress import progress_bar
from tinyworlds.data.writer import FrameWriter
from tinyworlds.errors import ConfigError, DataError


@dataclass(frozen=True)
class Recording:
    """What was recorded.

    Attributes:
        path: the finished file.
        env_id: the environment as registered.
        num_frames: stored frames.
        num_episodes: episodes begun.
        fps: stored frames per second of game time.
        action_names: the name of each action id.
        seconds: how long it took.
    """

    path: Path
    env_id: str
    num_frames: int
    num_episodes: int
    fps: float
    action_names: tuple[str, ...]
    seconds: float


def record(
    env_id: str,
    out: str | Path,
    num_frames: int,
    policy: str | Policy = "sticky",
    size: int = 64,
    frame_skip: int | None = None,
    seed: int = 0,
    progress: bool = True,
    hold: float = 4.0,
    actions: Sequence[str] | None = None,
    crop: tuple[int, int, int, int] | None = None,
    overwrite: bool = False,
) -> Recording:
    """Play `env_id` and store `num_frames` frames of it; nothing is left behind if that fails.

    Args:
        env_id: any gymnasium id, such as ``ALE/Pong-v5``, ``VizdoomBasic-v1``, ``CartPole-v1``.
        out: the gameplay file to write.
        num_frames: frames to store, over as many episodes as it takes.
        policy: "sticky" (holds each action for a while), "random", or a function from frame to action id.
        size: stored height and width in pixels; pictures are resized by area.
        frame_skip: game steps per stored frame; None takes 4 for Atari and ViZDoom, 1 elsewhere.
        seed: of the game and the policy.
        progress: show a bar with the time left.
        hold: mean number of frames the sticky policy holds an action.
        actions: names of the actions to play, in the order of their stored ids; None plays all.
        crop: part of the game's picture to keep, in its own pixels: left, top, width, height.
        overwrite: replace `out` if it exists.

    Raises:
        ConfigError: a setting is out of range, or no such environment, action or policy exists.
        DataError: `out` exists and may not be replaced.
        MissingExtraError: the game's package is not installed.
        StorageError: the disk is full.
    """
    out = Path(out)
    _check(out, num_frames, size, overwrite)
    start = time.monotonic()
    game = LiveGame(env_id, frame_skip, actions, size)
    names = tuple(action.name for action in game.actions)
    try:
        if isinstance(policy, str):
            policy = make_policy(policy, len(names), hold, seed)
        with (
            FrameWriter(out, size, size, game.fps, source=game.env_id, action_names=names) as writer,
            progress_bar(f"recording {game.env_id}", num_frames, progress) as advance,
        ):
            num_episodes = _play(game, policy, writer, num_frames, size, crop, seed, advance)
    finally:
        game.close()
    return Recording(out, game.env_id, num_frames, num_episodes, game.fps, names, time.monotonic() - start)


def _play(game, policy, writer, num_frames, size, crop, seed, advance) -> int:  # noqa: ANN001
    """Fill the writer; return the number of episodes begun."""
    picture, num_episodes = game.reset(seed), 1
    while True:
        frame = fit_picture(picture, size, crop)
        action = policy(frame)
        picture, reward, done = game.step(action)
        writer.append(frame, action, reward, done)
        advance(1)
        if writer.num_frames == num_frames:
            return num_episodes
        if done:
            picture, num_episodes = game.reset(), num_episodes + 1


def fit_picture(picture: np.ndarray, size: int, crop: tuple[int, int, int, int] | None = None) -> np.ndarray:
    """Crop a picture (left, top, width, height in its pixels), resize it by area to uint8 [size,size,3]."""
    if crop is not None:
        left, top, width, height = crop
        full_height, full_width = picture.shape[:2]
        if min(crop) < 0 or min(width, height) < 1 or left + width > full_width or top + height > full_height:
            raise ConfigError(
                f"crop {tuple(crop)} reaches outside the picture of {full_width}x{full_height} pixels."
            )
        picture = picture[top : top + height, left : left + width]
    if picture.shape[:2] != (size, size):
        picture = cv2.resize(np.ascontiguousarray(picture), (size, size), interpolation=cv2.INTER_AREA)
    return np.array(picture, dtype=np.uint8)  # a copy: games reuse their buffers


def _check(out: Path, num_frames: int, size: int, overwrite: bool) -> None:
    if num_frames < 1:
        raise ConfigError(f"num_frames is {num_frames}; it must be at least 1.")
    if size < 1:
        raise ConfigError(f"size is {size}; it must be at least 1 pixel.")
    if out.exists() and not overwrite:
        raise DataError(f"{out} exists already; choose another name or pass --overwrite.")
