"""The agent lives: environments side by side, stepped by its own policy, every step into the replay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from tinyworlds.dreamer.agent import Agent, Memory, Observation
from tinyworlds.dreamer.replay import Replay, classes_of


@dataclass(frozen=True)
class Moment:
    """What a game shows after a step.

    Attributes:
        picture: uint8 ``[H, W, C]``, or None.
        vector: float32 ``[V]``, or None.
        reward: Earned by arriving here.
        terminal: Nothing can be earned after it.
        last: The episode ends here, or is cut.
    """

    picture: np.ndarray | None
    vector: np.ndarray | None
    reward: float = 0.0
    terminal: bool = False
    last: bool = False


class Playable(Protocol):
    """A game, as the agent meets it."""

    def reset(self, seed: int | None = None) -> Moment:
        """Begin an episode."""

    def step(self, action: np.ndarray) -> Moment:
        """Take an action, one-hot or numbers in -1 to 1."""


@dataclass(frozen=True)
class Episode:
    """A finished one: sum of rewards, and steps."""

    score: float
    length: int


class Collector:
    """Steps games with an agent.

    Args:
        games: Side by side.
        replay: Takes every step.
        seed: Of the games' beginnings.
        heard: Told of every finished episode.
    """

    def __init__(
        self,
        games: Sequence[Playable],
        replay: Replay,
        seed: int = 0,
        heard: Callable[[Episode], None] | None = None,
    ) -> None:
        self.games, self.replay, self.seed = games, replay, seed
        self.num_steps = 0
        self._heard = heard or (lambda _: None)
        self._moments = [game.reset(seed + number) for number, game in enumerate(games)]
        self._first = np.ones(len(games), bool)
        self._scores, self._lengths = np.zeros(len(games)), np.zeros(len(games), np.int64)
        self._memory: Memory | None = None

    def step(self, agent: Agent) -> None:
        """Let every game go on by one step."""
        device = next(agent.parameters()).device
        if self._memory is None:
            self._memory = agent.initial_memory(len(self.games), device)
        first = torch.from_numpy(self._first.copy()).to(device)
        actions, self._memory = agent.act(self._memory, self._seen(device), first)
        chosen, deter = actions.cpu().numpy(), self._memory.deter.float().cpu().numpy()
        classes = classes_of(self._memory.stoch, agent.sizes).cpu().numpy()
        for env, game in enumerate(self.games):
            moment = self._moments[env]
            action = np.zeros_like(chosen[env]) if moment.last else chosen[env]
            self.replay.add(env, self._row(env, moment, action, deter[env], classes[env]))
            self._count(env, moment)
            self._first[env] = moment.last
            self._moments[env] = game.reset() if moment.last else game.step(action)
        self.num_steps += len(self.games)

    def _row(
        self, env: int, moment: Moment, action: np.ndarray, deter: np.ndarray, classes: np.ndarray
    ) -> dict[str, Any]:
        return {
            "picture": moment.picture, "vector": moment.vector, "action": action, "reward": moment.reward,
            "first": self._first[env], "last": moment.last, "terminal": moment.terminal,
            "deter": deter, "classes": classes,
        }  # fmt: skip

    def _count(self, env: int, moment: Moment) -> None:
        self._scores[env] += moment.reward
        self._lengths[env] += 1
        if moment.last:
            self._heard(Episode(float(self._scores[env]), int(self._lengths[env])))
            self._scores[env], self._lengths[env] = 0.0, 0

    def _seen(self, device: torch.device) -> Observation:
        def stacked(parts: list[np.ndarray | None]) -> torch.Tensor | None:
            known = [part for part in parts if part is not None]
            return torch.from_numpy(np.stack(known)).to(device) if known else None

        return Observation(
            stacked([moment.picture for moment in self._moments]),
            stacked([moment.vector for moment in self._moments]),
        )
