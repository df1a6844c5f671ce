"""What an agent can play, by the names that people write: ``atari_pong``, ``ALE/Pong-v5``, ``doom``."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium as gym

from games.registry import get, titles
from tinyworlds.errors import ConfigError, MissingExtraError, did_you_mean
from tinyworlds.sources.record.environments import find_environment
from tinyworlds.system.files import portable_name
from tinyworlds.world.file import read_header

_ATARI_SKIP, _ATARI_NOOPS = 4, 30
_DREAM_STEPS = 500  # of an episode in a learned world, which drifts
_SUITES = ("atari", "procgen", "dmc")


@dataclass(frozen=True)
class Task:
    """A game, and how it is played.

    Attributes:
        name: for folders and tables, such as ``atari_pong``.
        env_id: gymnasium's id.
        frame_skip: game steps per action; None takes the recorder's default.
        actions: names of those that may be chosen; None for all.
        crop: part of the picture that is seen, in its pixels: left, top, width, height; None for all.
        env_kwargs: settings of the environment's own.
        noops: at most so many steps without an action before an episode begins, so that no two are alike.
        pooled: whether a picture is the brighter of the last two, as some consoles draw a thing in every
            second frame only.
    """

    name: str
    env_id: str
    frame_skip: int | None = None
    actions: tuple[str, ...] | None = None
    crop: tuple[int, int, int, int] | None = None
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)
    noops: int = 0
    pooled: bool = False


def find_task(asked: str) -> Task:
    """Return what is meant by a name.

    Args:
        asked: a title of ours (``doom``), a game of a suite (``atari_ms_pacman``, ``procgen_coinrun``,
            ``dmc_walker_walk``), ``catch``, a ``.world`` file that expects rewards, or any gymnasium id.

    Raises:
        ConfigError: there is no such game.
        MissingExtraError: its package is not installed.
        MissingFileError: there is no such ``.world`` file.
        CheckpointError: it is damaged.
    """
    if Path(asked).suffix == ".world":
        return _of_world(Path(asked))
    if asked == "catch":
        return Task("catch", find_environment("TinyWorlds/Catch-v0"))
    if asked in titles():
        return _of_title(asked)
    suite, _, game = asked.partition("_")
    if suite == "atari" and game:
        return _atari(_atari_id(game))
    if suite == "procgen" and game:
        return Task(asked, find_environment(f"procgen/{game}"))
    if suite == "dmc" and game:
        return _control(asked, game)
    if asked.startswith("ALE/"):
        return _atari(find_environment(asked))
    try:
        return Task(portable_name(_snake(asked), "game"), find_environment(asked))
    except ConfigError as error:
        near = did_you_mean(asked, [*titles(), "catch"])
        raise ConfigError(
            f"no game is called '{asked}'.{near} Name a title ({', '.join(titles())}), catch, a game of a "
            f"suite ({', '.join(f'{each}_...' for each in _SUITES)}), or a gymnasium id such as ALE/Pong-v5."
        ) from error


def _of_title(name: str) -> Task:
    spec = get(name)
    if spec.env_id is None:
        raise ConfigError(f"{spec.title} cannot be played live: no environment plays it.")
    return Task(
        name,
        find_environment(spec.env_id),
        spec.frame_skip,
        spec.record_actions,
        spec.crop,
        spec.env_kwargs,
        noops=_ATARI_NOOPS if spec.env_id.startswith("ALE/") else 0,
        pooled=spec.env_id.startswith("ALE/"),
    )


def _of_world(path: Path) -> Task:
    """A learned world as the game: from the first frame of its clips on, and cut where it would drift."""
    if not read_header(path)["configs"].get("dynamics", {}).get("outcomes"):
        raise ConfigError(
            f"{path} expects no rewards, so nothing can be learned in it: train its dynamics with "
            "--model.actions labels --model.outcomes true on a recording that holds rewards"
        )
    name = portable_name(f"{path.stem}_world", "world")
    settings = {"world": str(path.resolve()), "max_steps": _DREAM_STEPS, "start_frames": 1}
    return Task(name, find_environment("TinyWorlds/World"), frame_skip=1, env_kwargs=settings)


def _atari(env_id: str) -> Task:
    name = f"atari_{_snake(env_id)}"
    return Task(name, env_id, _ATARI_SKIP, noops=_ATARI_NOOPS, pooled=True)


def _atari_id(game: str) -> str:
    try:
        find_environment("ALE/Pong-v5")  # imports the package, which registers all games
    except MissingExtraError as error:
        raise MissingExtraError(str(error).replace("ALE/Pong-v5", f"atari_{game}")) from error
    known = {_plain(env_id): env_id for env_id in gym.registry if env_id.startswith("ALE/")}
    if _plain(game) not in known:
        names = sorted(_snake(env_id) for env_id in known.values())
        raise ConfigError(f"no Atari game is called '{game}'.{did_you_mean(game, names)}")
    return known[_plain(game)]


def _control(asked: str, game: str) -> Task:
    """A task of the DeepMind control suite, which Shimmy makes a gymnasium environment."""
    try:
        importlib.import_module("shimmy")
    except ImportError as error:
        raise MissingExtraError(
            f"{asked} needs the package 'shimmy'; run: pip install 'shimmy[dm-control]'"
        ) from error
    domain, _, what = game.partition("_")
    return Task(asked, find_environment(f"dm_control/{domain}-{what}-v0"), frame_skip=2)


def _snake(env_id: str) -> str:
    name = re.sub(r"-v\d+$", "", re.split(r"[/:]", env_id)[-1])
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()).strip("_")


def _plain(name: str) -> str:
    return _snake(name).replace("_", "")
