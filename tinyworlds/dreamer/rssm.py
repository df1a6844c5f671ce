"""The recurrent state-space model: what the agent remembers, and what it expects to see.

After https://arxiv.org/abs/2301.04104 (2024), equations 3 and 4, with the block-diagonal recurrence of the
published code. Shapes: B batch, T steps, D recurrent state, S latents times classes.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from tinyworlds.dreamer.layers import MLP, BlockMap, NormSiLU
from tinyworlds.dreamer.sizes import AgentSizes

UNIMIX = 0.01
"""Share of a uniform distribution in every categorical one."""


class Carry(NamedTuple):
    """What goes from step to step: ``[B, D]`` and one-hot latents ``[B, S]``."""

    deter: Tensor
    stoch: Tensor

    @property
    def features(self) -> Tensor:
        """What heads see, ``[..., D + S]``."""
        return torch.cat([self.deter, self.stoch], dim=-1)


def mixed_log_probabilities(logits: Tensor, unimix: float = UNIMIX) -> Tensor:
    """Log-probabilities ``[..., K]`` of logits, mixed with a uniform distribution; float32."""
    if not unimix:
        return logits.float().log_softmax(dim=-1)  # no logarithm of what has become 0
    return mixed_probabilities(logits, unimix).log()


def mixed_probabilities(logits: Tensor, unimix: float = UNIMIX) -> Tensor:
    """Probabilities ``[..., K]`` of logits, mixed with a uniform distribution; float32."""
    logits = logits.float()
    # over a handful of classes PyTorch's own softmax takes five times as long on a CPU
    shares = (logits - logits.detach().amax(dim=-1, keepdim=True)).exp()
    return shares * ((1 - unimix) / shares.sum(dim=-1, keepdim=True)) + unimix / logits.shape[-1]


def drawn_one_hot(probabilities: Tensor, draw: Tensor | None = None) -> Tensor:
    """Draw classes, one-hot, from ``[..., K]``; by `draw` ``[...]`` in [0, 1) where it is given."""
    if draw is None:
        draw = torch.rand(probabilities.shape[:-1], device=probabilities.device)
    reached = probabilities.cumsum(-1) < draw[..., None]
    num_classes = probabilities.shape[-1]
    classes = reached.sum(-1).clamp(max=num_classes - 1)  # of sums a rounding below 1
    # what one_hot does, which asks first whether the classes are whole numbers of that range
    return torch.zeros_like(probabilities).scatter_(-1, classes[..., None], 1.0)


class RSSM(nn.Module):
    """Recurrent state-space model.

    Args:
        sizes: Widths.
        num_tokens: Numbers that the encoder gives for an observation.
        action_dim: Numbers of an action; discrete ones are one-hot.
    """

    def __init__(self, sizes: AgentSizes, num_tokens: int, action_dim: int) -> None:
        super().__init__()
        self.sizes = sizes
        deter, hidden, blocks = sizes.deter, sizes.hidden, sizes.blocks
        self.of_deter = MLP(deter, hidden, 1)
        self.of_stoch = MLP(sizes.stoch, hidden, 1)
        self.of_action = MLP(action_dim, hidden, 1)
        self.recurrent = BlockMap(deter + blocks * 3 * hidden, deter, blocks)
        self.norm = NormSiLU(deter)
        self.gates = BlockMap(deter, 3 * deter, blocks)
        self.prior = MLP(deter, hidden, 2, sizes.stoch)
        self.posterior = MLP(deter + num_tokens, hidden, 1, sizes.stoch)

    def initial(self, batch: int, device: torch.device | None = None) -> Carry:
        """An empty memory."""
        sizes = self.sizes
        return Carry(
            torch.zeros(batch, sizes.deter, device=device), torch.zeros(batch, sizes.stoch, device=device)
        )

    def advance(self, carry: Carry, action: Tensor) -> Tensor:
        """The recurrent state ``[B, D]`` after an action ``[B, A]``."""
        deter, blocks = carry.deter, self.sizes.blocks
        action = action / action.abs().clamp(min=1).detach()
        seen = torch.cat([self.of_deter(deter), self.of_stoch(carry.stoch), self.of_action(action)], dim=-1)
        parts = deter.unflatten(-1, (blocks, -1))
        joined = torch.cat([parts, seen[:, None].expand(-1, blocks, -1)], dim=-1).flatten(1)
        x = self.norm(self.recurrent(joined))
        reset, candidate, update = self.gates(x).unflatten(-1, (blocks, 3, -1)).unbind(2)
        candidate = torch.tanh(torch.sigmoid(reset.flatten(1)) * candidate.flatten(1))
        update = torch.sigmoid(update.flatten(1) - 1)
        return update * candidate + (1 - update) * deter

    def sample(self, logits: Tensor, draw: Tensor | None = None) -> Tensor:
        """One-hot latents ``[B, S]`` drawn from logits, with the probabilities' gradient.

        Args:
            logits: ``[B, S]``.
            draw: ``[B, latents]`` in [0, 1) to draw by; by default from the global generator.
        """
        probabilities = mixed_probabilities(logits.unflatten(-1, (self.sizes.num_latents, -1)))
        one_hot = drawn_one_hot(probabilities.detach(), draw)
        if not probabilities.requires_grad:
            return one_hot.flatten(-2)
        return (one_hot + probabilities - probabilities.detach()).flatten(-2)

    def log_probabilities(self, logits: Tensor) -> Tensor:
        """Of every class of every latent, ``[..., S] -> [..., latents, classes]``, float32."""
        return mixed_log_probabilities(logits.unflatten(-1, (self.sizes.num_latents, -1)))

    def step(self, carry: Carry, action: Tensor) -> tuple[Carry, Tensor]:
        """Imagine one step: the next carry, and the logits ``[B, S]`` its latents were drawn from."""
        deter = self.advance(carry, action)
        logits = self.prior(deter)
        return Carry(deter, self.sample(logits)), logits

    def see(self, carry: Carry, action: Tensor, tokens: Tensor, first: Tensor) -> tuple[Carry, Tensor]:
        """Take in one observation: the next carry, and the logits ``[B, S]`` its latents were drawn from.

        Args:
            carry: Before it.
            action: ``[B, A]``, what led to it.
            tokens: ``[B, N]``, the observation encoded.
            first: ``[B]`` bool, whether an episode begins with it: then nothing before counts.
        """
        going_on = (~first)[:, None].to(carry.deter.dtype)
        carry = Carry(carry.deter * going_on, carry.stoch * going_on)
        deter = self.advance(carry, action * going_on)
        logits = self.posterior(torch.cat([deter, tokens], dim=-1))
        return Carry(deter, self.sample(logits)), logits

    def observe(self, carry: Carry, actions: Tensor, tokens: Tensor, firsts: Tensor) -> tuple[Carry, Tensor]:
        """Take in a sequence: carries ``[B, T, ...]`` and the logits ``[B, T, S]`` of their latents.

        Args:
            carry: Before the first observation.
            actions: ``[B, T, A]``, each what led to its observation.
            tokens: ``[B, T, N]``.
            firsts: ``[B, T]`` bool.
        """
        carries, all_logits = [], []
        for action, token, first in zip(actions.unbind(1), tokens.unbind(1), firsts.unbind(1), strict=True):
            carry, logits = self.see(carry, action, token, first)
            carries.append(carry)
            all_logits.append(logits)
        deter, stoch = (torch.stack(parts, dim=1) for parts in zip(*carries, strict=True))
        return Carry(deter, stoch), torch.stack(all_logits, dim=1)


def kl_divergence(log_p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p || q) in nats, summed over latents: two times ``[..., latents, classes]`` to ``[...]``."""
    return (log_p.exp() * (log_p - log_q)).sum(dim=(-2, -1))
