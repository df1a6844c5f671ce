"""Episodes of an agent: played to their end, recorded as videos, counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from tinyworlds.dreamer.agent import Agent
from tinyworlds.dreamer.games import AgentGame
from tinyworlds.dreamer.human_scores import human_normalised
from tinyworlds.dreamer.playing import episode, turns
from tinyworlds.errors import VideoError
from tinyworlds.media.video import VideoWriter, save_gif
from tinyworlds.system.files import write_text

SCORES = "scores.json"
_VIDEO_PX = 256  # small pictures are enlarged to about that
_GIF_FRAMES = 600
_BLACK = 8  # of 255: nothing brighter is nothing to see
_SEEDS_APART = 10_000


@dataclass(frozen=True)
class Recorded:
    """One episode.

    Attributes:
        score: sum of its rewards.
        length: steps.
        ended: whether it came to an end, rather than being cut.
        video: name of its file, or None.
        note: what is the matter with its pictures, or "".
    """

    score: float
    length: int
    ended: bool
    video: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Scores:
    """Episodes of one agent in one game.

    Attributes:
        task: name of the game.
        checkpoint: of the agent; None for whoever plays at random.
        policy: ``sample``, ``greedy`` or ``random``.
        seed: of the first episode; each has its own.
        updates: that the agent was trained for.
        frames: of the game that it had seen.
        episodes: in order.
        random_scores: of episodes played at random, under the same seeds.
    """

    task: str
    checkpoint: str | None
    policy: str
    seed: int
    updates: int
    frames: int
    episodes: list[Recorded] = field(default_factory=list)
    random_scores: list[float] = field(default_factory=list)

    @property
    def summary(self) -> dict[str, float | None]:
        """Mean, standard deviation and median; what chance scores; 1 for a person where that is known."""
        scores = [each.score for each in self.episodes]
        mean = float(np.mean(scores))
        return {
            "mean": mean,
            "std": float(np.std(scores)),
            "median": float(np.median(scores)),
            "random": float(np.mean(self.random_scores)) if self.random_scores else None,
            "human_normalised": human_normalised(self.task, mean),
        }

    def save(self, folder: Path) -> Path:
        """Write ``scores.json``."""
        told = {**asdict(self), **self.summary}
        write_text(folder / SCORES, json.dumps(told, indent=1) + "\n")
        return folder / SCORES


def play_episodes(
    agent: Agent | None,
    game: AgentGame,
    number: int,
    folder: Path,
    seed: int = 0,
    greedy: bool = False,
    gif: bool = False,
    done: Callable[[int], None] = lambda _: None,
) -> list[Recorded]:
    """Play and record episodes.

    Args:
        agent: who plays; None plays at random.
        game: with its own picture kept, where there is one.
        number: of episodes.
        folder: for the videos, ``episode_000_score_21.0.mp4``.
        seed: of the first; the next ones follow.
        greedy: take the likeliest actions.
        gif: write an animated GIF of each, too.
        done: called with 1 after each.

    Raises:
        StorageError: the disk is full.
    """
    played = []
    for index in range(number):
        played.append(_record(agent, game, index, folder, seed * _SEEDS_APART + index, greedy, gif))
        done(1)
    return played


def random_scores(
    game: AgentGame, number: int, seed: int, done: Callable[[int], None] = lambda _: None
) -> list[float]:
    """What chance scores in so many episodes, under the same seeds."""
    scores = []
    for index in range(number):
        scores.append(episode(None, game, seed * _SEEDS_APART + index).score)
        done(1)
    return scores


def _record(
    agent: Agent | None, game: AgentGame, index: int, folder: Path, seed: int, greedy: bool, gif: bool
) -> Recorded:
    writer: VideoWriter | None = None
    score, length, brightest, ended, note = 0.0, 0, 0, False, ""
    kept: list[np.ndarray] = []
    try:
        for turn in turns(agent, game, seed, greedy):
            score, length, ended = score + turn.moment.reward, length + 1, turn.moment.last
            screen = game.screen
            if screen is None:
                continue
            brightest = max(brightest, int(screen.max()))
            if gif and len(kept) < _GIF_FRAMES:
                kept.append(screen)
            if not note:
                writer, note = _filmed(writer, screen, folder, game.fps)
        stem = f"episode_{index:03d}_score_{score:.1f}"
        if game.screen is None:
            note = f"{game.task.env_id} shows no picture, so there is nothing to film"
        elif brightest < _BLACK and not note:
            note = (
                "all frames are black: the game draws nothing here; it may need a display or another renderer"
            )
        video = None
        if writer is not None:
            video, writer = writer.finish(folder / f"{stem}.mp4").name, None
        if kept:
            save_gif(folder / f"{stem}.gif", np.stack(kept), min(game.fps, 50.0), _scale(kept[0]))
        return Recorded(score, length, ended, video, note)
    finally:
        if writer is not None:
            writer.discard()


def _filmed(
    writer: VideoWriter | None, screen: np.ndarray, folder: Path, fps: float
) -> tuple[VideoWriter | None, str]:
    """Add a frame; where this machine cannot film, say so once and go on."""
    try:
        writer = writer or VideoWriter(folder, fps, _scale(screen))
        writer.add(screen)
        return writer, ""
    except VideoError as error:
        if writer is not None:
            writer.discard()
        return None, f"no video: {error}"


def _scale(screen: np.ndarray) -> int:
    return max(1, round(_VIDEO_PX / min(screen.shape[:2])))
