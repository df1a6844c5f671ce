"""Attention within a frame (space) and along the frames of one place (time).

Both run on ``scaled_dot_product_attention``. Keys of a frame never reach earlier frames: time is causal, so a
network sees at play time what it saw in training.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tinyworlds.nn.norms import RMSNorm
from tinyworlds.nn.positions import RotarySpace, RotaryTime


def attend_space(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """All patches of a frame see each other: three times ``[B, T, P, heads, d] -> [B, T, P, E]``."""
    batch, length, patches, heads, dim = query.shape
    parts = (part.flatten(0, 1).transpose(1, 2) for part in (query, key, value))  # [B * T, heads, P, d]
    mixed = F.scaled_dot_product_attention(*parts)
    return mixed.transpose(1, 2).reshape(batch, length, patches, heads * dim)


def attend_time(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Each patch sees itself in this and earlier frames: ``[B, T, P, heads, d] -> [B, T, P, E]``.

    With fewer queries than keys the queries are the newest frames. Patches count as heads, so nothing is
    moved.
    """
    batch, length, patches, heads, dim = query.shape
    # [B, P * heads, T, d]
    parts = [part.reshape(batch, -1, patches * heads, dim).transpose(1, 2) for part in (query, key, value)]
    mixed = F.scaled_dot_product_attention(*parts, **_causal(length, key.shape[1], query.device))
    return mixed.transpose(1, 2).reshape(batch, length, patches, heads * dim)


def _causal(num_queries: int, num_keys: int, device: torch.device) -> dict[str, bool | Tensor]:
    if num_queries == num_keys:
        return {"is_causal": True}
    if num_queries == 1:
        return {}  # the newest frame sees all
    mask = torch.ones(num_queries, num_keys, dtype=torch.bool, device=device)
    return {"attn_mask": mask.tril(num_keys - num_queries)}


class Attend(Protocol):
    """The signature of `attend_space` and `attend_time`."""

    def __call__(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Mix values by the match of queries and keys."""


class SeparateAttention(nn.Module):
    """v1 attention: four linear maps with biases, no rotation. Holds the norm of its block (`norm`)."""

    def __init__(self, embed_dim: int, num_heads: int, attend: Attend, norm: nn.Module) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.attend = attend
        self.q_proj = nn.Linear(embed_dim, embed_dim)
        self.k_proj = nn.Linear(embed_dim, embed_dim)
        self.v_proj = nn.Linear(embed_dim, embed_dim)
        self.out_proj = nn.Linear(embed_dim, embed_dim)
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        """Mix ``[B, T, P, E]``."""
        maps = (self.q_proj, self.k_proj, self.v_proj)
        query, key, value = (linear(x).unflatten(-1, (self.num_heads, -1)) for linear in maps)
        return self.out_proj(self.attend(query, key, value))


class FusedAttention(nn.Module):
    """What both v2 attentions share: one map for queries, keys and values, and normed queries and keys.

    The norm bounds the logits and so keeps training steady (https://arxiv.org/abs/2302.05442, section 2).
    """

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim, bias=False)
        self.out = nn.Linear(embed_dim, embed_dim, bias=False)
        nn.init.zeros_(self.out.weight)  # see ModulatedResidual
        self.query_norm = RMSNorm(embed_dim // num_heads)
        self.key_norm = RMSNorm(embed_dim // num_heads)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values ``[B, T, P, heads, d]`` of ``[B, T, P, E]``."""
        query, key, value = self.qkv(x).unflatten(-1, (3, self.num_heads, -1)).unbind(-3)
        return self.query_norm(query), self.key_norm(key), value


class SpaceAttention(FusedAttention):
    """v2 attention within a frame, with axial rotary positions."""

    def __init__(self, embed_dim: int, num_heads: int, grid: int) -> None:
        super().__init__(embed_dim, num_heads)
        self.rotary = RotarySpace(grid, embed_dim // num_heads)

    def forward(self, x: Tensor) -> Tensor:
        """Mix ``[B, T, P, E]`` within each frame."""
        query, key, value = self.project(x)
        return self.out(attend_space(self.rotary(query), self.rotary(key), value))


class TimeAttention(FusedAttention):
    """v2 causal attention along the frames, with rotary positions."""

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__(embed_dim, num_heads)
        self.rotary = RotaryTime(embed_dim // num_heads)

    def forward(self, x: Tensor) -> Tensor:
        """Mix ``[B, T, P, E]`` along T."""
        query, key, value = self.project(x)
        return self.out(attend_time(self.rotary(query), self.rotary(key), value))
