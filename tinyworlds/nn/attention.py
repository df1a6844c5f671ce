"""Attention within a frame (space) and along the frames of one place (time).

Keys of a frame never reach earlier frames: time is causal, so a network sees at play time what it saw in
training, and the past need run only once (`tinyworlds.nn.memory`).

A layer attends by a kernel of our own where there is one for its heads, on a CPU, and everywhere else by
PyTorch's ``scaled_dot_product_attention``. It chooses once: at its first pass, and anew after it was moved.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tinyworlds.nn.kernels.space_attention import attend_space_natively, has_space_kernel
from tinyworlds.nn.kernels.time_attention import attend_time_natively, has_time_kernel
from tinyworlds.nn.linear import Linear, joined_linear
from tinyworlds.nn.memory import NO_MEMORY, Memory
from tinyworlds.nn.norms import head_norm
from tinyworlds.nn.positions import RotarySpace, RotaryTime

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Queries, keys and values ``[B, T, P, heads, d]`` to what they mix, ``[B, T, P, E]``."""

_MAX_CHANNELS_SHORT = _MAX_FRAMES_SHORT = 8  # of `_attend_short`


def attend_space(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """All patches of a frame see each other: three times ``[B, T, P, heads, d] -> [B, T, P, E]``."""
    batch, length, patches, heads, dim = query.shape
    query, key, value = (part.flatten(0, 1).transpose(1, 2) for part in (query, key, value))
    mixed = _attend(query, key, value)  # [B * T, heads, P, d]
    return mixed.transpose(1, 2).reshape(batch, length, patches, heads * dim)


def attend_time(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Each patch sees itself in this and earlier frames: ``[B, T, P, heads, d] -> [B, T, P, E]``.

    With fewer queries than keys the queries are the newest frames. Patches count as heads, so nothing is
    moved.
    """
    batch, length, patches, heads, dim = query.shape
    num_frames = key.shape[1]
    if query.device.type == "cpu" and dim <= _MAX_CHANNELS_SHORT and num_frames <= _MAX_FRAMES_SHORT:
        return _attend_short(query, key, value)
    seen = None  # all, or by rule those before
    if 1 < length < num_frames:
        seen = torch.ones(length, num_frames, dtype=torch.bool, device=query.device)
        seen = seen.tril(num_frames - length)
    parts = (part.reshape(batch, -1, patches * heads, dim) for part in (query, key, value))
    query, key, value = (part.transpose(1, 2) for part in parts)  # [B, P * heads, T, d]
    mixed = _attend(query, key, value, seen, is_causal=length == num_frames)
    return mixed.transpose(1, 2).reshape(batch, length, patches, heads * dim)


def _attend(
    query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None = None, is_causal: bool = False
) -> Tensor:
    """``scaled_dot_product_attention``; while training on a CPU in float32, whatever the type.

    There the fused backward is four times slower in bfloat16 than in float32 (docs/log.md, 2026-11-20).
    """
    dtype = query.dtype
    if query.device.type == "cpu" and dtype == torch.bfloat16 and torch.is_grad_enabled():
        with torch.autocast("cpu", enabled=False):
            query, key, value = query.float(), key.float(), value.float()
            return F.scaled_dot_product_attention(query, key, value, seen, is_causal=is_causal).to(dtype)
    return F.scaled_dot_product_attention(query, key, value, seen, is_causal=is_causal)


def _attend_short(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """`attend_time` for heads of a few channels over a few frames, on a CPU, always in float32.

    The library's kernel is made for long sequences and wide heads, and takes two to three times as long. A
    frame's scores with the earlier ones are products of whole rows of E; small matrices sum a head's channels
    into its score and spread its weight over them.
    """
    heads, dim = query.shape[-2:]
    with torch.autocast("cpu", enabled=False):
        queries, keys, values = (part.flatten(-2).float() for part in (query, key, value))
        spread = torch.eye(heads, device=query.device).repeat_interleave(dim, dim=1)  # [heads, E]
        gather = spread.T * dim**-0.5
        mixed = []
        for frame in range(query.shape[1]):
            seen = slice(0, key.shape[1] - query.shape[1] + frame + 1)
            scores = (queries[:, frame : frame + 1] * keys[:, seen]) @ gather  # [B, seen, P, heads]
            mixed.append(((scores.softmax(dim=1) @ spread) * values[:, seen]).sum(dim=1))
        return torch.stack(mixed, dim=1).to(value.dtype)


def _attend_space_by_kernel(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    batch, length, patches, heads, dim = query.shape
    mixed = attend_space_natively(*(part.flatten(0, 1) for part in (query, key, value)))
    return mixed.view(batch, length, patches, heads * dim)


def _attend_time_by_kernel(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    if torch.compiler.is_compiling():  # a compiler wants to see operations; this kernel is none
        return attend_time(query, key, value)
    return attend_time_natively(query, key, value).flatten(-2)


def choose_space(weight: Tensor, head_dim: int) -> Attend:
    """How a layer with such weights attends within frames."""
    return _attend_space_by_kernel if _suits(weight) and has_space_kernel(head_dim) else attend_space


def choose_time(weight: Tensor, head_dim: int) -> Attend:
    """How a layer with such weights attends along frames."""
    return _attend_time_by_kernel if _suits(weight) and has_time_kernel(head_dim) else attend_time


def _suits(weight: Tensor) -> bool:
    """Whether kernels may have what such weights make: they compute in float32 on the CPU."""
    return weight.device.type == "cpu" and weight.dtype != torch.float64


class Attention(nn.Module):
    """What all attention layers share: heads, and a way to attend that is chosen once."""

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads, self.head_dim = num_heads, embed_dim // num_heads
        self._chosen: Attend | None = None

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Mix values ``[B, T, P, heads, d]`` to ``[B, T, P, E]``."""
        return (self._chosen or self.choose())(query, key, value)

    def choose(self) -> Attend:
        """Choose for the device and type that the weights have now."""
        self._chosen = self._choice(next(self.parameters()))
        return self._chosen

    def _choice(self, weight: Tensor) -> Attend:
        raise NotImplementedError

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Attention:
        """Move, as `torch.nn.Module.to` does; elsewhere another way may be faster."""
        self._chosen = None
        return super()._apply(fn, recurse)


def choose_attention(network: nn.Module) -> None:
    """Let all attention layers of a network choose now, before a compiler looks at them."""
    for layer in network.modules():
        if isinstance(layer, Attention):
            layer.choose()


class SeparateAttention(Attention):
    """What both v1 attentions share: four linear maps with biases, and the norm of their block (`norm`)."""

    def __init__(self, embed_dim: int, num_heads: int, norm: nn.Module) -> None:
        super().__init__(embed_dim, num_heads)
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

    def _choice(self, weight: Tensor) -> Attend:
        return choose_space(weight, self.head_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Mix ``[B, T, P, E]`` within each frame."""
        return self.out_proj(self.attend(*self.project(x)))


class SeparateTimeAttention(SeparateAttention):
    """v1 causal attention along the frames."""

    def _choice(self, weight: Tensor) -> Attend:
        return choose_time(weight, self.head_dim)

    def forward(self, x: Tensor, memory: Memory = NO_MEMORY) -> Tensor:
        """Mix ``[B, T, P, E]`` along T."""
        query, key, value = self.project(x)
        return self.out_proj(self.attend(query, *memory.extend(self, key, value)))


class FusedAttention(Attention):
    """What both v2 attentions share: one map for queries, keys and values, and normed queries and keys.

    The norm bounds the logits and so keeps training steady (https://arxiv.org/abs/2302.05442, section 2).
    """

    rotary: RotarySpace | RotaryTime

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__(embed_dim, num_heads)
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

    def _choice(self, weight: Tensor) -> Attend:
        return choose_space(weight, self.head_dim)

    def __init__(self, embed_dim: int, num_heads: int, grid: int) -> None:
        super().__init__(embed_dim, num_heads)
        self.rotary = RotarySpace(grid, embed_dim // num_heads)

    def forward(self, x: Tensor) -> Tensor:
        """Mix ``[B, T, P, E]`` within each frame."""
        query, key, value = self.project(x)
        return self.out(self.attend(self.rotary(query), self.rotary(key), value))


class TimeAttention(FusedAttention):
    """v2 causal attention along the frames, with rotary positions."""

    def _choice(self, weight: Tensor) -> Attend:
        return choose_time(weight, self.head_dim)

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__(embed_dim, num_heads)
        self.rotary = RotaryTime(embed_dim // num_heads)

    def forward(self, x: Tensor, memory: Memory = NO_MEMORY) -> Tensor:
        """Mix ``[B, T, P, E]`` along T."""
        query, key, value = self.project(x)
        query = self.rotary(query, memory.num_frames)
        return self.out(self.attend(query, *memory.extend(self, key, value, self.rotary)))
