"""Passes of whole transformers without gradients, by a kernel of our own (``transformer_pass.cpp``).

A small transformer spends most of a pass between its hundreds of small operations, not in them. The kernel
reads the weights of the same modules that train, and gives what they would give (docs/performance.md).
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from ctypes import c_int64, c_void_p
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tinyworlds.nn.attention import FusedAttention, Memory, SeparateAttention
from tinyworlds.nn.blocks import PostNormBlock, PreNormBlock, SpaceBlock
from tinyworlds.nn.feedforward import SeparateSwiGLU, SwiGLU
from tinyworlds.nn.native import load_kernel
from tinyworlds.nn.norms import (
    Condition,
    ConditionedNorm,
    LayerNorm,
    ModulatedResidual,
    PlainNorm,
    Residual,
    RMSNorm,
)

MAX_CHANNELS = 32
"""Heads wider than this are left to the fused kernel."""

_SOURCE = Path(__file__).with_name("transformer_pass.cpp")
_TILE = 16  # places that the kernel works on at once


def _structure(name: str, **fields: Any) -> type[ctypes.Structure]:
    return type(name, (ctypes.Structure,), {"_fields_": tuple(fields.items())})


# As in the source, where they are explained.
_Linear = _structure("_Linear", weight=c_void_p, bias=c_void_p)
_Norm = _structure("_Norm", kind=c_int64, scale=c_void_p, shift=c_void_p, frame=c_int64)
_Step = _structure("_Step", before=_Norm, after=_Norm, gate=c_void_p, gate_frame=c_int64)
_Attention = _structure(
    "_Attention",
    step=_Step,
    **dict.fromkeys(("query", "key", "value", "out"), _Linear),
    **dict.fromkeys(("query_norm", "key_norm"), _Norm),
    **dict.fromkeys(("cosine", "sine"), c_void_p),
)
_FeedForward = _structure("_FeedForward", step=_Step, gate=_Linear, value=_Linear, out=_Linear)
_Block = _structure("_Block", space=_Attention, time=_Attention, ffn=_FeedForward)
_Memory = _structure("_Memory", data=c_void_p, block=c_int64, session=c_int64, frame=c_int64)
_SIZES = ("sessions", "frames", "past", "places", "width", "hidden", "blocks", "threads")
_Sizes = _structure("_Sizes", **dict.fromkeys(_SIZES, c_int64))

_ROOT_MEAN_SQUARE, _LAYER = 1, 2  # kinds of norms; 0 is none
_BLOCKS = (PostNormBlock, PreNormBlock, SpaceBlock)
_STEPS = (Residual, ModulatedResidual)
_ATTENTIONS = (SeparateAttention, FusedAttention)
_LAYERS = (*_ATTENTIONS, SeparateSwiGLU, SwiGLU)


@cache
def _kernel(channels: int) -> ctypes.CDLL | None:
    kernel = load_kernel(_SOURCE, {"CHANNELS": channels})
    if kernel is not None:
        kernel.transform.argtypes = [c_void_p, _Norm, c_void_p, c_void_p, _Memory, _Memory, _Sizes]
        kernel.transform.restype = None
    return kernel


def can_run_natively(x: Tensor) -> bool:
    """Whether tokens are such as the kernel takes, here and now: on a CPU, in float32, without gradients.

    Autocast wants other kernels, and a compiler that traces wants to see operations.
    """
    if torch.compiler.is_compiling() or torch.is_grad_enabled() or torch.is_autocast_enabled("cpu"):
        return False
    return x.device.type == "cpu" and x.dtype == torch.float32 and x.numel() > 0


def has_kernel(blocks: nn.ModuleList) -> bool:
    """Whether there is a kernel for blocks such as these, where their weights lie."""
    if not all(isinstance(block, _BLOCKS) and _knows(block) for block in blocks):
        return False
    if any(weight.dtype != torch.float32 or weight.device.type != "cpu" for weight in blocks.parameters()):
        return False
    channels = next(layer.head_dim for layer in blocks.modules() if isinstance(layer, _ATTENTIONS))
    return channels <= MAX_CHANNELS and _kernel(channels) is not None


def _knows(block: nn.Module) -> bool:
    layers = (step.layer if isinstance(step, _STEPS) else step for step in block.children())
    return all(isinstance(layer, _LAYERS) for layer in layers)


@torch.no_grad()
def transform_natively(
    blocks: nn.ModuleList, final: nn.Module, x: Tensor, condition: Condition, memory: Memory
) -> Tensor | None:
    """What the blocks and the norm `final` make of ``[B, T, P, E]`` (see `Transformer.forward`).

    None where there is no kernel for such blocks. Call it if `can_run_natively`.
    """
    # once for all passes over a frame: to look at all weights takes as long as to use them
    plan: _Plan | None = condition.once(blocks, lambda _: _Plan.of(blocks, final, condition, x))
    if plan is None:
        return None
    sessions, frames, places, width = x.shape
    x = x.contiguous()
    out = torch.empty_like(x)
    layers = len(blocks) if memory.grows else 1  # what is not kept may be written over, block by block
    tiles = -(-places // _TILE)
    fresh = x.new_empty(layers, sessions, frames, 2, tiles, width, _TILE)
    past = fresh[:, :, :0] if memory.planes is None else memory.planes
    sizes = _Sizes(
        sessions, frames, past.shape[2], places, width, plan.hidden, len(blocks), torch.get_num_threads()
    )
    kernel = _kernel(plan.channels)
    kernel.transform(
        plan.blocks, plan.final, x.data_ptr(), out.data_ptr(), _planes(past), _planes(fresh), sizes
    )
    if memory.grows:
        memory.extend_planes(fresh)
    return out


def _planes(planes: Tensor) -> ctypes.Structure:
    return _Memory(planes.data_ptr(), planes.stride(0) if len(planes) > 1 else 0, *planes.stride()[1:3])


@dataclass(frozen=True)
class _Plan:
    """The blocks as the kernel reads them.

    It names addresses of weights, so it is made anew for each condition; `held` keeps alive what was made for
    it.
    """

    blocks: ctypes.Array
    final: ctypes.Structure
    channels: int
    hidden: int
    held: list[Tensor]

    @classmethod
    def of(cls, blocks: nn.ModuleList, final: nn.Module, condition: Condition, x: Tensor) -> _Plan | None:
        """Describe the blocks for passes over ``[B, T, P, E]``; None where there is no kernel for them."""
        if not has_kernel(blocks):
            return None
        writer = _Writer(condition, *x.shape[1:3])
        written = [writer.block(block) for block in blocks]
        return cls(
            (_Block * len(written))(*written),
            writer.norm(final),
            writer.channels,
            writer.hidden,
            writer.held,
        )


class _Writer:
    """Writes modules down for the kernel."""

    def __init__(self, condition: Condition, num_frames: int, num_places: int) -> None:
        self.condition, self.num_frames, self.num_places = condition, num_frames, num_places
        self.held: list[Tensor] = []
        self.channels = self.hidden = 0
        self._turns: tuple[int, int] | None = None  # in space: the same for all blocks

    def block(self, block: nn.Module) -> ctypes.Structure:
        layers = [self._layer(step) for step in block.children()]
        return _Block(layers[0], layers[1] if len(layers) == 3 else _Attention(), layers[-1])

    def _layer(self, step: nn.Module) -> ctypes.Structure:
        """A step of a v2 block, or a layer of a v1 block, which holds its norm."""
        if isinstance(step, ModulatedResidual):
            scale, shift, gate = step.modulation(self.condition)
            before = self._modulated(scale, shift)
            written, layer = (
                _Step(before=before, gate=self._hold(gate), gate_frame=gate.stride(1)),
                step.layer,
            )
        elif isinstance(step, Residual):
            written, layer = _Step(before=self.norm(step.norm)), step.layer
        else:
            written, layer = _Step(after=self.norm(step.norm)), step
        attends = isinstance(layer, _ATTENTIONS)
        return (self._attention if attends else self._feed_forward)(written, layer)

    def norm(self, norm: nn.Module) -> ctypes.Structure:
        if isinstance(norm, ConditionedNorm):
            if self.condition.vectors is None:
                return _Norm(_LAYER)
            return self._modulated(*norm.modulation(self.condition, self.num_frames))
        if isinstance(norm, PlainNorm):
            norm = norm.rms
        if isinstance(norm, LayerNorm | RMSNorm):
            kind = _LAYER if isinstance(norm, LayerNorm) else _ROOT_MEAN_SQUARE
            return _Norm(kind, self._hold(norm.weight))
        assert isinstance(norm, nn.Identity)
        return _Norm()

    def _modulated(self, scale: Tensor, shift: Tensor) -> ctypes.Structure:
        scale, shift = scale.contiguous(), shift.contiguous()
        return _Norm(_LAYER, self._hold(scale), self._hold(shift), scale.stride(1))

    def _attention(self, step: ctypes.Structure, layer: nn.Module) -> ctypes.Structure:
        self.channels = layer.head_dim
        if isinstance(layer, SeparateAttention):
            maps = (layer.q_proj, layer.k_proj, layer.v_proj, layer.out_proj)
            return _Attention(step, *(self._linear(m.weight, m.bias) for m in maps))
        maps = (self._linear(weight) for weight in (*layer.qkv.weight.chunk(3), layer.out.weight))
        norms = (self.norm(layer.query_norm), self.norm(layer.key_norm))
        return _Attention(step, *maps, *norms, *self._turn(layer.rotary))

    def _turn(self, rotary: nn.Module) -> tuple[int, int]:
        if rotary.cos.dim() == 4:  # by frame, [T, 1, 1, d]
            return self._hold(rotary.cos), self._hold(rotary.sin)
        if self._turns is None:  # by place, [P, 1, d]
            self._turns = self._hold(_tiled(rotary.cos[:, 0])), self._hold(_tiled(rotary.sin[:, 0]))
        return self._turns

    def _feed_forward(self, step: ctypes.Structure, layer: nn.Module) -> ctypes.Structure:
        if isinstance(layer, SeparateSwiGLU):
            self.hidden = layer.w_o.in_features
            maps = (layer.w_v, layer.w_g, layer.w_o)
            return _FeedForward(step, *(self._linear(m.weight, m.bias) for m in maps))
        self.hidden = layer.out.in_features
        weights: Iterable[Tensor] = (*layer.inner.weight.chunk(2), layer.out.weight)
        return _FeedForward(step, *(self._linear(weight) for weight in weights))

    def _linear(self, weight: Tensor, bias: Tensor | None = None) -> ctypes.Structure:
        return _Linear(self._hold(weight), None if bias is None else self._hold(bias))

    def _hold(self, tensor: Tensor) -> int:
        """The address of a dense float32 tensor, kept alive as long as the plan."""
        tensor = tensor.detach().float().contiguous()
        self.held.append(tensor)
        return tensor.data_ptr()


def _tiled(table: Tensor) -> Tensor:
    """``[P, d] -> [tiles, d, 16]``, filled up with zeros."""
    padded = F.pad(table, (0, 0, 0, -len(table) % _TILE))
    return padded.unflatten(0, (-1, _TILE)).transpose(1, 2)
