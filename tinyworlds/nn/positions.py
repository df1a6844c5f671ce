"""Where a token is: fixed sin/cos codes (v1) and rotary codes (v2), for space and time.

v1 adds a code to the tokens; v2 rotates queries and keys, so that attention sees distances (RoFormer,
https://arxiv.org/abs/2104.09864; the axial form for pictures as in https://arxiv.org/abs/2403.13298).
Nothing here is stored in checkpoints.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

MAX_FRAMES = 512
"""Longest window, in frames, that a network accepts."""

_SINCOS_BASE = 10_000.0
_ROTARY_BASE = 100.0  # grids and windows are short: with 10,000 most channels would hardly turn


def sincos_code(positions: Tensor, dim: int) -> Tensor:
    """Sin in the even and cos in the odd channels: ``[N] -> [N, dim]``; an even `dim`."""
    wavelengths = _SINCOS_BASE ** (torch.arange(0, dim, 2, dtype=torch.float32) / max(dim, 1))
    angles = positions.to(torch.float32)[:, None] / wavelengths  # [N, dim / 2]
    return rearrange([angles.sin(), angles.cos()], "both n pair -> n (pair both)")


def split_channels(embed_dim: int) -> tuple[int, int, int]:
    """How v1 divides E channels among column, row and time (in this order)."""
    time = (embed_dim // 3) // 2 * 2
    space = embed_dim - time
    column = (space // 2) // 2 * 2
    return column, space - column, time


def space_code(grid: int, embed_dim: int) -> Tensor:
    """v1 code of a ``grid x grid`` picture: ``[P, E]`` with zeros in the time channels."""
    column_dim, row_dim, time_dim = split_channels(embed_dim)
    index = torch.arange(grid * grid)
    column = sincos_code(index % grid, column_dim)
    row = sincos_code(torch.div(index, grid, rounding_mode="floor"), row_dim)
    return torch.cat([column, row, torch.zeros(grid * grid, time_dim)], dim=1)


def time_code(num_frames: int, embed_dim: int) -> Tensor:
    """v1 code of the frame's index in its window: ``[T, 1, E]`` with zeros in the space channels."""
    column_dim, row_dim, time_dim = split_channels(embed_dim)
    time = sincos_code(torch.arange(num_frames), time_dim)
    return torch.cat([torch.zeros(num_frames, column_dim + row_dim), time], dim=1)[:, None]


class SpaceCode(nn.Module):
    """Adds the fixed v1 spatial code to ``[B, T, P, E]`` tokens."""

    code: Tensor

    def __init__(self, grid: int, embed_dim: int) -> None:
        super().__init__()
        self.register_buffer("code", space_code(grid, embed_dim), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the tokens with their place added."""
        return x + self.code


class TimeCode(nn.Module):
    """Adds the fixed v1 temporal code to ``[B, T, P, E]`` tokens."""

    code: Tensor

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.register_buffer("code", time_code(MAX_FRAMES, embed_dim), persistent=False)

    def forward(self, x: Tensor, first_frame: int = 0) -> Tensor:
        """Return the tokens with their frame index added; the first frame has index `first_frame`."""
        return x + self.code[first_frame : first_frame + x.shape[1]]


class NoTimeCode(nn.Module):
    """Adds nothing: v2 tells frames apart by rotation."""

    def forward(self, x: Tensor, first_frame: int = 0) -> Tensor:
        """Return the tokens as they are."""
        return x


class LearnedPlace(nn.Module):
    """Adds one learned vector per patch to ``[B, T, P, E]`` tokens: a score line is always at the top."""

    def __init__(self, num_patches: int, embed_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_patches, embed_dim) * 0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Return the tokens with their place added."""
        return x + self.weight


def _rotation(angles: Tensor, head_dim: int) -> tuple[Tensor, Tensor]:
    """Factors of `rotate` for ``[N, pairs]`` angles; channels left over are not turned."""
    idle = torch.zeros(angles.shape[0], head_dim // 2 - angles.shape[1])
    half = torch.cat([angles, idle], dim=1)
    cos, sin = half.cos(), half.sin()
    return torch.cat([cos, cos], dim=1), torch.cat([-sin, sin], dim=1)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn channel pairs (i, i + d/2) of ``[..., heads, d]`` by the given angles."""
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, dims=-1), sin)


class RotarySpace(nn.Module):
    """Axial rotary code: half of the channel pairs turn with the column, half with the row."""

    cos: Tensor
    sin: Tensor

    def __init__(self, grid: int, head_dim: int) -> None:
        super().__init__()
        pairs = head_dim // 4
        speed = _ROTARY_BASE ** -(torch.arange(pairs) / max(pairs, 1))
        index = torch.arange(grid * grid)[:, None]
        row = torch.div(index, grid, rounding_mode="floor")
        cos, sin = _rotation(torch.cat([(index % grid) * speed, row * speed], dim=1), head_dim)
        self.register_buffer("cos", cos[:, None], persistent=False)  # [P, 1, d]
        self.register_buffer("sin", sin[:, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Rotate queries or keys ``[B, T, P, heads, d]``."""
        return rotate(x, self.cos.to(x.dtype), self.sin.to(x.dtype))


class RotaryTime(nn.Module):
    """Rotary code of the frame index."""

    cos: Tensor
    sin: Tensor

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        pairs = head_dim // 2
        speed = _ROTARY_BASE ** -(torch.arange(pairs) / max(pairs, 1))
        cos, sin = _rotation(torch.arange(MAX_FRAMES)[:, None] * speed, head_dim)
        self.register_buffer("cos", cos[:, None, None], persistent=False)  # [T, 1, 1, d]
        self.register_buffer("sin", sin[:, None, None], persistent=False)

    def forward(self, x: Tensor, first_frame: int = 0) -> Tensor:
        """Rotate queries or keys ``[B, T, P, heads, d]`` whose first frame has index `first_frame`."""
        span = slice(first_frame, first_frame + x.shape[1])
        return rotate(x, self.cos[span].to(x.dtype), self.sin[span].to(x.dtype))
