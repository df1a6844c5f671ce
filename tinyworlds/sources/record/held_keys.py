"""A real game under held keys, each from the same places.

A game that is seeded alike and played alike comes to the same place again; that it does is checked.

Shapes: S starts, T frames, H W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from tinyworlds.errors import DataError
from tinyworlds.evaluation.play_test.real import RealPlay
from tinyworlds.sources.record.environments import LiveGame
from tinyworlds.sources.record.policies import PolicyChoice, make_policy
from tinyworlds.sources.record.share import RecordingSettings, fit_picture
from tinyworlds.sources.record.titles import title_of

_FEWEST, _MOST = 20, 100  # frames played before a key is held
_SEED = 1_000_003  # far from those of recordings


@dataclass(frozen=True)
class RecordedGame:
    """A game that is played as it was recorded; see `tinyworlds.evaluation.play_test.real.RealGame`.

    Attributes:
        settings: how it was.
    """

    settings: RecordingSettings

    def play(
        self,
        count: int,
        context: int,
        num_held: int,
        frame_size: int,
        progress: Callable[[float], None] | None = None,
    ) -> RealPlay:
        """See `RealGame.play`."""
        settings = replace(self.settings, size=frame_size)
        with closing(settings.game()) as game:
            names = tuple(action.name for action in game.actions)
            starts: list[_Start] = []
            held: dict[str, list[np.ndarray]] = {name: [] for name in names}
            lived: dict[str, list[int]] = {name: [] for name in names}
            for number in range(count):
                start = _come_to(game, settings, context, _SEED + number)
                starts.append(start)
                for action, name in enumerate(names):
                    seen, frames = _hold(game, settings, start, action, num_held)
                    held[name].append(seen)
                    lived[name].append(frames)
                if progress is not None:
                    progress((number + 1) / count)
        between = [start.actions[len(start.actions) - context + 1 :] for start in starts]
        return RealPlay(
            np.stack([start.frames[-context:] for start in starts]),
            np.array(between, np.int64).reshape(count, context - 1),
            names,
            {name: np.stack(seen) for name, seen in held.items()},
            {name: np.array(frames, np.int64) for name, frames in lived.items()},
        )


def recorded_game(env_id: str) -> RecordedGame:
    """The game of a title or gymnasium id, as `tinyworlds record` plays it.

    Raises:
        ConfigError: no environment plays it.
    """
    spec = title_of(env_id)
    actions = tuple(spec.record_actions) if spec.record_actions else None
    player = PolicyChoice(spec.policy)
    return RecordedGame(
        RecordingSettings(
            spec.env_id or env_id,
            spec.frame_size,
            spec.frame_skip,
            actions,
            spec.crop,
            player,
            0,
            spec.env_kwargs,
        )
    )


@dataclass(frozen=True)
class _Start:
    """A place in a game: the way there, and what was seen on it."""

    seed: int
    actions: Sequence[int]
    frames: np.ndarray  # [1 + len(actions), H, W, 3]


def _come_to(game: LiveGame, settings: RecordingSettings, context: int, seed: int) -> _Start:
    """Play for a while; where the game ends before that, half as long as it lasted."""
    random = np.random.default_rng(seed)
    wanted = int(random.integers(_FEWEST, _MOST)) + context
    player = settings.policy if isinstance(settings.policy, PolicyChoice) else PolicyChoice("sticky")
    policy = make_policy(player, [action.name for action in game.actions], seed)
    frames, actions = [_seen(game.reset(seed), settings)], list[int]()
    while len(actions) < wanted:
        action = policy(frames[-1])
        assert action is not None  # neither a sticky policy nor a title's player ends
        picture, _, over = game.step(action)
        if over:
            wanted = max(len(actions) // 2, context - 1)
            break
        actions.append(action)
        frames.append(_seen(picture, settings))
    if len(frames) < context:
        raise DataError(
            f"{settings.env_id}: an episode ended within {context} frames: no key can be held in it"
        )
    return _Start(seed, actions[:wanted], np.stack(frames[: wanted + 1]))


def _hold(
    game: LiveGame, settings: RecordingSettings, start: _Start, action: int, num_held: int
) -> tuple[np.ndarray, int]:
    """Come to a place once more and hold a key: frames [1 + num_held, H, W, 3], and how many came."""
    picture = game.reset(start.seed)
    for taken in start.actions:
        picture, _, _ = game.step(taken)
    frames = np.zeros((1 + num_held, *start.frames.shape[1:]), np.uint8)
    frames[0] = _seen(picture, settings)
    if not np.array_equal(frames[0], start.frames[-1]):
        raise DataError(
            f"{settings.env_id} does not come to the same place twice with one seed and the same keys; leave "
            "--real out"
        )
    for frame in range(1, num_held + 1):
        picture, _, over = game.step(action)
        if over:
            return frames, frame - 1
        frames[frame] = _seen(picture, settings)
    return frames, num_held


def _seen(picture: np.ndarray, settings: RecordingSettings) -> np.ndarray:
    return fit_picture(picture, settings.size, settings.crop)
