"""An agent plays episodes to be judged or watched: no training, nothing kept but what was seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from tinyworlds.dreamer.agent import Agent, Observation
from tinyworlds.dreamer.collector import Episode, Moment, Playable, episode_seed
from tinyworlds.dreamer.spaces import Spaces


class Turn(NamedTuple):
    """A step of an episode: what was seen, and the action that was chosen there."""

    moment: Moment
    action: np.ndarray


@torch.no_grad()
def turns(
    agent: Agent | None,
    game: Playable,
    seed: int,
    greedy: bool = False,
    num_steps: int | None = None,
) -> Iterator[Turn]:
    """Play one episode, and yield every step of it, the last one too.

    Args:
        agent: Who plays; None plays at random.
        game: To be played.
        seed: Of the game, and of what is drawn; the same seed is the same episode.
        greedy: Take the likeliest action instead of drawing one.
        num_steps: Stop after so many, whether the episode is over or not.
    """
    device = next(agent.parameters()).device if agent is not None else torch.device("cpu")
    moment, number = game.reset(seed), 0
    memory = agent.initial_memory(1, device) if agent is not None else None
    random = np.random.default_rng(seed)
    while True:
        if agent is None or memory is None:
            action = _at_random(game.spaces, random)
        else:
            with torch.random.fork_rng([device] if device.type == "cuda" else []):
                torch.manual_seed(episode_seed(seed, 0, number))
                first = torch.tensor([number == 0], device=device)
                actions, memory = agent.act(memory, observed(moment, device), first, greedy)
            action = actions[0].cpu().numpy()
        yield Turn(moment, action)
        number += 1
        if moment.last or number == num_steps:
            return
        moment = game.step(action)


def episode(agent: Agent | None, game: Playable, seed: int, greedy: bool = False) -> Episode:
    """Play one episode, and return its score and its steps."""
    rewards = [turn.moment.reward for turn in turns(agent, game, seed, greedy)]
    return Episode(float(sum(rewards)), len(rewards))


def observed(moment: Moment, device: torch.device) -> Observation:
    """A moment as an agent takes it, a batch of one."""

    def batch(part: np.ndarray | None) -> torch.Tensor | None:
        return None if part is None else torch.from_numpy(part[None]).to(device)

    return Observation(batch(moment.picture), batch(moment.vector))


def _at_random(spaces: Spaces, random: np.random.Generator) -> np.ndarray:
    if spaces.num_actions:
        return np.eye(spaces.num_actions, dtype=np.float32)[random.integers(spaces.num_actions)]
    return random.uniform(-1, 1, spaces.action_dim).astype(np.float32)
