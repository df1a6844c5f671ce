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
    SeparateSpaceAttention,
    SeparateTimeAttention,
    SpaceAttention,
    TimeAttention,
)
from tinyworlds.nn.blocks import PostNormBlock, PreNormBlock, SpaceBlock
from tinyworlds.nn.feedforward import SeparateSwiGLU, SwiGLU
from tinyworlds.nn.kernels.loading import can_run_natively
from tinyworlds.nn.memory import NO_MEMORY, Memory
from tinyworlds.nn.moe import MixtureOfExperts
from tinyworlds.nn.native_transformer import has_kernel, transform_natively
from tinyworlds.nn.norms import (
    Condition,
    ConditionedNorm,
    LayerNorm,
    ModulatedResidual,
    PlainNorm,
    Residual,
)
from tinyworlds.nn.positions import NoTimeCode, TimeCode


class Transformer(nn.Module):
    """An entry (the time code), blocks, and a final norm."""

    def __init__(self, entry: nn.Module, blocks: Iterable[nn.Module], final: nn.Module) -> None:
        super().__init__()
        self.entry = entry
        self.blocks = nn.ModuleList(blocks)
        self.final = final

    @property
    def slides(self) -> bool:
        """Whether what is remembered of a frame holds wherever in the window that frame stands."""
        return isinstance(self.entry, NoTimeCode)

    def forward(
        self, x: Tensor, condition: Condition | Tensor | None = None, memory: Memory = NO_MEMORY
    ) -> Tensor:
        """Transform ``[B, T, P, E]``, the frames that follow those in `memory`.

        A `Condition` may be passed again and again; a tensor serves this pass only.
        """
        if not isinstance(condition, Condition):
            condition = Condition(condition)
        x = self.entry(x, memory.num_frames)
        if can_run_natively(x):
            done = transform_natively(self.blocks, self.final, x, condition, memory)
            if done is not None:
                return done
        for block in self.blocks:
            x = block(x, condition, memory)
        return self.final(x)


def runs_natively(network: nn.Module) -> bool:
    """Whether all transformers in a network run in the kernel of our own, where that takes their tokens."""
    transformers = [module for module in network.modules() if isinstance(module, Transformer)]
    return bool(transformers) and all(has_kernel(each.blocks) for each in transformers)


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
    new_ffn: Callable[..., SeparateSwiGLU | MixtureOfExperts] = partial(SeparateSwiGLU, embed_dim, hidden_dim)
    if num_experts:
        new_ffn = partial(MixtureOfExperts, embed_dim, num_experts, top_k, make_expert=new_ffn)
    blocks = [
        PostNormBlock(
            SeparateSpaceAttention(embed_dim, num_heads, new_norm()),
            SeparateTimeAttention(embed_dim, num_heads, new_norm()),
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
    step: Callable[..., nn.Module] = partial(Residual, embed_dim)
    if conditioned:
        step = partial(ModulatedResidual, embed_dim, embed_dim)
    new_ffn: Callable[[], nn.Module] = partial(SwiGLU, embed_dim, hidden_dim)
    if num_experts:
        new_ffn = partial(MixtureOfExperts, embed_dim, num_experts, top_k, make_expert=new_ffn)

    def new_block() -> nn.Module:
        space, ffn = step(SpaceAttention(embed_dim, num_heads, grid)), step(new_ffn())
        if not temporal:
            return SpaceBlock(space, ffn)
        return PreNormBlock(space, step(TimeAttention(embed_dim, num_heads)), ffn)

    blocks = [new_block() for _ in range(num_blocks)]
    return Transformer(NoTimeCode(), blocks, LayerNorm(embed_dim))
