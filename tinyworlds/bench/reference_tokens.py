"""Between pixels, tokens and codes: patches, their embedding, and finite scalar quantisation.

Shapes: B batch, T frames, C = 3 channels, P patches per frame, E embedding, L code width, S patch side.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tinyworlds.bench.reference_blocks import space_code


def code_vectors(ids: Tensor, num_bins: int, width: int) -> Tensor:
    """The code of every index, digits lowest first: [...] -> [..., width] in [-1, 1]."""
    basis = num_bins ** torch.arange(width, device=ids.device)
    return (ids[..., None] // basis % num_bins) / (num_bins - 1) * 2 - 1


class FSQ(nn.Module):
    """Finite scalar quantisation: every channel is rounded to one of `num_bins` values in [-1, 1]."""

    basis: Tensor

    def __init__(self, width: int, num_bins: int) -> None:
        super().__init__()
        self.num_bins = num_bins
        self.register_buffer("basis", num_bins ** torch.arange(width))

    def forward(self, z: Tensor) -> Tensor:
        """Values [..., L] in [-1, 1]; the gradient passes the rounding unchanged."""
        levels = (torch.tanh(z) + 1) / 2 * (self.num_bins - 1)
        levels = levels + (torch.round(levels) - levels).detach()
        return levels / (self.num_bins - 1) * 2 - 1

    def ids(self, values: Tensor) -> Tensor:
        """Index of quantised values: [..., L] -> int64 [...]."""
        digits = torch.round((values + 1) / 2 * (self.num_bins - 1)).long()
        return (digits * self.basis).sum(dim=-1)

    def values(self, ids: Tensor) -> Tensor:
        """The values an index stands for: [...] -> [..., L]."""
        return code_vectors(ids, self.num_bins, len(self.basis))


def to_patches(frames: Tensor, side: int) -> Tensor:
    """[B, T, C, H, W] -> [B, T, P, C * S * S], patches row by row, pixels as (c, row, column)."""
    batch, length, channels, height, width = frames.shape
    cut = frames.reshape(batch, length, channels, height // side, side, width // side, side)
    return cut.permute(0, 1, 3, 5, 2, 4, 6).reshape(batch, length, -1, channels * side * side)


def from_patches(patches: Tensor, side: int) -> Tensor:
    """The inverse of `to_patches`, for square frames."""
    batch, length, count, dim = patches.shape
    grid, channels = round(count**0.5), dim // side**2
    cut = patches.reshape(batch, length, grid, grid, channels, side, side)
    return cut.permute(0, 1, 4, 2, 5, 3, 6).reshape(batch, length, channels, grid * side, grid * side)


class PointwiseMap(nn.Module):
    """A linear map of the last dimension, stored (and run) as a 1x1 convolution called `name`."""

    def __init__(self, name: str, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.add_module(name, nn.Conv2d(in_dim, out_dim, kernel_size=1))

    def forward(self, x: Tensor) -> Tensor:
        (convolution,) = self.children()
        pixels = x.reshape(-1, *x.shape[-2:]).transpose(1, 2)[..., None]  # [B * T, in, P, 1]
        return convolution(pixels)[..., 0].transpose(1, 2).reshape(*x.shape[:-1], -1)


class PatchEmbed(PointwiseMap):
    """Frames [B, T, C, H, W] to tokens [B, T, P, E] that know their place."""

    code: Tensor

    def __init__(self, frame_size: int, side: int, dim: int) -> None:
        super().__init__("proj", 3 * side * side, dim)
        self.side = side
        self.register_buffer("code", space_code(frame_size // side, dim), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        return super().forward(to_patches(frames, self.side)) + self.code
