"""Linear maps of many tokens between few channels by a kernel of our own, ``token_map.cpp``, with gradients.

A token has tens of channels and a batch has thousands of tokens; libraries are made for square products. Here
the bias is added on the way, and all gradients come from one pass over the tokens (docs/log.md, 2026-11-28).
"""

from __future__ import annotations

import ctypes
from ctypes import c_int32, c_int64, c_void_p
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from tinyworlds.nn.kernels.loading import load_kernel, loaded, may_use_kernels, products_pay

_MIN_ROWS = 256
_MAX_CHANNELS = 1024


class _Sizes(ctypes.Structure):
    _fields_ = (("rows", c_int64), ("ins", c_int64), ("outs", c_int64), ("threads", c_int32))

    def __init__(self, x: Tensor, weight: Tensor) -> None:
        outs, ins = weight.shape
        super().__init__(x.numel() // ins, ins, outs, torch.get_num_threads())


@cache
def _kernel() -> ctypes.CDLL | None:
    kernel = load_kernel("token_map", {}) if products_pay() else None
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
        loaded(_kernel()).map_rows(*_addresses(x, weight, bias, y), _Sizes(x, weight))
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, y_grad: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None]:
        x, weight = ctx.saved_tensors
        y_grad = y_grad.contiguous()
        x_grad = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        bias_grad = weight.new_empty(len(weight)) if ctx.has_bias else None
        grads = x_grad, torch.empty_like(weight), bias_grad
        loaded(_kernel()).map_rows_backward(*_addresses(x, weight, y_grad, *grads), _Sizes(x, weight))
        return grads


def _addresses(*tensors: Tensor | None) -> list[int | None]:
    return [None if tensor is None else tensor.data_ptr() for tensor in tensors]


def can_map_natively(x: Tensor, weight: Tensor) -> bool:
    """Whether the kernel takes these, here and now, and is worth its call."""
    many = x.numel() >= _MIN_ROWS * x.shape[-1]
    narrow = 0 < min(weight.shape) <= max(weight.shape) <= _MAX_CHANNELS
    return many and narrow and may_use_kernels(x, weight) and _kernel() is not None


def map_natively(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``x @ weight.T + bias`` of ``[..., ins]``, ``[outs, ins]`` and ``[outs]``, if `can_map_natively`."""
    return _Map.apply(x, weight, bias)
