"""What the agent does: a choice of actions, or numbers."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from tinyworlds.dreamer.rssm import drawn_one_hot, mixed_log_probabilities, mixed_probabilities


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
