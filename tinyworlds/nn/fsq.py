"""Finite scalar quantisation (https://arxiv.org/abs/2309.15505): round each latent channel to a few levels.

Always in float32, whatever autocast says: two neighbouring levels are further apart than float32 can blur, so
``ids(latents(ids)) == ids`` holds without exception.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FSQ(nn.Module):
    """Rounds ``tanh(z)`` to `num_bins` levels in [-1, 1] per channel.

    A code is the number whose digits, base `num_bins`, are the levels; the first channel is the lowest digit.

    Args:
        latent_dim: Number of channels, L.
        num_bins: Levels per channel, D; there are ``D ** L`` codes.
        stored: Whether `basis` is part of the state dict, as in public weights.
    """

    basis: Tensor

    def __init__(self, latent_dim: int, num_bins: int, stored: bool = True) -> None:
        super().__init__()
        self.num_bins = num_bins
        self.num_codes = num_bins**latent_dim
        self.register_buffer("basis", num_bins ** torch.arange(latent_dim), persistent=stored)

    def forward(self, z: Tensor) -> Tensor:
        """Quantise ``[..., L]`` to float32 in [-1, 1]; gradients pass straight through."""
        bounded = torch.tanh(z.float())
        return bounded + (self._levels(self._digits(bounded)) - bounded).detach()

    def ids(self, latents: Tensor) -> Tensor:
        """Codes ``[...]`` int64 of latents ``[..., L]`` in [-1, 1], rounding to the nearest level."""
        return (self._digits(latents.float()).long() * self.basis).sum(dim=-1)

    def latents(self, ids: Tensor) -> Tensor:
        """Float32 latents ``[..., L]`` of codes ``[...]``."""
        return self._levels(self.digits(ids))

    def digits(self, ids: Tensor) -> Tensor:
        """Levels ``[..., L]`` int64 in 0..D-1 of codes ``[...]``."""
        return torch.div(ids[..., None], self.basis, rounding_mode="floor") % self.num_bins

    def _digits(self, bounded: Tensor) -> Tensor:
        return torch.round((bounded + 1) / 2 * (self.num_bins - 1)).clamp(0, self.num_bins - 1)

    def _levels(self, digits: Tensor) -> Tensor:
        return digits.float() / (self.num_bins - 1) * 2 - 1
