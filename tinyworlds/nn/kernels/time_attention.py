"""Causal attention along frames, by a kernel of our own (``time_attention.cpp``), with gradients.

Windows are short: of a place's few scores the fused kernel makes little, and sums over heads written with
matrices move the tokens many times. What is won is in docs/log.md, 2026-11-28.
"""

from __future__ import annotations

import ctypes
from ctypes import c_float, c_int32, c_int64, c_void_p
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from tinyworlds.nn.kernels.loading import are_wanted, dense_heads, load_kernel, loaded

_CHANNELS = (1, 2, 4, 8, 16, 32)


class _Rows(ctypes.Structure):
    _fields_ = (("data", c_void_p), ("session", c_int64), ("frame", c_int64), ("place", c_int64))

    def __init__(self, rows: Tensor) -> None:
        super().__init__(rows.data_ptr(), *rows.stride()[:3])


class _Sizes(ctypes.Structure):
    _fields_ = (
        ("sessions", c_int64),
        ("queries", c_int64),
        ("frames", c_int64),
        ("places", c_int64),
        ("width", c_int64),
        ("scale", c_float),
        ("threads", c_int32),
    )

    def __init__(self, query: Tensor, key: Tensor) -> None:
        batch, length, places, heads, dim = query.shape
        sizes = (batch, length, key.shape[1], places, heads * dim)
        super().__init__(*sizes, dim**-0.5, torch.get_num_threads())


@cache
def _kernel(channels: int) -> ctypes.CDLL | None:
    kernel = load_kernel("time_attention", {"CHANNELS": channels})
    if kernel is not None:
        kernel.attend.argtypes = [*[_Rows] * 4, _Sizes]
        kernel.attend_backward.argtypes = [*[_Rows] * 7, _Sizes]
        kernel.attend.restype = kernel.attend_backward.restype = None
    return kernel


def has_time_kernel(channels: int) -> bool:
    """Whether there is a kernel for heads of so many channels."""
    return channels in _CHANNELS and are_wanted() and _kernel(channels) is not None


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        ctx.save_for_backward(query, key, value)
        mixed = query.new_empty(query.shape)
        parts = (_Rows(part) for part in (query, key, value, mixed))
        loaded(_kernel(query.shape[-1])).attend(*parts, _Sizes(query, key))
        return mixed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, mixed_grad: Tensor) -> tuple[Tensor, ...]:
        query, key, value = ctx.saved_tensors
        mixed_grad = dense_heads(mixed_grad)  # named: the kernel sees addresses and keeps nothing alive
        grads = tuple(part.new_empty(part.shape) for part in (query, key, value))
        parts = (_Rows(part) for part in (query, key, value, mixed_grad, *grads))
        loaded(_kernel(query.shape[-1])).attend_backward(*parts, _Sizes(query, key))
        return grads


def attend_time_natively(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Causal softmax attention along frames, on the CPU, in float32 whatever the type, with gradients.

    Args:
        query: ``[B, Tq, P, heads, d]``, the newest of the frames, any strides; `has_time_kernel` of d.
        key: ``[B, T, P, heads, d]``.
        value: The same.

    Returns:
        ``[B, Tq, P, heads, d]``, of the type of `value`.
    """
    return _Attend.apply(*(dense_heads(part.float()) for part in (query, key, value))).to(value.dtype)
