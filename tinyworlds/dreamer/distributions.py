"""What the heads of the agent say: numbers as shares of bins, ends, actions.

After https://arxiv.org/abs/2301.04104 (2024), section "critic learning" for the bins.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from tinyworlds.dreamer.networks import symexp
from tinyworlds.dreamer.rssm import drawn_one_hot, mixed_log_probabilities, mixed_probabilities

NUM_BINS = 255
_RANGE = 20.0  # of the bins, before symexp


@lru_cache(maxsize=4)
def bins(device: torch.device) -> Tensor:
    """The values that bins stand for, ``[255]`` ascending and mirrored at zero exactly."""
    half = symexp(torch.linspace(-_RANGE, 0.0, NUM_BINS // 2 + 1, dtype=torch.float64)).float()
    return torch.cat([half, -half[:-1].flip(0)]).to(device)


def two_hot(values: Tensor) -> Tensor:
    """``[...]`` as shares of the two bins around each, ``[..., 255]``, whose mean it is."""
    places, shares = _around(values)
    return torch.zeros(*values.shape, NUM_BINS, device=values.device).scatter_(-1, places, shares)


def _around(values: Tensor) -> tuple[Tensor, Tensor]:
    """The two bins around each value, and their shares, ``[..., 2]`` each."""
    values = values.float()
    edges = bins(values.device)
    above = torch.searchsorted(edges, values.contiguous(), right=True).clamp(1, NUM_BINS - 1)
    low, high = edges[above - 1], edges[above]
    share = ((values - low) / (high - low)).clamp(0, 1)
    return torch.stack([above - 1, above], dim=-1), torch.stack([1 - share, share], dim=-1)


def mean_of_bins(logits: Tensor) -> Tensor:
    """The mean ``[...]`` of logits ``[..., 255]``; exactly 0 where all are equal.

    Large bins cancel only where they are added in pairs, from the middle outwards.
    """
    shares, middle = logits.float().softmax(dim=-1), NUM_BINS // 2
    # the middle bin is zero, and those beside it mirror each other
    leaning = shares[..., middle + 1 :] - shares[..., :middle].flip(-1)
    return leaning @ bins(logits.device)[middle + 1 :]


def bins_losses(logits: Tensor, *values: Tensor) -> list[Tensor]:
    """Cross entropies ``[...]`` of logits ``[..., 255]`` to several values ``[...]``."""
    logits = logits.float()
    total, losses = logits.logsumexp(dim=-1), []
    for value in values:
        places, shares = _around(value.detach())
        losses.append(total - (logits.gather(-1, places) * shares).sum(dim=-1))
    return losses


def bins_loss(logits: Tensor, values: Tensor) -> Tensor:
    """Cross entropy ``[...]`` of logits ``[..., 255]`` to values ``[...]``."""
    return bins_losses(logits, values)[0]


class DiscreteActions:
    """Actions ``[..., A]``, one-hot.

    Args:
        unimix: Share of a uniform distribution.
    """

    def __init__(self, num_actions: int, unimix: float = 0.01) -> None:
        self.dim = self.num_outputs = num_actions
        self.unimix = unimix

    def sample(self, outputs: Tensor) -> Tensor:
        """Draw."""
        return drawn_one_hot(mixed_probabilities(outputs, self.unimix))

    def likeliest(self, outputs: Tensor) -> Tensor:
        """The likeliest action."""
        return F.one_hot(outputs.argmax(dim=-1), self.dim).float()

    def log_probability(self, outputs: Tensor, actions: Tensor) -> Tensor:
        """``[...]``."""
        return (mixed_log_probabilities(outputs, self.unimix) * actions).sum(dim=-1)

    def entropy(self, outputs: Tensor) -> Tensor:
        """``[...]`` in nats."""
        log_probabilities = mixed_log_probabilities(outputs, self.unimix)
        return -(log_probabilities.exp() * log_probabilities).sum(dim=-1)

    @property
    def entropy_range(self) -> tuple[float, float]:
        """The least that `unimix` leaves, and the most."""
        even = torch.zeros(self.dim)
        sure = torch.full((self.dim,), -1e9)
        sure[0] = 0.0
        return float(self.entropy(sure)), float(self.entropy(even))


class ContinuousActions:
    """Actions ``[..., A]``: normal, its mean in [-1, 1] and its deviation in [0.1, 1]."""

    def __init__(self, dim: int) -> None:
        self.dim, self.num_outputs = dim, 2 * dim

    def _normal(self, outputs: Tensor) -> torch.distributions.Normal:
        mean, spread = outputs.float().chunk(2, dim=-1)
        return torch.distributions.Normal(
            mean.tanh(), 0.9 * torch.sigmoid(spread + 2.0) + 0.1, validate_args=False
        )

    def sample(self, outputs: Tensor) -> Tensor:
        """Draw."""
        return self._normal(outputs).sample()

    def likeliest(self, outputs: Tensor) -> Tensor:
        """The mean."""
        return self._normal(outputs).mean

    def log_probability(self, outputs: Tensor, actions: Tensor) -> Tensor:
        """``[...]``."""
        return self._normal(outputs).log_prob(actions).sum(dim=-1)

    def entropy(self, outputs: Tensor) -> Tensor:
        """``[...]`` in nats."""
        return self._normal(outputs).entropy().sum(dim=-1)

    @property
    def entropy_range(self) -> tuple[float, float]:
        """The least and the most that the bounds of the deviation leave."""
        least, most = (float(torch.distributions.Normal(0.0, std).entropy()) for std in (0.1, 1.0))
        return self.dim * least, self.dim * most
