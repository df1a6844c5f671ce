"""A plain reading of the agent: the paper's formulas line by line in PyTorch, nothing fused or shared.

Weights, sizes and the order of operations are ours; norms, draws, losses and the optimizer are written as
somebody would who has the paper and the library's own parts before them. `competent` settings: no gradient in
dreams, whole sequences through the heads at once, foreach where the optimizer allows it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.distributions import OneHotCategorical, OneHotCategoricalStraightThrough, kl_divergence
from torch.nn import functional as F

from tinyworlds.dreamer.agent import Agent, Observation
from tinyworlds.dreamer.distributions import DiscreteActions
from tinyworlds.dreamer.layers import EPS, BlockMap, ChannelNormSiLU, NormSiLU
from tinyworlds.dreamer.losses import LossSettings, Steps
from tinyworlds.dreamer.rssm import UNIMIX, Carry
from tinyworlds.nn.two_hot import bins, two_hot


class _PlainNorm(nn.Module):
    def __init__(self, ours: NormSiLU) -> None:
        super().__init__()
        self.weight, self.channels = ours.weight, isinstance(ours, ChannelNormSiLU)

    def forward(self, x: Tensor) -> Tensor:
        x = x.movedim(1, -1) if self.channels else x
        x = F.silu(F.rms_norm(x, self.weight.shape, self.weight, EPS))
        return x.movedim(-1, 1) if self.channels else x


class _PlainBlocks(nn.Module):
    def __init__(self, ours: BlockMap) -> None:
        super().__init__()
        self.weight, self.bias, self.blocks = ours.weight, ours.bias, ours.blocks

    def forward(self, x: Tensor) -> Tensor:
        parts = x.unflatten(-1, (self.blocks, -1))
        return torch.einsum("...gi,gio->...go", parts, self.weight).flatten(-2) + self.bias


def plain_agent(agent: Agent) -> Agent:
    """A copy of an agent, of plain parts."""
    plain = copy.deepcopy(agent)
    swap(plain)
    return plain


def swap(module: nn.Module) -> None:
    """Put plain parts in the place of ours, in a network and all within it."""
    for name, child in module.named_children():
        if isinstance(child, NormSiLU):
            setattr(module, name, _PlainNorm(child))
        elif isinstance(child, BlockMap):
            setattr(module, name, _PlainBlocks(child))
        else:
            swap(child)


def _mixed(logits: Tensor, share: float = UNIMIX) -> Tensor:
    return (1 - share) * logits.softmax(-1) + share / logits.shape[-1]


def _latents(agent: Agent, logits: Tensor) -> OneHotCategoricalStraightThrough:
    logits = logits.unflatten(-1, (agent.sizes.num_latents, -1))
    return OneHotCategoricalStraightThrough(probs=_mixed(logits), validate_args=False)


def _mean(logits: Tensor) -> Tensor:
    return (logits.softmax(-1) * bins(logits.device)).sum(-1)


def _cross_entropy(logits: Tensor, values: Tensor) -> Tensor:
    return -(two_hot(values) * logits.log_softmax(-1)).sum(-1)


def _lambda_return(rewards: Tensor, continues: Tensor, values: Tensor, lam: Tensor) -> Tensor:
    returns = [values[:, -1]]
    for t in reversed(range(1, rewards.shape[1])):
        ahead = (1 - lam[:, t]) * values[:, t] + lam[:, t] * returns[-1]
        returns.append(rewards[:, t] + continues[:, t] * ahead)
    return torch.stack(returns[:0:-1], 1)


def plain_loss(agent: Agent, steps: Steps, settings: LossSettings) -> Tensor:
    """The whole loss of a plain agent on windows."""
    seen = Observation(*(None if part is None else part[:, 1:] for part in steps.seen))
    tokens, rssm = agent.encode(seen), agent.rssm
    deter, stoch = steps.memory.deter[:, 0], steps.memory.stoch[:, 0]
    deters, stochs, posts = [], [], []
    for t in range(tokens.shape[1]):
        alive = 1 - steps.first[:, t + 1, None].float()
        deter = rssm.advance(Carry(deter * alive, stoch * alive), steps.actions[:, t] * alive)
        post = _latents(agent, rssm.posterior(torch.cat([deter, tokens[:, t]], -1)))
        stoch = post.rsample().flatten(-2)
        deters.append(deter)
        stochs.append(stoch)
        posts.append(post.probs)
    carry = Carry(torch.stack(deters, 1), torch.stack(stochs, 1))
    posterior = torch.stack(posts, 1)
    prior = _latents(agent, rssm.prior(carry.deter)).probs

    def divergence(p: Tensor, q: Tensor) -> Tensor:
        between = kl_divergence(OneHotCategorical(probs=p), OneHotCategorical(probs=q))
        return between.sum(-1).clamp(min=settings.free_nats).mean()

    features = carry.features
    lives = (~steps.terminal[:, 1:]).float() * settings.discount
    loss = settings.dynamics_scale * divergence(posterior.detach(), prior)
    loss = loss + settings.representation_scale * divergence(posterior, prior.detach())
    loss = loss + _cross_entropy(agent.reward(features), steps.rewards[:, 1:]).mean()
    loss = loss + F.binary_cross_entropy_with_logits(agent.going_on(features).squeeze(-1), lives)
    drawn = agent.draw(carry)
    if drawn.picture is not None and seen.picture is not None:
        truth = seen.picture.movedim(-1, -3).float() / 255
        loss = loss + F.mse_loss(drawn.picture, truth, reduction="none").sum((-3, -2, -1)).mean()
    policy, returns = _dream(agent, Carry(*(part.detach().flatten(0, 1) for part in carry)), settings)
    return loss + policy + settings.replay_scale * _replayed(agent, features, steps, returns, settings)


def _dream(agent: Agent, start: Carry, settings: LossSettings) -> tuple[Tensor, Tensor]:
    assert isinstance(agent.actions, DiscreteActions)
    carries, actions = [start], []
    with torch.no_grad():
        for _ in range(settings.imagined_steps + 1):
            policy = OneHotCategorical(probs=_mixed(agent.actor(carries[-1].features), agent.actions.unimix))
            actions.append(policy.sample())
            deter = agent.rssm.advance(carries[-1], actions[-1])
            carries.append(Carry(deter, _latents(agent, agent.rssm.prior(deter)).sample().flatten(-2)))
        features = torch.stack([carry.features for carry in carries[:-1]], 1)
        rewards, continues = _mean(agent.reward(features)), agent.going_on(features).squeeze(-1).sigmoid()
        slow, weights = _mean(agent.slow_critic(features)), continues.cumprod(1)[:, :-1]
    logits = agent.critic(features)
    values = _mean(logits).detach()
    returns = _lambda_return(rewards, continues, values, torch.full_like(values, settings.lam))
    agent.return_scale.update(returns)
    policy = OneHotCategorical(probs=_mixed(agent.actor(features[:, :-1]), agent.actions.unimix))
    advantage = (returns - values[:, :-1]) / agent.return_scale.value
    chosen = torch.stack(actions, 1)[:, :-1]
    acting = -weights * (policy.log_prob(chosen) * advantage + settings.entropy * policy.entropy())
    judged = _cross_entropy(logits[:, :-1], returns)
    judged = judged + settings.slow_scale * _cross_entropy(logits[:, :-1], slow[:, :-1])
    return acting.mean() + (weights * judged).mean(), returns


def _replayed(agent: Agent, features: Tensor, steps: Steps, dreamt: Tensor, settings: LossSettings) -> Tensor:
    logits = agent.critic(features)
    with torch.no_grad():
        slow, last = _mean(agent.slow_critic(features)), steps.last[:, 1:].float()
        lives = (~steps.terminal[:, 1:]).float() * settings.discount
        bootstrap = dreamt[:, 0].unflatten(0, features.shape[:2])
        returns = _lambda_return(steps.rewards[:, 1:], lives, bootstrap, (1 - last) * settings.lam)
    judged = _cross_entropy(logits[:, :-1], returns)
    judged = judged + settings.slow_scale * _cross_entropy(logits[:, :-1], slow[:, :-1])
    return (judged * (1 - last[:, :-1])).mean()


class PlainLaProp(torch.optim.Optimizer):
    """LaProp with adaptive clipping, tensor by tensor."""

    def __init__(self, params: Iterable[Tensor], lr: float, clip: float = 0.3) -> None:
        super().__init__(params, {"lr": lr, "clip": clip})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Make one update."""
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is None:
                    continue
                state = self.state[param]
                if not state:
                    state.update(step=0, m=torch.zeros_like(param), v=torch.zeros_like(param))
                state["step"] += 1
                most = group["clip"] * param.norm().clamp(min=1e-3)
                grad = param.grad * (most / param.grad.norm().clamp(min=1e-20)).clamp(max=1.0)
                state["v"].mul_(0.999).addcmul_(grad, grad, value=0.001)
                root = (state["v"] / (1 - 0.999 ** state["step"])).sqrt().add_(1e-20)
                state["m"].mul_(0.9).add_(grad / root, alpha=0.1)
                param.sub_(state["m"] / (1 - 0.9 ** state["step"]), alpha=group["lr"])
