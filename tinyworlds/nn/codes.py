"""Vectors for codes: tables in which codes that share a level also share part of their vector.

A code is a number, but its levels (`FSQ.digits`) say which codes look alike. The vector of a code is the sum
of one vector per level and one of its own, so rare codes are read, and predicted, from their levels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tinyworlds.nn.fsq import FSQ


class CodeTable(nn.Module):
    """The ``[K + num_extra, dim]`` table of vectors; the extra rows have no levels.

    Args:
        quantizer: Says which levels a code has.
        dim: Width of a vector.
        num_extra: Rows past the codes, for marks such as "masked".
        own_std: Standard deviation at the start of a code's own vector.
        level_std: The same for a level's vector.
    """

    rows: Tensor

    def __init__(
        self, quantizer: FSQ, dim: int, num_extra: int = 0, own_std: float = 0.02, level_std: float = 0.5
    ) -> None:
        super().__init__()
        latent_dim, num_bins = len(quantizer.basis), quantizer.num_bins
        self.own = nn.Embedding(quantizer.num_codes + num_extra, dim)
        self.levels = nn.Embedding(latent_dim * num_bins, dim)
        nn.init.normal_(self.own.weight, std=own_std)
        nn.init.normal_(self.levels.weight, std=level_std)
        rows = quantizer.digits(torch.arange(quantizer.num_codes)) + num_bins * torch.arange(latent_dim)
        self.register_buffer("rows", rows, persistent=False)  # [K, L]
        self.num_extra = num_extra
        self._kept: tuple[tuple[int, ...], Tensor] | None = None  # which weights, and their table

    def forward(self) -> Tensor:
        """Return the whole table: cheap beside a batch of training; frozen, it is built once and kept."""
        weights = (self.own.weight, self.levels.weight)
        may_learn = any(weight.requires_grad or weight.is_inference() for weight in weights)
        if may_learn or not torch.is_inference_mode_enabled():
            return self._build()
        state = tuple(number for weight in weights for number in (weight.data_ptr(), weight._version))
        if self._kept is None or self._kept[0] != state:
            self._kept = state, self._build()
        return self._kept[1]

    def _build(self) -> Tensor:
        shared = F.embedding_bag(self.rows, self.levels.weight, mode="sum")
        return self.own.weight + F.pad(shared, (0, 0, 0, self.num_extra))


class CodeLogits(nn.Module):
    """The last map: how well each code fits, ``[..., E] -> [..., K]``."""

    def __init__(self, quantizer: FSQ, embed_dim: int) -> None:
        super().__init__()
        self.table = CodeTable(quantizer, embed_dim, own_std=0.0, level_std=0.02)
        self.bias = nn.Parameter(torch.zeros(quantizer.num_codes))

    @property
    def weight(self) -> Tensor:
        """Each code's vector ``[K, E]``."""
        return self.table()

    def forward(self, x: Tensor) -> Tensor:
        """Compare with each code's vector."""
        return F.linear(x, self.weight, self.bias)
