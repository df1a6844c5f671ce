"""Passes of whole transformers without gradients, by a kernel of our own (``transformer_pass.cpp``).

A small transformer spends most of a pass between its hundreds of small operations, not in them. The kernel
reads the weights of the same modules that train, and gives what they would give (docs/performance.md).
"""

from __future__ import annotations

import ctypes
from ctypes import c_int64, c_void_p
from dataclasses import dataclass
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tinyworlds.nn.attention import FusedAttention, SeparateAttention
from tinyworlds.nn.blocks import PostNormBlock, PreNormBlock, SpaceBlock
from tinyworlds.nn.feedforward import SeparateSwiGLU, SwiGLU
from tinyworlds.nn.kernels.loading import are_wanted, load_kernel, may_use_kernels
from tinyworlds.nn.memory import Memory
from tinyworlds.nn.norms import (
    Condition,
    ConditionedNorm,
    LayerNorm,
    ModulatedResidual,
    PlainNorm,
    Residual,
)
from tinyworlds.nn.positions import RotaryTime

MAX_CHANNELS = 32
"""Heads wider than this are left to the fused kernel."""

_TILE = 16  # places that the kernel works on at once


def _structure(name: str, **fields: Any) -> type[ctypes.Structure]:
    return type(name, (ctypes.Structure,), {"_fields_": tuple(fields.items())})


# As in the source, where they are explained.
_Linear = _structure("_Linear", weight=c_void_p, bias=c_void_p)
_Norm = _structure("_Norm", kind=c_int64, scale=c_void_p)
_Modulation = _structure("_Modulation", scale=_Linear, shift=_Linear, gate=_Linear)
_Step = _structure("_Step", before=_Norm, after=_Norm, modulation=_Modulation)
_Attention = _structure(
    "_Attention",
    step=_Step,
    **dict.fromkeys(("query", "key", "value", "out"), _Linear),
    **dict.fromkeys(("query_norm", "key_norm"), _Norm),
    **dict.fromkeys(("cosine", "sine"), c_void_p),
)
_FeedForward = _structure("_FeedForward", step=_Step, gate=_Linear, value=_Linear, out=_Linear)
_Block = _structure("_Block", space=_Attention, time=_Attention, ffn=_FeedForward)
_Condition = _structure("_Condition", data=c_void_p, frames=c_int64, width=c_int64)
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
    kernel = load_kernel("transformer_pass", {"CHANNELS": channels})
    if kernel is not None:
        kernel.transform.argtypes = [
            c_void_p,
            _Norm,
            _Condition,
            c_void_p,
            c_void_p,
            _Memory,
            _Memory,
            _Sizes,
        ]
        kernel.transform.restype = None
    return kernel


def can_run_natively(x: Tensor) -> bool:
    """Whether tokens are such as the kernel takes, here and now: on a CPU, in float32, without gradients.

    Autocast wants other kernels, and a compiler that traces wants to see operations.
    """
    return not torch.is_grad_enabled() and may_use_kernels(x) and x.numel() > 0


def has_kernel(blocks: nn.ModuleList) -> bool:
    """Whether there is a kernel for blocks such as these, where their weights lie."""
    if not are_wanted() or not all(isinstance(block, _BLOCKS) and _knows(block) for block in blocks):
        return False
    if not all(map(_is_plain, blocks.parameters())):
        return False
    channels = next(layer.head_dim for layer in blocks.modules() if isinstance(layer, _ATTENTIONS))
    return channels <= MAX_CHANNELS and _kernel(channels) is not None


