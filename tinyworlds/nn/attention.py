"""Attention within a frame (space) and along the frames of one place (time).

Both run on ``scaled_dot_product_attention``. Keys of a frame never reach earlier frames: time is causal, so a
network sees at play time what it saw in training, and the past need run only once (`TimeMemory`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tinyworlds.nn.kernels.space_attention import attend_space_natively, has_space_kernel
from tinyworlds.nn.kernels.time_attention import attend_time_natively, has_time_kernel
from tinyworlds.nn.linear import Linear, joined_linear
from tinyworlds.nn.narrow_attention import (
    MAX_CHANNELS,
    MAX_FRAMES_SHORT,
    MIN_PLACES,
    attend_narrow,
    attend_short,
)
from tinyworlds.nn.norms import head_norm
from tinyworlds.nn.positions import MAX_FRAMES, RotarySpace, RotaryTime


def _attend(query: Tensor, key: Tensor, value: Tensor, **mask: bool | Tensor) -> Tensor:
    """``scaled_dot_product_attention``; while training on a CPU in float32, whatever the type.

    There the fused backward is four times slower in bfloat16 than in float32 (docs/log.md, 2026-11-20).
    """
    if query.device.type == "cpu" and query.dtype == torch.bfloat16 and torch.is_grad_enabled():
        with torch.autocast("cpu", enabled=False):
            mixed = F.scaled_dot_product_attention(query.float(), key.float(), value.float(), **mask)
        return mixed.to(query.dtype)
    return F.scaled_dot_product_attention(query, key, value, **mask)


def _is_narrow(query: Tensor) -> bool:
    plain = query.device.type == "cpu" and query.dtype == torch.float32
    narrow = query.shape[-1] <= MAX_CHANNELS and query.shape[2] >= MIN_PLACES
    return plain and narrow and not torch.is_grad_enabled()


def attend_space(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """All patches of a frame see each other: three times ``[B, T, P, heads, d] -> [B, T, P, E]``."""
    batch, length, patches, heads, dim = query.shape
    if query.device.type == "cpu" and query.dtype != torch.float64 and has_space_kernel(dim):
        mixed = attend_space_natively(*(part.flatten(0, 1) for part in (query, key, value)))
        return mixed.view(batch, length, patches, heads * dim)
    if _is_narrow(query):
        parts = (part.transpose(2, 3).flatten(0, 2) for part in (query, key, value))  # [B * T * heads, P, d]
        mixed = attend_narrow(*parts).view(batch, length, heads * dim, patches)
        return mixed.transpose(2, 3).contiguous()
    parts = (part.flatten(0, 1).transpose(1, 2) for part in (query, key, value))  # [B * T, heads, P, d]
    mixed = _attend(*parts)
    return mixed.transpose(1, 2).reshape(batch, length, patches, heads * dim)


def attend_time(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Each patch sees itself in this and earlier frames: ``[B, T, P, heads, d] -> [B, T, P, E]``.

    With fewer queries than keys the queries are the newest frames. Patches count as heads, so nothing is
    moved.
    """
    batch, length, patches, heads, dim = query.shape
    on_cpu = query.device.type == "cpu" and query.dtype != torch.float64
    if on_cpu and not torch.compiler.is_compiling() and has_time_kernel(dim):
        return attend_time_natively(query, key, value).flatten(-2)
    if _is_short(query, key):
        return attend_short(query, key, value)
    # [B, P * heads, T, d]
    parts = [part.reshape(batch, -1, patches * heads, dim).transpose(1, 2) for part in (query, key, value)]
    mixed = _attend(*parts, **_causal(length, key.shape[1], query.device))
    return mixed.transpose(1, 2).reshape(batch, length, patches, heads * dim)


def _is_short(query: Tensor, key: Tensor) -> bool:
    # one query over a few frames is no work for the fused kernel, however wide the heads
    narrow = query.shape[-1] <= MAX_CHANNELS or query.shape[1] == 1
    return query.device.type == "cpu" and narrow and key.shape[1] <= MAX_FRAMES_SHORT


def _causal(num_queries: int, num_keys: int, device: torch.device) -> dict[str, bool | Tensor]:
    if num_queries == num_keys:
        return {"is_causal": True}
    if num_queries == 1:
        return {}  # the newest frame sees all
    mask = torch.ones(num_queries, num_keys, dtype=torch.bool, device=device)
    return {"attn_mask": mask.tril(num_keys - num_queries)}


def _unturned(x: Tensor, first_frame: int) -> Tensor:
    return x


