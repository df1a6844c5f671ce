"""Transformers whole in one kernel: their modules written down for ``kernels/transformer_pass.py``.

The kernel reads the weights of the same modules that train, and gives what they would give.
"""

from __future__ import annotations

import ctypes
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from tinyworlds.nn.attention import Attention, FusedAttention, SeparateAttention
from tinyworlds.nn.blocks import PostNormBlock, PreNormBlock, SpaceBlock
from tinyworlds.nn.feedforward import SeparateSwiGLU, SwiGLU
from tinyworlds.nn.kernels import transformer_pass as kernel
from tinyworlds.nn.kernels.loading import are_wanted
from tinyworlds.nn.memory import Memory, TimeMemory
from tinyworlds.nn.norms import (
    Condition,
    ConditionedNorm,
    LayerNorm,
    ModulatedResidual,
    PlainNorm,
    Residual,
    RMSNorm,
)
from tinyworlds.nn.positions import RotarySpace, RotaryTime

_BLOCKS = (PostNormBlock, PreNormBlock, SpaceBlock)
_STEPS = (Residual, ModulatedResidual)
_LAYERS = (Attention, SeparateSwiGLU, SwiGLU)

_Places = list[tuple[nn.Module, list[tuple[str, int]]]]  # modules with their own weights, and where those lie


def has_kernel(blocks: nn.ModuleList) -> bool:
    """Whether there is a kernel for blocks such as these, where their weights lie."""
    if not are_wanted() or not all(isinstance(block, _BLOCKS) and _knows(block) for block in blocks):
        return False
    if not all(map(_is_plain, blocks.parameters())):
        return False
    return kernel.has_pass_kernel(
        next(layer.head_dim for layer in blocks.modules() if isinstance(layer, Attention))
    )


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
    weights: kernel.Weights | None = condition.once(blocks, lambda: _weights(blocks, final))
    if weights is None:
        return None
    out, fresh = kernel.run_pass(weights, x, condition.vectors, memory.planes, memory.grows)
    if isinstance(memory, TimeMemory) and memory.grows:
        memory.extend_planes(fresh)
    return out


_written: WeakKeyDictionary[nn.ModuleList, tuple[kernel.Weights, _Places]] = WeakKeyDictionary()


def _weights(blocks: nn.ModuleList, final: nn.Module) -> kernel.Weights | None:
    """The blocks' weights, written anew when they have moved; None where there is no kernel for them."""
    weights, places = _written.get(blocks, (None, []))
    if weights is not None and all(_addresses(module) == lay for module, lay in places):
        return weights
    if not has_kernel(blocks):
        return None
    weights = PassWriter().write(blocks, final)
    modules = [module for root in (blocks, final) for module in root.modules() if module._parameters]
    _written[blocks] = weights, [(module, _addresses(module)) for module in modules]
    return weights


def _addresses(module: nn.Module) -> list[tuple[str, int]]:
    return [(name, weight.data_ptr()) for name, weight in module._parameters.items() if weight is not None]


