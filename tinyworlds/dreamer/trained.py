"""Agents out of checkpoints, and the games that they were trained on."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tinyworlds.checkpoints.run_folder import LOGS
from tinyworlds.checkpoints.search import Located, Say, find_newest, locate
from tinyworlds.dreamer.agent import Agent
from tinyworlds.dreamer.games import AgentGame
from tinyworlds.dreamer.tasks import Task, find_task
from tinyworlds.errors import CheckpointError, ConfigError, MissingFileError
from tinyworlds.models.registry import AGENT

LATEST = "latest"


@dataclass(frozen=True)
class Trained:
    """A trained agent.

    Attributes:
        path: its checkpoint.
        agent: the networks, in eval mode.
        task: what it was trained on, as it was asked for; None where the checkpoint does not say.
        env_kwargs: settings of the game's own.
        updates: done.
        frames: of the game, seen in training.
        action_names: of the actions that it chooses from.
        fps: its steps in a second of the game; None where the checkpoint does not say.
    """

    path: Path
    agent: Agent
    task: str | None
    env_kwargs: dict[str, Any]
    updates: int
    frames: int
    action_names: tuple[str, ...] = ()
    fps: float | None = None

    @property
    def preset(self) -> str:
        """The name of its sizes."""
        return str(self.agent.config["preset"])

    @property
    def name(self) -> str:
        """For folders and tables: run, version and step."""
        parts = [
            part for part in self.path.with_suffix("").parts[-5:] if part not in ("checkpoints", AGENT.name)
        ]
        return "_".join(parts)


def find_agents(named: Sequence[str], device: torch.device | str = "cpu", say: Say = print) -> list[Trained]:
    """Return the agents that are meant.

    Args:
        named: checkpoints, patterns, folders of which the newest is taken, or ``latest``.
        device: where they go.
        say: called with a line about what was taken or skipped.

    Raises:
        MissingFileError: there is none.
        CheckpointError: one is damaged, or of another stage.
    """
    found: list[Trained] = []
    for name in named:
        if name == LATEST:
            newest = find_newest(LOGS, AGENT.name, say)
            if newest is None:
                raise MissingFileError(
                    f"{LOGS} holds no agent; train one: tinyworlds fit --config dreamer_catch.yaml"
                )
            say(f"latest: {newest.path}")
            found.append(_trained(newest, device))
            continue
        paths = [name] if Path(name).exists() else sorted(glob.glob(name, recursive=True), key=_by_step)
        if not paths:
            raise MissingFileError(f"--checkpoint {name}: there is no such file; 'latest' finds the newest")
        found += [_trained(locate(path, AGENT.name, say), device) for path in paths]
    return found


def open_game(trained: Trained | None, task: str | None, drawn: bool) -> tuple[Task, AgentGame]:
    """Return the game of a task as an agent sees it.

    Args:
        trained: who is to play; None for whoever plays at random.
        task: which; None for the one that it was trained on.
        drawn: whether the game's own picture is wanted.

    Raises:
        ConfigError: no task is known, or the agent cannot play it.
    """
    asked = task or (trained.task if trained is not None else None)
    if asked is None:
        raise ConfigError("--task is not set: name a game, such as --task atari_boxing")
    wanted = find_task(asked)
    if trained is None:
        return wanted, _drawn_if_possible(wanted, {}, drawn)
    spaces = trained.agent.spaces
    observe = "both" if spaces.frame_size and spaces.vector else "picture" if spaces.frame_size else "vector"
    settings = {
        "frame_size": spaces.frame_size or None,
        "grey": spaces.channels == 1 if spaces.frame_size else None,
        "observe": observe,
        "env_kwargs": trained.env_kwargs if task in (None, trained.task) else None,
    }
    game = _drawn_if_possible(wanted, settings, drawn)
    if game.spaces != spaces:
        game.close()
        raise ConfigError(
            f"{trained.path} cannot play {wanted.name}: it was trained on {trained.task} and knows "
            f"{_told(spaces)}, this game has {_told(game.spaces)}"
        )
    return wanted, game


def _drawn_if_possible(task: Task, settings: dict[str, Any], drawn: bool) -> AgentGame:
    try:
        return AgentGame(task, **settings, drawn=drawn)
    except ConfigError:
        if not drawn or settings.get("observe") == "picture":
            raise
        return AgentGame(task, **{**settings, "observe": "vector"})  # it draws nothing


def _trained(found: Located, device: torch.device | str) -> Trained:
    agent = found.network
    if not isinstance(agent, Agent):
        raise CheckpointError(f"{found.path} holds no agent but {found.stage}")
    meta = found.info.meta
    task, kwargs = meta.get("task"), meta.get("env_kwargs")
    steps, frames = (meta.get(name) for name in ("env_steps", "frames_per_step"))
    seen = steps * frames if isinstance(steps, int) and isinstance(frames, int) else 0
    return Trained(
        found.path,
        agent.to(device),
        task if isinstance(task, str) else None,
        kwargs if isinstance(kwargs, dict) else {},
        found.info.step,
        seen,
        tuple(map(str, meta.get("action_names") or ())),
        float(meta["fps"]) if isinstance(meta.get("fps"), (int, float)) else None,
    )


def _by_step(path: str) -> tuple[str, int, str]:
    stem = Path(path).stem
    number = stem.rpartition("_")[2]
    return str(Path(path).parent), int(number) if number.isdigit() else 1 << 60, stem


def _told(spaces: Any) -> str:
    seen = f"{spaces.frame_size} px" if spaces.frame_size else f"{spaces.vector} numbers"
    done = f"{spaces.num_actions} actions" if spaces.num_actions else f"{spaces.action_dim} numbers as action"
    return f"{seen} and {done}"
