"""Linear maps of many tokens between few channels, by a kernel of our own where that is faster.

A token has tens of channels and a batch has thousands of tokens; libraries are made for square products. On a
CPU in float32 ``narrow_linear.cpp`` adds the bias on the way and finds all gradients in one pass over the
tokens (docs/log.md, 2026-11-28). Anywhere else, and while compiling, these are the maps of PyTorch.
"""

from __future__ import annotations

import ctypes
from ctypes import c_int32, c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from tinyworlds.nn.native import load_kernel, may_use_kernels, products_pay

_SOURCE = Path(__file__).with_name("narrow_linear.cpp")
_MIN_ROWS = 256
_MAX_CHANNELS = 1024


class _Sizes(ctypes.Structure):
    _fields_ = (("rows", c_int64), ("ins", c_int64), ("outs", c_int64), ("threads", c_int32))

    def __init__(self, x: Tensor, weight: Tensor) -> None:
        outs, ins = weight.shape
        super().__init__(x.numel() // ins, ins, outs, torch.get_num_threads())


@cache
def _kernel() -> ctypes.CDLL | None:
    kernel = load_kernel(_SOURCE, {}) if products_pay() else None
    if kernel is not None:
        kernel.map_rows.argtypes = [*[c_void_p] * 4, _Sizes]
        kernel.map_rows_backward.argtypes = [*[c_void_p] * 6, _Sizes]
        kernel.map_rows.restype = kernel.map_rows_backward.restype = None
    return kernel


class _Map(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        x, weight = x.contiguous(), weight.contiguous()
        ctx.save_for_backward(x, weight)
        ctx.has_bias = bias is not None
        bias = None if bias is None else bias.contiguous()
        y = x.new_empty(*x.shape[:-1], len(weight))
        _kernel().map_rows(*_addresses(x, weight, bias, y), _Sizes(x, weight))
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, y_grad: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None]:
        x, weight = ctx.saved_tensors
        y_grad = y_grad.contiguous()
        x_grad = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        weight_grad, bias_grad = (
            torch.empty_like(weight),
            weight.new_empty(len(weight)) if ctx.has_bias else None,
        )
        grads = x_grad, weight_grad, bias_grad
        _kernel().map_rows_backward(*_addresses(x, weight, y_grad, *grads), _Sizes(x, weight))
        return grads


def _addresses(*tensors: Tensor | None) -> list[int | None]:
    return [None if tensor is None else tensor.data_ptr() for tensor in tensors]


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x @ weight.T + bias`` of ``[..., ins]``, ``[outs, ins]`` and ``[outs]``, differentiable once."""
    many, narrow = x.numel() >= _MIN_ROWS * x.shape[-1], max(weight.shape) <= _MAX_CHANNELS
    if many and narrow and min(weight.shape) > 0 and may_use_kernels(x, weight) and _kernel() is not None:
        return _Map.apply(x, weight, bias)
    return F.linear(x, weight, bias)


class Linear(nn.Linear):
    """`torch.nn.Linear` for tokens."""

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[..., ins]`` to ``[..., outs]``."""
        return linear(x, self.weight, self.bias)


def joined_linear(x: Tensor, *layers: nn.Linear) -> Tensor:
    """The outputs of several layers side by side, in one product: ``[..., E] -> [..., sum of widths]``.

    Their weights lie apart in public checkpoints; joining them costs less than reading the tokens again.
    """
    weight = torch.cat([layer.weight for layer in layers])
    return linear(x, weight, torch.cat([layer.bias for layer in layers]))
