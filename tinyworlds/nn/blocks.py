"""The blocks of a space-time transformer: spatial attention, temporal attention and feed-forward."""

from __future__ import annotations

from torch import Tensor, nn

from tinyworlds.nn.attention import SeparateSpaceAttention, SeparateTimeAttention
from tinyworlds.nn.feedforward import SeparateSwiGLU
from tinyworlds.nn.memory import NO_MEMORY, Memory
from tinyworlds.nn.moe import MixtureOfExperts
from tinyworlds.nn.norms import NO_CONDITION, Condition


class PostNormBlock(nn.Module):
    """v1 block: three times ``x = norm(x + layer(x))``, where each layer holds its norm."""

    def __init__(
        self,
        spatial_attn: SeparateSpaceAttention,
        temporal_attn: SeparateTimeAttention,
        ffn: SeparateSwiGLU | MixtureOfExperts,
    ) -> None:
        super().__init__()
        self.spatial_attn = spatial_attn
        self.temporal_attn = temporal_attn
        self.ffn = ffn

    def forward(self, x: Tensor, condition: Condition = NO_CONDITION, memory: Memory = NO_MEMORY) -> Tensor:
        """Step ``[B, T, P, E]``."""
        x = self.spatial_attn.norm(x + self.spatial_attn(x), condition)
        x = self.temporal_attn.norm(x + self.temporal_attn(x, memory), condition)
        return self.ffn.norm(x + self.ffn(x), condition)


class PreNormBlock(nn.Module):
    """v2 block: three residual steps."""

    def __init__(self, space: nn.Module, time: nn.Module, ffn: nn.Module) -> None:
        super().__init__()
        self.space = space
        self.time = time
        self.ffn = ffn

    def forward(self, x: Tensor, condition: Condition = NO_CONDITION, memory: Memory = NO_MEMORY) -> Tensor:
        """Step ``[B, T, P, E]``."""
        x = self.space(x, condition)
        x = self.time(x, condition, memory)
        return self.ffn(x, condition)


class SpaceBlock(nn.Module):
    """v2 block without time: each frame is on its own."""

    def __init__(self, space: nn.Module, ffn: nn.Module) -> None:
        super().__init__()
        self.space = space
        self.ffn = ffn

    def forward(self, x: Tensor, condition: Condition = NO_CONDITION, memory: Memory = NO_MEMORY) -> Tensor:
        """Step ``[B, T, P, E]``; there is nothing to remember."""
        return self.ffn(self.space(x, condition), condition)