def _is_plain(weight: Tensor) -> bool:
    return weight.dtype == torch.float32 and weight.device.type == "cpu" and weight.is_contiguous()


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
    # once for all passes over a frame: to look where each weight lies takes a while
    plan: _Plan | None = condition.once(blocks, lambda _: _plan(blocks, final))
    if plan is None:
        return None
    sessions, frames, places, width = x.shape
    x, told = x.contiguous(), condition.vectors
    told = None if told is None else told.float().expand(sessions, -1, -1).contiguous()
    plan.check(width, places, told)
    out = torch.empty_like(x)
    layers = len(blocks) if memory.grows else 1  # what is not kept may be written over, block by block
    fresh = x.new_empty(layers, sessions, frames, 2, -(-places // _TILE), width, _TILE)
    past = fresh[:, :, :0] if memory.planes is None else memory.planes
    threads = torch.get_num_threads()
    sizes = _Sizes(sessions, frames, past.shape[2], places, width, plan.hidden, len(blocks), threads)
    given = _Condition() if told is None else _Condition(told.data_ptr(), *told.shape[1:])
    ends = x.data_ptr(), out.data_ptr()
    _kernel(plan.channels).transform(
        plan.blocks, plan.final, given, *ends, _planes(past), _planes(fresh), sizes
    )
    if memory.grows:
        memory.extend_planes(fresh)
    return out


def _planes(planes: Tensor) -> ctypes.Structure:
    return _Memory(planes.data_ptr(), planes.stride(0) if len(planes) > 1 else 0, *planes.stride()[1:3])


@dataclass(frozen=True)
class _Plan:
    """Blocks as the kernel reads them: addresses of weights, which may change their values in place.

    Attributes:
        blocks: for the kernel.
        final: the norm behind them, for the kernel.
        channels: of a head.
        hidden: width of the feed-forward layers.
        sizes: what tokens and conditions must have: "width", "places", "condition" where it matters.
        held: what the addresses are of.
        known: modules with their own weights, as they were.
    """

    blocks: ctypes.Array
    final: ctypes.Structure
    channels: int
    hidden: int
    sizes: dict[str, int]
    held: list[Tensor]
    known: list[tuple[nn.Module, list[tuple[str, int]]]]

    def check(self, width: int, places: int, condition: Tensor | None) -> None:
        """Assert sizes that modules would have found wrong; the kernel would read past the end of weights."""
        given = {"width": width, "places": places}
        if condition is not None:
            given["condition"] = condition.shape[2]
        fits = all(self.sizes.get(name, size) == size for name, size in given.items())
        assert fits, f"{given} given to {self.sizes}"

    def holds(self) -> bool:
        """Whether all weights still lie where they lay."""
        return all(_addresses(module) == weights for module, weights in self.known)


def _addresses(module: nn.Module) -> list[tuple[str, int]]:
    return [(name, weight.data_ptr()) for name, weight in module._parameters.items() if weight is not None]


_plans: WeakKeyDictionary[nn.ModuleList, _Plan] = WeakKeyDictionary()


def _plan(blocks: nn.ModuleList, final: nn.Module) -> _Plan | None:
    """The blocks' plan, made anew when weights have moved; None where there is no kernel for them."""
    plan = _plans.get(blocks)
    if plan is None or not plan.holds():
        if not has_kernel(blocks):
            return None
        plan = _plans[blocks] = _Writer().plan(blocks, final)
    return plan


class _Writer:
    """Writes modules down for the kernel."""

    def __init__(self) -> None:
        self.held: list[Tensor] = []
        self.channels = self.hidden = 0
        self.sizes: dict[str, int] = {}
        self._turns: tuple[int, int] | None = None  # in space: the same for all blocks

    def plan(self, blocks: nn.ModuleList, final: nn.Module) -> _Plan:
        written = [self._block(block) for block in blocks]
        modules = [module for root in (blocks, final) for module in root.modules() if module._parameters]
        return _Plan(
            (_Block * len(written))(*written),
            self._norm(final),
            self.channels,
            self.hidden,
            self.sizes,
            self.held,
            [(module, _addresses(module)) for module in modules],
        )

    def _block(self, block: nn.Module) -> ctypes.Structure:
        layers = [self._layer(step) for step in block.children()]
        return _Block(layers[0], layers[1] if len(layers) == 3 else _Attention(), layers[-1])

    def _layer(self, step: nn.Module) -> ctypes.Structure:
        """A step of a v2 block, or a layer of a v1 block, which holds its norm."""
        if isinstance(step, ModulatedResidual):
            shift, scale, gate = self._modulation(step.to_modulation[1], 3)
            written, layer = _Step(_Norm(_LAYER), _Norm(), _Modulation(scale, shift, gate)), step.layer
        elif isinstance(step, Residual):
            written, layer = _Step(before=self._norm(step.norm)), step.layer
        elif isinstance(step.norm, ConditionedNorm):
            modulation = _Modulation(*self._modulation(step.norm.to_gamma_beta[1], 2))
            written, layer = _Step(_Norm(), _Norm(_LAYER), modulation), step
        else:
            written, layer = _Step(after=self._norm(step.norm)), step
        return (self._attention if isinstance(layer, _ATTENTIONS) else self._feed_forward)(written, layer)

    def _modulation(self, linear: nn.Linear, parts: int) -> list[ctypes.Structure]:
        self.sizes["condition"] = linear.in_features
        return self._split(linear, parts)

    def _norm(self, norm: nn.Module) -> ctypes.Structure:
        norm = norm.rms if isinstance(norm, PlainNorm) else norm
        if isinstance(norm, nn.Identity):
            return _Norm()
        return _Norm(_LAYER if isinstance(norm, LayerNorm) else _ROOT_MEAN_SQUARE, self._hold(norm.weight))

    def _attention(self, step: ctypes.Structure, layer: nn.Module) -> ctypes.Structure:
        self.channels = layer.head_dim
        self.sizes["width"] = layer.head_dim * layer.num_heads
        if isinstance(layer, SeparateAttention):
            maps = (layer.q_proj, layer.k_proj, layer.v_proj, layer.out_proj)
            return _Attention(step, *(part for each in maps for part in self._split(each, 1)))
        maps = (*self._split(layer.qkv, 3), *self._split(layer.out, 1))
        norms = (self._norm(layer.query_norm), self._norm(layer.key_norm))
        return _Attention(step, *maps, *norms, *self._turn(layer.rotary))

    def _turn(self, rotary: nn.Module) -> tuple[int, int]:
        if isinstance(rotary, RotaryTime):  # [T, 1, 1, d]
            return self._hold(rotary.cos), self._hold(rotary.sin)
        self.sizes["places"] = len(rotary.cos)  # [P, 1, d]
        if self._turns is None:
            self._turns = self._hold(_tiled(rotary.cos[:, 0])), self._hold(_tiled(rotary.sin[:, 0]))
        return self._turns

    def _feed_forward(self, step: ctypes.Structure, layer: nn.Module) -> ctypes.Structure:
        if isinstance(layer, SeparateSwiGLU):
            self.hidden = layer.w_o.in_features
            maps = (layer.w_v, layer.w_g, layer.w_o)
            return _FeedForward(step, *(part for each in maps for part in self._split(each, 1)))
        self.hidden = layer.out.in_features
        return _FeedForward(step, *self._split(layer.inner, 2), *self._split(layer.out, 1))

    def _split(self, linear: nn.Linear, parts: int) -> list[ctypes.Structure]:
        """A map as several that stand one below the other."""
        weights = linear.weight.chunk(parts)
        biases = [None] * parts if linear.bias is None else linear.bias.chunk(parts)
        return [
            _Linear(self._hold(weight), None if bias is None else self._hold(bias))
            for weight, bias in zip(weights, biases, strict=True)
        ]

    def _hold(self, weight: Tensor) -> int:
        """The address of a dense tensor, which is kept alive."""
        self.held.append(weight.detach())
        return weight.data_ptr()


def _tiled(table: Tensor) -> Tensor:
    """``[P, d] -> [tiles, d, 16]``, filled up with zeros."""
    padded = F.pad(table, (0, 0, 0, -len(table) % _TILE))
    return padded.unflatten(0, (-1, _TILE)).mT.contiguous()
