"""What is measured on codes and actions: how many are used, how evenly, and whether they mean something.

Ids are integers in [0, num_codes). Frames are measured in :mod:`tinyworlds.metrics.frames`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

# An action is used when at least this share of the transitions has it: one in a thousand is noise.
MIN_SHARE = 0.01


def contingency(latent: Tensor, true: Tensor, num_latent: int, num_true: int) -> Tensor:
    """Count pairs: two integer tensors of one shape -> [num_true, num_latent] float64.

    Pairs whose true action is unknown, below 0, are left out.
    """
    pairs = true.flatten().long() * num_latent + latent.flatten().long()
    pairs = pairs[true.flatten() >= 0]
    return torch.bincount(pairs, minlength=num_true * num_latent).reshape(num_true, num_latent).double()


def table_nmi(table: Tensor) -> Tensor:
    """Normalised mutual information of contingency tables [..., A, K] -> [...], in [0, 1].

    The mutual information is divided by the arithmetic mean of the two entropies; a table whose rows or
    columns are all in one place has nothing to tell and gets 0.
    """
    joint = table.double() / table.double().sum(dim=(-2, -1), keepdim=True).clamp_min(1)
    rows, columns = joint.sum(-1), joint.sum(-2)
    entropy = torch.special.entr
    h_rows, h_columns = entropy(rows).sum(-1), entropy(columns).sum(-1)
    information = (h_rows + h_columns - entropy(joint).sum((-2, -1))).clamp_min(0)
    mean = (h_rows + h_columns) / 2
    known = (h_rows > 1e-9) & (h_columns > 1e-9)
    return torch.where(known, information / mean.clamp_min(1e-9), torch.zeros_like(mean))


class CodeCounter(Metric):
    """Base: counts how often each id of a codebook occurs."""

    full_state_update = False
    higher_is_better = True

    counts: Tensor

    def __init__(self, num_codes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_codes = num_codes
        self.add_state("counts", default=torch.zeros(num_codes, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, ids: Tensor) -> None:
        """Add ids of any shape."""
        self.counts += torch.bincount(ids.flatten().long(), minlength=self.num_codes)

    @property
    def shares(self) -> Tensor:
        """Share of each id among all seen, [num_codes]."""
        return self.counts.double() / self.counts.sum().clamp_min(1)


class CodePerplexity(CodeCounter):
    """Perplexity of the codes: how many equally frequent ones would be as varied; 1 is collapse."""

    def compute(self) -> Tensor:
        """A value in [1, num_codes]."""
        return torch.special.entr(self.shares).sum().exp().float()


class ActionUsage(CodeCounter):
    """How many of the latent actions are used by at least `MIN_SHARE` of the transitions."""

    def compute(self) -> Tensor:
        """The number of actions used, as a float tensor."""
        return (self.shares >= MIN_SHARE).sum().float()