class PassWriter:
    """Writes modules down for the kernel.

    Args:
        kinds: of structures that are written.
    """

    def __init__(self, kinds: kernel.Structures = kernel.HERE) -> None:
        self.kinds = kinds
        self.held: list[Tensor] = []
        self.channels = self.hidden = 0
        self.sizes: dict[str, int] = {}
        self._turns: tuple[int, int] | None = None  # in space: the same for all blocks

    def write(self, blocks: nn.ModuleList, final: nn.Module) -> kernel.Weights:
        """Write the blocks and the norm behind them."""
        written = [self._block(block) for block in blocks]
        return kernel.Weights(
            (self.kinds.Block * len(written))(*written),
            self._norm(final),
            self.channels,
            self.hidden,
            self.sizes,
            self.held,
        )

    def _block(self, block: nn.Module) -> ctypes.Structure:
        layers = [self._layer(step) for step in block.children()]
        return self.kinds.Block(
            layers[0], layers[1] if len(layers) == 3 else self.kinds.Attention(), layers[-1]
        )

    def _layer(self, step: nn.Module) -> ctypes.Structure:
        """A step of a v2 block, or a layer of a v1 block, which holds its norm."""
        layer = step.layer if isinstance(step, _STEPS) else step
        written = self._step(step)
        if isinstance(layer, Attention):
            return self._attention(written, layer)
        return self._feed_forward(written, layer)

    def _step(self, step: nn.Module) -> ctypes.Structure:
        if isinstance(step, ModulatedResidual):
            shift, scale, gate = self._modulation(step.to_modulation, 3)
            return self.kinds.Step(
                self.kinds.Norm(kernel.LAYER), self.kinds.Norm(), self.kinds.Modulation(scale, shift, gate)
            )
        if isinstance(step, Residual):
            return self.kinds.Step(before=self._norm(step.norm))
        assert isinstance(step.norm, nn.Module)
        if isinstance(step.norm, ConditionedNorm):
            modulation = self.kinds.Modulation(*self._modulation(step.norm.to_gamma_beta, 2))
            return self.kinds.Step(self.kinds.Norm(), self.kinds.Norm(kernel.LAYER), modulation)
        return self.kinds.Step(after=self._norm(step.norm))

    def _modulation(self, to_modulation: nn.Sequential, parts: int) -> list[ctypes.Structure]:
        linear = to_modulation[1]
        assert isinstance(linear, nn.Linear)
        self.sizes["condition"] = linear.in_features
        return self._split(linear, parts)

    def _norm(self, norm: nn.Module) -> ctypes.Structure:
        norm = norm.rms if isinstance(norm, PlainNorm) else norm
        if isinstance(norm, nn.Identity):
            return self.kinds.Norm()
        assert isinstance(norm, LayerNorm | RMSNorm)
        kind = kernel.LAYER if isinstance(norm, LayerNorm) else kernel.ROOT_MEAN_SQUARE
        return self.kinds.Norm(kind, self.hold(norm.weight))

    def _attention(self, step: ctypes.Structure, layer: Attention) -> ctypes.Structure:
        self.channels = layer.head_dim
        self.sizes["width"] = layer.head_dim * layer.num_heads
        if isinstance(layer, SeparateAttention):
            maps = (layer.q_proj, layer.k_proj, layer.v_proj, layer.out_proj)
            return self.kinds.Attention(step, *(part for each in maps for part in self._split(each, 1)))
        assert isinstance(layer, FusedAttention)
        joined = (*self._split(layer.qkv, 3), *self._split(layer.out, 1))
        norms = (self._norm(layer.query_norm), self._norm(layer.key_norm))
        return self.kinds.Attention(step, *joined, *norms, *self._turn(layer.rotary))

    def _turn(self, rotary: RotarySpace | RotaryTime) -> tuple[int, int]:
        if isinstance(rotary, RotaryTime):  # [T, 1, 1, d]
            return self.hold(rotary.cos), self.hold(rotary.sin)
        self.sizes["places"] = len(rotary.cos)  # [P, 1, d]
        if self._turns is None:
            cos, sin = (kernel.tiled(table[:, 0]) for table in (rotary.cos, rotary.sin))
            self._turns = self.hold(cos), self.hold(sin)
        return self._turns

    def _feed_forward(self, step: ctypes.Structure, layer: nn.Module) -> ctypes.Structure:
        if isinstance(layer, SeparateSwiGLU):
            self.hidden = layer.w_o.in_features
            maps = (layer.w_v, layer.w_g, layer.w_o)
            return self.kinds.FeedForward(step, *(part for each in maps for part in self._split(each, 1)))
        assert isinstance(layer, SwiGLU)
        self.hidden = layer.out.in_features
        return self.kinds.FeedForward(step, *self._split(layer.inner, 2), *self._split(layer.out, 1))

    def _split(self, linear: nn.Linear, parts: int) -> list[ctypes.Structure]:
        """A map as several that stand one below the other."""
        weights = map(self.hold, linear.weight.chunk(parts))
        if linear.bias is None:
            return [self.kinds.Linear(weight) for weight in weights]
        biases = map(self.hold, linear.bias.chunk(parts))
        return [self.kinds.Linear(*both) for both in zip(weights, biases, strict=True)]

    def hold(self, weight: Tensor) -> int:
        """The address of a dense tensor, which is kept alive."""
        self.held.append(weight.detach())
        return weight.data_ptr()