class TimeMemory:
    """Keys and values of past frames, so that frames after them need not run the past again.

    A pass inside `growing` adds its frames; every other pass only reads, as often as wanted. Since time is
    causal, a pass over later frames gives what a pass over all frames would give. Beyond `limit` frames the
    oldest are forgotten; keys are kept as they were before rotation, so that the window can slide.

    Args:
        limit: Most frames to keep; None keeps all.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.num_frames = 0
        self._limit = limit
        self._grows = False
        self._kept: dict[nn.Module, tuple[Tensor, Tensor, Tensor]] = {}  # keys, turned keys, values
        self.planes: Tensor | None = None  # keys, values of all layers, as `native_transformer` keeps them

    @property
    def grows(self) -> bool:
        """Whether the frames of this pass are remembered."""
        return self._grows

    @contextmanager
    def growing(self, num_frames: int) -> Iterator[None]:
        """Remember the `num_frames` frames that pass inside."""
        self._grows = True
        yield
        self._grows = False
        self.num_frames = min(self.num_frames + num_frames, self._limit or MAX_FRAMES)

    def extend(
        self, layer: nn.Module, key: Tensor, value: Tensor, turn: Turn = _unturned
    ) -> tuple[Tensor, Tensor]:
        """Put the past in front of a layer's keys and values ``[B, T, P, heads, d]``.

        Args:
            layer: Whose they are.
            key: Keys, not rotated.
            value: Values.
            turn: Rotates keys, given the index of their first frame.

        Returns:
            Turned keys and values of all frames.
        """
        assert self.planes is None, "a memory is kept by native passes, or by others"
        keys, values = turn(key, self.num_frames), value
        past = self._kept.get(layer)
        if past is not None:
            keys, values = torch.cat([past[1], keys], dim=1), torch.cat([past[2], value], dim=1)
        if self._grows:
            kept = key if past is None else torch.cat([past[0], key], dim=1)
            first = self._surplus(kept.shape[1])
            kept = kept[:, first:]
            self._kept[layer] = kept, turn(kept, 0) if first else keys, values[:, first:]
        return keys, values

    def extend_planes(self, planes: Tensor) -> None:
        """Remember new frames ``[layers, B, T, ...]`` behind those in `planes`."""
        assert not self._kept, "a memory is kept by native passes, or by others"
        joined = planes if self.planes is None else torch.cat([self.planes, planes], dim=2)
        self.planes = joined[:, :, self._surplus(joined.shape[2]) :]

    def _surplus(self, num_frames: int) -> int:
        return max(num_frames - (self._limit or MAX_FRAMES), 0)


class NoMemory:
    """Stands for a memory where there is none: the frames given are all there are."""

    num_frames = 0
    grows = False
    planes = None

    def extend(
        self, layer: nn.Module, key: Tensor, value: Tensor, turn: Turn = _unturned
    ) -> tuple[Tensor, Tensor]:
        """Give back turned keys, and values as they are."""
        return turn(key, 0), value


Turn = Callable[[Tensor, int], Tensor]
Memory = TimeMemory | NoMemory
NO_MEMORY = NoMemory()


class SeparateAttention(nn.Module):
    """What both v1 attentions share: four linear maps with biases, and the norm of their block (`norm`)."""

    def __init__(self, embed_dim: int, num_heads: int, norm: nn.Module) -> None:
        super().__init__()
        self.num_heads, self.head_dim = num_heads, embed_dim // num_heads
        self.q_proj = Linear(embed_dim, embed_dim)
        self.k_proj = Linear(embed_dim, embed_dim)
        self.v_proj = Linear(embed_dim, embed_dim)
        self.out_proj = Linear(embed_dim, embed_dim)
        self.norm = norm

    def project(self, x: Tensor) -> tuple[Tensor, ...]:
        """Queries, keys and values ``[B, T, P, heads, d]`` of ``[B, T, P, E]``."""
        joined = joined_linear(x, self.q_proj, self.k_proj, self.v_proj)
        return joined.unflatten(-1, (3, self.num_heads, -1)).unbind(-3)


class SeparateSpaceAttention(SeparateAttention):
    """v1 attention within a frame."""

    def forward(self, x: Tensor) -> Tensor:
        """Mix ``[B, T, P, E]`` within each frame."""
        return self.out_proj(attend_space(*self.project(x)))


class SeparateTimeAttention(SeparateAttention):
    """v1 causal attention along the frames."""

    def forward(self, x: Tensor, memory: Memory = NO_MEMORY) -> Tensor:
        """Mix ``[B, T, P, E]`` along T."""
        query, key, value = self.project(x)
        return self.out_proj(attend_time(query, *memory.extend(self, key, value)))


class FusedAttention(nn.Module):
    """What both v2 attentions share: one map for queries, keys and values, and normed queries and keys.

    The norm bounds the logits and so keeps training steady (https://arxiv.org/abs/2302.05442, section 2).
    """

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads, self.head_dim = num_heads, embed_dim // num_heads
        self.qkv = Linear(embed_dim, 3 * embed_dim, bias=False)
        self.out = Linear(embed_dim, embed_dim, bias=False)
        nn.init.zeros_(self.out.weight)  # see ModulatedResidual
        self.query_norm = head_norm(self.head_dim)
        self.key_norm = head_norm(self.head_dim)

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

    def forward(self, x: Tensor, memory: Memory = NO_MEMORY) -> Tensor:
        """Mix ``[B, T, P, E]`` along T."""
        query, key, value = self.project(x)
        query = self.rotary(query, memory.num_frames)
        return self.out(attend_time(query, *memory.extend(self, key, value, self.rotary)))
