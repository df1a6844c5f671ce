"""The space-time transformer: blocks of spatial attention, temporal attention and feed-forward.

`v1_transformer` builds what public weights need (post-norm, one fixed time code at the entry),
`v2_transformer` what new training uses (pre-norm, rotary positions, normed queries and keys). Tokens are
``[B, T, P, E]`` on both sides; a condition is ``[B, T or T-1, A]`` or None in v1 and ``[B, T, E]`` (or None)
in v2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from torch import Tensor, nn

from tinyworlds.nn.attention import (
    SeparateAttention,
    SpaceAttention,
    TimeAttention,
    attend_space,
    attend_time,
)
from tinyworlds.nn.feedforward import SeparateSwiGLU, SwiGLU
from tinyworlds.nn.moe import MixtureOfExperts
from tinyworlds.nn.norms import ConditionedNorm, LayerNorm, ModulatedResidual, PlainNorm, Residual
from tinyworlds.nn.positions import TimeCode


class PostNormBlock(nn.Module):
    """v1 block: three times ``x = norm(x + layer(x))``, where each layer holds its norm."""

    def __init__(self, spatial_attn: nn.Module, temporal_attn: nn.Module, ffn: nn.Module) -> None:
        super().__init__()
        self.spatial_attn = spatial_attn
        self.temporal_attn = temporal_attn
        self.ffn = ffn

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Step ``[B, T, P, E]``."""
        for layer in (self.spatial_attn, self.temporal_attn, self.ffn):
            x = layer.norm(x + layer(x), condition)
        return x


class Steps(nn.ModuleList):
    """v2 block: residual steps in a row."""

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Step ``[B, T, P, E]``."""
        for step in self:
            x = step(x, condition)
        return x


class Transformer(nn.Module):
    """An entry (positions), blocks, and a final norm."""

    def __init__(self, entry: nn.Module, blocks: Iterable[nn.Module], final: nn.Module) -> None:
        super().__init__()
        self.entry = entry
        self.blocks = nn.ModuleList(blocks)
        self.final = final

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Transform ``[B, T, P, E]``."""
        x = self.entry(x)
        for block in self.blocks:
            x = block(x, condition)
        return self.final(x)


def v1_transformer(
    embed_dim: int,
    num_heads: int,
    hidden_dim: int,
    num_blocks: int,
    condition_dim: int = 0,
    num_experts: int = 0,
    top_k: int = 2,
) -> Transformer:
    """The transformer of public weights; a `condition_dim` of 0 is none, `num_experts` 0 is dense."""
    new_norm: Callable[[], nn.Module] = partial(PlainNorm, embed_dim)
    if condition_dim:
        new_norm = partial(ConditionedNorm, embed_dim, condition_dim)
    new_ffn: Callable[..., nn.Module] = partial(SeparateSwiGLU, embed_dim, hidden_dim)
    if num_experts:
        new_ffn = partial(MixtureOfExperts, embed_dim, num_experts, top_k, make_expert=new_ffn)
    blocks = [
        PostNormBlock(
            SeparateAttention(embed_dim, num_heads, attend_space, new_norm()),
            SeparateAttention(embed_dim, num_heads, attend_time, new_norm()),
            new_ffn(norm=new_norm()),
        )
        for _ in range(num_blocks)
    ]
    return Transformer(TimeCode(embed_dim), blocks, nn.Identity())


def v2_transformer(
    embed_dim: int,
    num_heads: int,
    hidden_dim: int,
    num_blocks: int,
    grid: int,
    temporal: bool = True,
    conditioned: bool = False,
    num_experts: int = 0,
    top_k: int = 2,
) -> Transformer:
    """The transformer of new training. Without `temporal` layers no frame knows of another."""
    new_step: Callable[..., nn.Module] = partial(Residual, embed_dim)
    if conditioned:
        new_step = partial(ModulatedResidual, embed_dim, embed_dim)
    new_ffn: Callable[[], nn.Module] = partial(SwiGLU, embed_dim, hidden_dim)
    if num_experts:
        new_ffn = partial(MixtureOfExperts, embed_dim, num_experts, top_k, make_expert=new_ffn)

    def layers() -> Iterable[nn.Module]:
        yield SpaceAttention(embed_dim, num_heads, grid)
        if temporal:
            yield TimeAttention(embed_dim, num_heads)
        yield new_ffn()

    blocks = [Steps(new_step(layer=layer) for layer in layers()) for _ in range(num_blocks)]
    return Transformer(nn.Identity(), blocks, LayerNorm(embed_dim))
