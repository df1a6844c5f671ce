"""What the agent imagines: given some true steps, it dreams on under the actions that were really taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tinyworlds.dreamer.agent import Agent, Observation
from tinyworlds.dreamer.games import AgentGame
from tinyworlds.dreamer.losses import LossSettings, Steps
from tinyworlds.dreamer.playing import Turn, observed, turns
from tinyworlds.dreamer.rssm import Carry
from tinyworlds.errors import ConfigError

CONTEXT = 16
"""True steps that are given; the published code takes half of 32."""


class OpenLoop(NamedTuple):
    """Clips of what was and what was imagined.

    Attributes:
        context: Steps that were given.
        truth: Pictures, uint8 ``[B, T, H, W, 3]``; None where none are seen.
        dream: What the decoder draws: of what was seen for `context` steps, then of what was imagined.
        picture_error: Mean squared error of the pictures in [0, 1] by step, ``[T]``; NaN where all clips are
            over, or nothing is seen.
        vector_error: The same of the numbers seen, in symlog.
        reward_error: Mean absolute error of the reward, ``[T]``.
        end_error: Mean absolute error of whether the episode is over, ``[T]``.
        counted: Clips that count at each step, ``[T]``: what begins anew cannot be foreseen.
    """

    context: int
    truth: np.ndarray | None
    dream: np.ndarray | None
    picture_error: np.ndarray
    vector_error: np.ndarray
    reward_error: np.ndarray
    end_error: np.ndarray
    counted: np.ndarray

    @property
    def error(self) -> np.ndarray | None:
        """``(dream - truth + 255) / 2``: grey 127 is right."""
        if self.truth is None or self.dream is None:
            return None
        return ((self.dream.astype(np.int16) - self.truth + 255) // 2).astype(np.uint8)


@torch.no_grad()
def open_loop(
    agent: Agent, steps: Steps, context: int = CONTEXT, discount: float = LossSettings().discount
) -> OpenLoop:
    """Observe the first steps of windows, then imagine the rest under the recorded actions.

    Args:
        agent: Whose dreams.
        steps: Windows ``[B, T + 1]``, the first step for its memory alone.
        context: Steps that are observed, 1 to T - 1.
        discount: That the agent was trained with.

    Raises:
        ConfigError: There is nothing left to imagine.
    """
    length = steps.rewards.shape[1] - 1
    if not 1 <= context < length:
        raise ConfigError(
            f"of {length} steps at least 1 and at most {length - 1} can be given, not {context}."
        )
    seen = Observation(*(None if part is None else part[:, 1:] for part in steps.seen))
    given = Observation(*(None if part is None else part[:, :context] for part in seen))
    rssm, before = agent.rssm, Carry(*(part[:, 0] for part in steps.memory))
    carry, _ = rssm.observe(
        before, steps.actions[:, :context], agent.encode(given), steps.first[:, 1 : context + 1]
    )
    states = [Carry(*(part[:, step] for part in carry)) for step in range(context)]
    for step in range(context, length):
        states.append(rssm.step(states[-1], steps.actions[:, step])[0])
    states_of = Carry(*(torch.stack(parts, dim=1) for parts in zip(*states, strict=True)))
    anew = steps.first[:, 1:].clone()
    anew[:, :context] = False
    counts = (anew.long().cumsum(1) == 0).float()
    drawn, features = agent.draw(states_of), states_of.features

    def mean(errors: Tensor) -> np.ndarray:
        summed = (errors.float() * counts).sum(0)
        return torch.where(counts.sum(0) > 0, summed / counts.sum(0).clamp(min=1), torch.nan).cpu().numpy()

    nothing = torch.full_like(counts, torch.nan)
    picture_error = vector_error = nothing
    truth = dream = None
    if drawn.picture is not None and seen.picture is not None:
        true = seen.picture.movedim(-1, -3).float() / 255
        picture_error = (drawn.picture - true).square().mean(dim=(-3, -2, -1))
        truth, dream = _bytes(seen.picture), _bytes((drawn.picture.movedim(-3, -1) * 255).round())
    if drawn.vector is not None and seen.vector is not None:
        true = seen.vector.sign() * seen.vector.abs().log1p()
        vector_error = (drawn.vector.float() - true).square().mean(dim=-1)
    over = 1 - (agent.continues(features) / discount).clamp(0, 1)
    return OpenLoop(
        context,
        truth,
        dream,
        mean(picture_error),
        mean(vector_error),
        mean((agent.rewards(features) - steps.rewards[:, 1:]).abs()),
        mean((over - steps.terminal[:, 1:].float()).abs()),
        counts.sum(0).cpu().numpy(),
    )


def played_windows(
    agent: Agent, game: AgentGame, number: int, length: int, seed: int, greedy: bool = False
) -> Steps:
    """Play episodes, and return the beginning of each as windows for :func:`open_loop`.

    Args:
        agent: Who plays.
        game: To be played.
        number: Of episodes.
        length: Steps of a window at most; as many as the shortest episode has.
        seed: Of the first episode.
        greedy: Take the likeliest actions.

    Raises:
        ConfigError: An episode is over after two steps, so that there is nothing to imagine.
    """
    played = [[*turns(agent, game, seed + index, greedy, length + 1)] for index in range(number)]
    steps = min(map(len, played))
    if steps < 4:
        raise ConfigError(
            f"an episode of {game.task.name} is over after {steps} steps: too few to imagine any"
        )
    rows = [_window(agent, episode[:steps]) for episode in played]
    return Steps(
        Observation(*(_joined(parts) for parts in zip(*(row.seen for row in rows), strict=True))),
        torch.cat([row.actions for row in rows]),
        torch.cat([row.rewards for row in rows]),
        torch.cat([row.first for row in rows]),
        torch.cat([row.last for row in rows]),
        torch.cat([row.terminal for row in rows]),
        Carry(*(torch.cat(parts) for parts in zip(*(row.memory for row in rows), strict=True))),
    )


def _window(agent: Agent, episode: Sequence[Turn]) -> Steps:
    """One episode as a batch of one window; its first step becomes a memory."""
    device = next(agent.parameters()).device
    seen = [observed(turn.moment, device) for turn in episode]
    pictures, vectors = zip(*seen, strict=True)
    number = len(episode)
    first = torch.zeros(1, number, dtype=torch.bool, device=device)
    first[:, 0] = True

    def column(values: Sequence[float]) -> Tensor:
        return torch.tensor(values, device=device)[None]

    start = agent.initial_memory(1, device)
    with torch.no_grad():
        carry, _ = agent.rssm.see(start.carry, start.action, agent.encode(seen[0]), first[:, 0])
    return Steps(
        Observation(_stacked(pictures), _stacked(vectors)),
        torch.from_numpy(np.stack([turn.action for turn in episode])).to(device)[None],
        column([turn.moment.reward for turn in episode]).float(),
        first,
        column([turn.moment.last for turn in episode]).bool(),
        column([turn.moment.terminal for turn in episode]).bool(),
        Carry(*(part[:, None].expand(-1, number, -1) for part in carry)),
    )


def _stacked(parts: Sequence[Tensor | None]) -> Tensor | None:
    known = [part for part in parts if part is not None]
    return torch.stack(known, dim=1) if known else None


def _joined(parts: Sequence[Tensor | None]) -> Tensor | None:
    known = [part for part in parts if part is not None]
    return torch.cat(known) if known else None


def _bytes(pictures: Tensor) -> np.ndarray:
    found = pictures.clamp(0, 255).to(torch.uint8).cpu().numpy()
    return found.repeat(3, axis=-1) if found.shape[-1] == 1 else found
