"""What was and will be earned: lambda returns, and the scale that they are judged by."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def lambda_return(rewards: Tensor, continues: Tensor, values: Tensor, lam: float | Tensor = 0.95) -> Tensor:
    """Lambda returns of every step but the last.

    ``R[t] = r[t+1] + c[t+1] * ((1 - lam) * v[t+1] + lam * R[t+1])``, and the last value ends the recursion
    (https://arxiv.org/abs/2301.04104, "critic learning"; discounts are part of `continues`).

    Args:
        rewards: ``[B, T]``, each received on arriving at its step.
        continues: ``[B, T]``, the chance to go on from a step, times the discount.
        values: ``[B, T]``, what the critic says of each step.
        lam: 0 looks one step ahead, 1 to the end; of every step, ``[B, T]``, 0 where a recording was cut.

    Returns:
        ``[B, T - 1]``.
    """
    returns, following = [], values[:, -1]
    for step in range(rewards.shape[1] - 1, 0, -1):
        share = lam if isinstance(lam, float) else lam[:, step]
        ahead = (1 - share) * values[:, step] + share * following
        following = rewards[:, step] + continues[:, step] * ahead
        returns.append(following)
    return torch.stack(returns[::-1], dim=1)


class ReturnScale(nn.Module):
    """The spread of returns between their 5th and 95th percentile, a running mean; at least 1.

    Small returns are not blown up, large ones are scaled to the size of 1 (as above, equation 7).

    Args:
        rate: Share of a new value.
    """

    low: Tensor
    high: Tensor

    def __init__(self, rate: float = 0.01) -> None:
        super().__init__()
        self.rate = rate
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.zeros(()))

    @torch.no_grad()
    def update(self, returns: Tensor) -> None:
        """Take returns ``[...]`` of a batch into account."""
        ordered = returns.flatten().float().sort().values
        self.low.lerp_(_quantile(ordered, 0.05), self.rate)
        self.high.lerp_(_quantile(ordered, 0.95), self.rate)

    @property
    def value(self) -> Tensor:
        """The scale."""
        return (self.high - self.low).clamp(min=1.0)


def _quantile(ordered: Tensor, share: float) -> Tensor:
    """As `torch.quantile` of values ``[N]`` in order, which would send the share to a GPU each time."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below].lerp(ordered[above], place - below)
