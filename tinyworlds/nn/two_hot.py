"""Numbers of any size as shares of bins: a head then tells how likely each is, and large ones do not rule.

After https://arxiv.org/abs/2301.04104 (2024), section "critic learning".
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

NUM_BINS = 255
_RANGE = 20.0  # of the bins, before symexp


def symlog(x: Tensor) -> Tensor:
    """``sign(x) * log(1 + |x|)``: large numbers become small ones, small ones stay."""
    return x.sign() * x.abs().log1p()


def symexp(x: Tensor) -> Tensor:
    """The inverse of `symlog`."""
    return x.sign() * x.abs().expm1()


@lru_cache(maxsize=4)
@torch.inference_mode(False)  # whoever asks first, training uses them as well
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
