"""One process's share of a recording: it plays, writes pieces, and goes on after those that are there."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tinyworlds.data.writer import CHUNK_FRAMES
from tinyworlds.errors import ConfigError, DataError, TinyWorldsError
from tinyworlds.sources.record.environments import LiveGame
from tinyworlds.sources.record.pieces import Piece, PieceWriter, find_pieces
from tinyworlds.sources.record.policies import POLICIES, Policy, PolicyChoice, make_policy, wants_observation
from tinyworlds.system.user_code import in_one_line

_ENDED = "ended"  # file that says: the player ended the recording before it was full
_PIECE_S = 10.0


@dataclass(frozen=True)
class RecordingSettings:
    """What is recorded, and who plays.

    Attributes:
        env_id: the game, see `LiveGame`.
        size: stored height and width in pixels.
        frame_skip: game steps per stored frame; None takes the game's usual.
        actions: names of the actions to play, None for all.
        crop: left, top, width, height of what is kept of the picture, None for all.
        policy: who plays; in one process also a function from frame to action id.
        seed: of the game and the policy.
        env_kwargs: settings of the environment's own.
        picture: which of the game's pictures, see `Camera`; None for the usual.
    """

    env_id: str
    size: int
    frame_skip: int | None
    actions: tuple[str, ...] | None
    crop: tuple[int, int, int, int] | None
    policy: PolicyChoice | Policy
    seed: int
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)
    picture: str | None = None

    def game(self) -> LiveGame:
        """Start the game."""
        return LiveGame(self.env_id, self.frame_skip, self.actions, self.size, self.env_kwargs, self.picture)


@dataclass(frozen=True)
class Share:
    """What one process records.

    Attributes:
        folder: of its pieces.
        number: of the process, from 0.
        num_frames: to record in all.
        base: frames that were in the file before, so that what is appended is played with other numbers.
    """

    folder: Path
    number: int
    num_frames: int
    base: int = 0

    def pieces(self) -> list[Piece]:
        """Return the complete pieces."""
        return find_pieces(self.folder)

    @property
    def ended(self) -> bool:
        """Whether the player ended it early."""
        return (self.folder / _ENDED).exists()


Move = tuple[np.ndarray, int, float, bool, bool]
"""A frame, the action then taken, its reward, whether it ended the episode, and whether it ended the game."""


def play_share(
    share: Share,
    settings: RecordingSettings,
    game: LiveGame,
    reached: Callable[[int], None],
    stopped: Callable[[], bool],
) -> None:
    """Play until the share is full, the player ends it, or `stopped` returns True.

    Args:
        share: what to record.
        settings: how.
        game: the running game.
        reached: called with the number of frames of this share after each of them.
        stopped: asked after each frame.

    Raises:
        ConfigError: the crop or the policy does not fit the game.
        StorageError: the disk is full.
    """
    share.folder.mkdir(parents=True, exist_ok=True)
    pieces = share.pieces()
    begun = done = pieces[-1].stop if pieces else 0
    reached(done)
    if done >= share.num_frames or share.ended:
        return
    seed = _seed(settings.seed, share.base, share.number, begun)
    names = [action.name for action in game.actions]
    with _policy(settings.policy, game, names, seed) as policy:
        moves = _moves(game, policy, settings, seed)
        while done < share.num_frames and not share.ended and not stopped():
            writer = PieceWriter(share.folder, done, begun, settings.size, game.fps, names)
            try:
                done = _fill(writer, moves, share, done, reached, stopped)
            except BaseException:
                writer.discard()
                raise


def _fill(
    writer: PieceWriter,
    moves: Iterator[Move],
    share: Share,
    done: int,
    reached: Callable[[int], None],
    stopped: Callable[[], bool],
) -> int:
    """Write one piece; return the number of frames of the share.

    A game that fails leaves what was recorded until then; after a stop, which may have reached its engine
    before us, that is no failure.
    """
    due, first, over = time.monotonic() + _PIECE_S, done, False
    failure: TinyWorldsError | None = None
    while True:
        try:
            frame, action, reward, over, terminated = next(moves)
        except StopIteration:
            (share.folder / _ENDED).touch()
            break
        except TinyWorldsError as error:
            failure, over = (None if stopped() else error), True
            break
        writer.append(frame, action, reward, over, terminated)
        done += 1
        reached(done)
        full = writer.num_frames % CHUNK_FRAMES == 0 and (
            writer.num_frames >= writer.full_at or time.monotonic() > due
        )
        if full or done == share.num_frames or stopped():
            break
    if done == first:  # ended before the first frame
        writer.discard()
    else:
        writer.complete(continues=not over)
    if failure is not None:
        raise failure
    return done


def _moves(
    game: LiveGame, policy: Callable[..., int | None], settings: RecordingSettings, seed: int
) -> Iterator[Move]:
    """Yield what the player saw, and what came of it."""
    picture, observes = game.reset(seed), wants_observation(policy)
    agent = _Agent(settings.policy)
    while True:
        frame = fit_picture(picture, settings.size, settings.crop)
        with agent:
            action = policy(frame, game.observation) if observes else policy(frame)
        if action is None:
            return
        action = _checked(action, len(game.actions))
        picture, reward, done = game.step(action)
        yield frame, action, reward, done, game.terminated
        if done:
            picture = game.reset()


class _Agent(contextlib.AbstractContextManager[None]):
    """Tells in one line what a named agent's own code raises; a function handed over raises what it likes."""

    def __init__(self, policy: PolicyChoice | Policy) -> None:
        is_named = isinstance(policy, PolicyChoice) and policy.name not in POLICIES
        self._name = policy.name if isinstance(policy, PolicyChoice) and is_named else None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if self._name is not None and isinstance(error, (Exception, SystemExit)):
            raise DataError(f"the agent {self._name} raised {in_one_line(error)}") from error


def _checked(action: Any, num_actions: int) -> int:
    try:
        number = int(action)
    except (TypeError, ValueError):
        number = -1
    if not 0 <= number < num_actions or number != action:
        raise ConfigError(
            f"The policy returned {action!r} as action; it must be a whole number, 0 to {num_actions - 1}."
        )
    return number


@contextlib.contextmanager
def _policy(
    choice: PolicyChoice | Policy, game: LiveGame, names: Sequence[str], seed: int
) -> Iterator[Callable[..., int | None]]:
    if not isinstance(choice, PolicyChoice):
        yield choice
    elif choice.name == "human":
        from tinyworlds.sources.record.human import HumanPolicy  # opens a window

        with closing(HumanPolicy(game)) as player:
            yield player
    else:
        yield make_policy(choice, names, seed)


def _seed(seed: int, *place: int) -> int:
    """The seed as given for what is recorded first, numbers of their own for all else; below 2**31."""
    if not any(place):
        return seed
    return int(np.random.SeedSequence([seed, *place]).generate_state(1)[0] >> 1)


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
