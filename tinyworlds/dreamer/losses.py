"""What the agent is trained on: one sum over the world model, the actor and the critic.

After DreamerV3 (https://arxiv.org/abs/2301.04104, 2024), sections "world model learning", "critic learning"
and "actor learning". Shapes: B batch, T steps, N = B * T starts of dreams, H dreamt steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from tinyworlds.dreamer.agent import Agent, Observation
from tinyworlds.dreamer.returns import lambda_return
from tinyworlds.dreamer.rssm import Carry, kl_divergence
from tinyworlds.nn.two_hot import bins_loss, bins_losses, mean_of_bins, symlog


class Steps(NamedTuple):
    """Windows of experience, ``[B, T + 1]``; the first step only gives a memory to go on from.

    Attributes:
        seen: Observations.
        actions: ``[..., A]``, each chosen at its step.
        rewards: Received on arriving at the step.
        first: Bool, whether an episode begins.
        last: Bool, whether it ends or is cut here.
        terminal: Bool, whether nothing can be earned after it.
        memory: The agent's own state at each step, as it was when it was last seen.
    """

    seen: Observation
    actions: Tensor
    rewards: Tensor
    first: Tensor
    last: Tensor
    terminal: Tensor
    memory: Carry


@dataclass(frozen=True)
class LossSettings:
    """Weights and horizons.

    Args:
        horizon: Steps after which a reward counts a third: the discount is ``1 - 1 / horizon``.
        imagined_steps: H.
        lam: Of the returns.
        free_nats: Divergence that costs nothing.
        entropy: Weight of the actor's entropy.
        dynamics_scale: Weight of teaching the prior.
        representation_scale: Weight of keeping the posterior predictable.
        slow_scale: Weight of staying near the slow critic.
        replay_scale: Weight of the critic's loss on what really happened.
    """

    horizon: float = 333.0
    imagined_steps: int = 15
    lam: float = 0.95
    free_nats: float = 1.0
    entropy: float = 3e-4
    dynamics_scale: float = 1.0
    representation_scale: float = 0.1
    slow_scale: float = 1.0
    replay_scale: float = 0.3

    @property
    def discount(self) -> float:
        """By which a step later counts less."""
        return 1 - 1 / self.horizon


class Outcome(NamedTuple):
    """What a loss gave.

    Attributes:
        loss: To be minimised.
        terms: Figures by the names of the published code's logs, detached.
        memory: ``[B, T]``, the states of the windows without their first step, detached.
    """

    loss: Tensor
    terms: dict[str, Tensor]
    memory: Carry


def agent_loss(agent: Agent, steps: Steps, settings: LossSettings) -> Outcome:
    """The whole loss on windows of experience."""
    world, carry = _world_loss(agent, steps, settings)
    starts = Carry(*(part.detach().flatten(0, 1) for part in carry))
    dream, returns = _dream_loss(agent, starts, settings)
    first_returns = returns[:, 0].unflatten(0, carry.deter.shape[:2])
    replayed = _replay_loss(agent, carry, steps, first_returns, settings)
    losses = {**world.losses, **dream.losses, "repval": replayed * settings.replay_scale}
    terms = {f"loss/{name}": loss.detach() for name, loss in losses.items()} | world.figures | dream.figures
    total = torch.stack([*losses.values()]).sum()
    return Outcome(total, terms, Carry(*(part.detach() for part in carry)))


class _Part(NamedTuple):
    losses: dict[str, Tensor]
    figures: dict[str, Tensor]


def _world_loss(agent: Agent, steps: Steps, settings: LossSettings) -> tuple[_Part, Carry]:
    rssm = agent.rssm
    seen = Observation(*(None if part is None else part[:, 1:] for part in steps.seen))
    before = Carry(steps.memory.deter[:, 0], steps.memory.stoch[:, 0])
    carry, logits = rssm.observe(before, steps.actions[:, :-1], agent.encode(seen), steps.first[:, 1:])
    posterior, prior = rssm.log_probabilities(logits), rssm.log_probabilities(rssm.prior(carry.deter))
    dynamics = kl_divergence(posterior.detach(), prior)
    representation = kl_divergence(posterior, prior.detach())
    features = carry.features
    lives = (~steps.terminal[:, 1:]).float() * settings.discount
    going_on = agent.going_on(features).squeeze(-1).float()
    losses = {
        **_likeness(agent, carry, seen),
        "rew": bins_loss(agent.reward(features), steps.rewards[:, 1:]).mean(),
        "con": F.binary_cross_entropy_with_logits(going_on, lives),
        "dyn": dynamics.clamp(min=settings.free_nats).mean() * settings.dynamics_scale,
        "rep": representation.clamp(min=settings.free_nats).mean() * settings.representation_scale,
    }
    figures = {"dyn_ent": _entropy(prior), "rep_ent": _entropy(posterior), "kl": dynamics.mean().detach()}
    return _Part(losses, figures), carry


def _likeness(agent: Agent, carry: Carry, seen: Observation) -> dict[str, Tensor]:
    """How far what was drawn is from what was seen."""
    drawn, losses = agent.draw(carry), {}
    if drawn.picture is not None and seen.picture is not None:
        truth = seen.picture.movedim(-1, -3).float() / 255
        losses["image"] = (drawn.picture - truth).square().sum(dim=(-3, -2, -1)).mean()
    if drawn.vector is not None and seen.vector is not None:
        losses["vector"] = (drawn.vector.float() - symlog(seen.vector.float())).square().sum(-1).mean()
    return losses


def _dream_loss(agent: Agent, starts: Carry, settings: LossSettings) -> tuple[_Part, Tensor]:
    """Losses of actor and critic in dreams, and the returns ``[N, H]``."""
    dreamt, actions = agent.imagine(starts, settings.imagined_steps)
    features = dreamt.features
    with torch.no_grad():
        rewards, continues = agent.rewards(features), agent.continues(features)
        slow_values = agent.value(features, slow=True)
        weights = continues.cumprod(dim=1)[:, :-1]
    logits = agent.critic(features)
    values = mean_of_bins(logits).detach()
    returns = lambda_return(rewards, continues, values, settings.lam)
    agent.return_scale.update(returns)
    advantages = (returns - values[:, :-1]) / agent.return_scale.value
    outputs = agent.actor(features[:, :-1])
    log_probability = agent.actions.log_probability(outputs, actions[:, :-1])
    entropy = agent.actions.entropy(outputs)
    policy = -weights * (log_probability * advantages + settings.entropy * entropy)
    critic = _critic_loss(logits, returns, slow_values, settings)
    losses = {"policy": policy.mean(), "value": (weights * critic[:, :-1]).mean()}
    figures = {
        "ent/action": entropy.mean().detach(),
        "adv": advantages.mean(),
        "ret": returns.mean(),
        "val": values.mean(),
        "con": continues.mean(),
        "rew": rewards.mean(),
    }
    return _Part(losses, figures), returns


def _replay_loss(
    agent: Agent, carry: Carry, steps: Steps, first_returns: Tensor, settings: LossSettings
) -> Tensor:
    """The critic's loss on what really happened; its gradient reaches the whole world model."""
    features = carry.features
    logits = agent.critic(features)
    with torch.no_grad():
        slow_values = agent.value(features, slow=True)
        last, terminal = steps.last[:, 1:], steps.terminal[:, 1:]
        lives = (~terminal).float() * settings.discount
        reach = (~last).float() * settings.lam
        returns = lambda_return(steps.rewards[:, 1:], lives, first_returns, reach)
    loss = _critic_loss(logits, returns, slow_values, settings)
    return (loss * (~last).float())[:, :-1].mean()


def _critic_loss(logits: Tensor, returns: Tensor, slow_values: Tensor, settings: LossSettings) -> Tensor:
    """How far the critic is from returns and slow critic, ``[..., T]``; the last is not counted."""
    from_returns, from_slow = bins_losses(logits, _padded(returns), slow_values)
    return from_returns + settings.slow_scale * from_slow


def _padded(returns: Tensor) -> Tensor:
    """With a last step, which is not counted."""
    return torch.cat([returns, torch.zeros_like(returns[:, -1:])], dim=1)


def _entropy(log_probabilities: Tensor) -> Tensor:
    return -(log_probabilities.exp() * log_probabilities).sum(dim=(-2, -1)).mean().detach()
