"""The agent lives: environments side by side, stepped by its own policy, every step into the replay."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from tinyworlds.dreamer.agent import Agent, Memory, Observation
from tinyworlds.dreamer.replay import Replay, classes_of
from tinyworlds.dreamer.spaces import Spaces


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

    spaces: Spaces

    def reset(self, seed: int | None = None) -> Moment:
        """Begin an episode."""

    def step(self, action: np.ndarray) -> Moment:
        """Take an action, one-hot or numbers in -1 to 1."""


@dataclass(frozen=True)
class Episode:
    """A finished one.

    Attributes:
        score: sum of its rewards.
        length: its steps.
        env_steps: those that all games had taken then.
    """

    score: float
    length: int
    env_steps: int = 0


def episode_seed(seed: int, env: int, number: int) -> int:
    """The seed that an environment's episode of that number begins with."""
    return int(np.random.SeedSequence([seed, env, number]).generate_state(1)[0] >> 1)


class Collector:
    """Steps games with an agent.

    What is drawn depends on `seed` and the number of steps alone, so that a run that was killed goes on as
    if it had not been.

    Args:
        games: Side by side.
        replay: Takes every step.
        seed: Of the games' beginnings, and of the actions.
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
        self._episodes = np.zeros(len(games), np.int64)
        self._moments = [self._begin(env) for env in range(len(games))]
        self._first = np.ones(len(games), bool)
        self._scores, self._lengths = np.zeros(len(games)), np.zeros(len(games), np.int64)
        self._memory: Memory | None = None

    def step(self, agent: Agent) -> None:
        """Let every game go on by one step."""
        device = next(agent.parameters()).device
        if self._memory is None:
            self._memory = agent.initial_memory(len(self.games), device)
        first = torch.from_numpy(self._first.copy()).to(device)
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(episode_seed(self.seed, len(self.games), self.num_steps))
            actions, self._memory = agent.act(self._memory, self._seen(device), first)
        chosen, deter = actions.cpu().numpy(), self._memory.deter.float().cpu().numpy()
        classes = classes_of(self._memory.stoch, agent.sizes).cpu().numpy()
        self.num_steps += len(self.games)
        for env, game in enumerate(self.games):
            moment = self._moments[env]
            action = np.zeros_like(chosen[env]) if moment.last else chosen[env]
            self.replay.add(env, self._row(env, moment, action, deter[env], classes[env]))
            self._count(env, moment)
            self._first[env] = moment.last
            self._moments[env] = self._next_episode(env) if moment.last else game.step(action)

    # ---- going on after a stop

    def state(self) -> dict[str, Any]:
        """What :meth:`restore` needs, plain values and tensors."""
        memory = None if self._memory is None else [part.cpu() for part in self._memory]
        return {
            "num_steps": self.num_steps,
            "episodes": self._episodes.tolist(),
            "scores": self._scores.tolist(),
            "lengths": self._lengths.tolist(),
            "memory": memory,
        }

    def count_on(self, state: Mapping[str, Any]) -> None:
        """Count steps and episodes on from a run whose replay is gone: none of its episodes comes again.

        Args:
            state: Of :meth:`state`.
        """
        self.num_steps = int(state["num_steps"])
        self._episodes = np.array(state["episodes"], np.int64)

    def restore(self, state: Mapping[str, Any], device: torch.device) -> list[int]:
        """Go on where a run stood: every game is led there again by the actions in the replay.

        Args:
            state: Of :meth:`state`; the replay must hold what it held then.
            device: Of the agent.

        Returns:
            The environments that did not come to the same place, and begin a new episode instead.
        """
        self.count_on(state)
        self._scores, self._lengths = np.array(state["scores"]), np.array(state["lengths"], np.int64)
        memory = state["memory"]
        self._memory = None if memory is None else Memory(*(part.to(device) for part in memory))
        self._first = self._lengths == 0
        lost = [env for env in range(len(self.games)) if not self._lead_back(env)]
        for env in lost:
            self._moments[env] = self._next_episode(env)
            self._first[env], self._scores[env], self._lengths[env] = True, 0.0, 0
        return lost

    def _lead_back(self, env: int) -> bool:
        """Play an environment's episode again up to where it stood; whether it shows what it showed."""
        self._moments[env] = moment = self._begin(env)
        length = int(self._lengths[env])
        if length > self.replay.num_held(env):
            return False  # the replay has forgotten how it began
        for step in range(-length, 0):
            row = self.replay.row(env, step)
            if moment.last or not _same(row, moment):
                return False
            self._moments[env] = moment = self.games[env].step(row["action"])
        return True

    def _begin(self, env: int) -> Moment:
        return self.games[env].reset(episode_seed(self.seed, env, int(self._episodes[env])))

    def _next_episode(self, env: int) -> Moment:
        self._episodes[env] += 1
        return self._begin(env)

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
            self._heard(Episode(float(self._scores[env]), int(self._lengths[env]), self.num_steps))
            self._scores[env], self._lengths[env] = 0.0, 0

    def _seen(self, device: torch.device) -> Observation:
        def stacked(parts: list[np.ndarray | None]) -> torch.Tensor | None:
            known = [part for part in parts if part is not None]
            return torch.from_numpy(np.stack(known)).to(device) if known else None

        return Observation(
            stacked([moment.picture for moment in self._moments]),
            stacked([moment.vector for moment in self._moments]),
        )


def _same(row: Mapping[str, np.ndarray], moment: Moment) -> bool:
    """Whether a step in the replay shows a moment."""
    shown = {"picture": moment.picture, "vector": moment.vector}
    return all(part is None or np.array_equal(row[name], part) for name, part in shown.items())
