"""Attention within frames for heads of a few channels, by a kernel of our own (``space_attention.cpp``).

On two cores with AVX-512, heads of 4 channels over 256 places take half the time of the fused kernel,
forwards and backwards; the compiler sees it as one operation (docs/log.md, 2026-11-21).
"""

from __future__ import annotations

import ctypes
from ctypes import c_float, c_int32, c_int64, c_void_p
from functools import cache
from typing import Any

import torch
from torch import Tensor

from tinyworlds.nn.kernels.loading import are_wanted, dense_heads, load_kernel, loaded

_MAX_CHANNELS = 8  # wider heads are left to the library


class _Rows(ctypes.Structure):
    _fields_ = (("data", c_void_p), ("frame", c_int64), ("place", c_int64))

    def __init__(self, rows: Tensor) -> None:
        super().__init__(rows.data_ptr(), rows.stride(0), rows.stride(1))


class _Sizes(ctypes.Structure):
    _fields_ = (
        ("frames", c_int64),
        ("places", c_int64),
        ("heads", c_int64),
        ("scale", c_float),
        ("threads", c_int32),
    )

    def __init__(self, rows: Tensor) -> None:
        super().__init__(*rows.shape[:3], rows.shape[3] ** -0.5, torch.get_num_threads())


@cache
def _kernel(channels: int) -> ctypes.CDLL | None:
    kernel = load_kernel("space_attention", {"CHANNELS": channels})
    if kernel is not None:
        kernel.attend.argtypes = [*[_Rows] * 4, c_void_p, _Sizes]
        kernel.attend_backward.argtypes = [*[_Rows] * 5, c_void_p, *[_Rows] * 3, _Sizes]
        kernel.attend.restype = kernel.attend_backward.restype = None
    return kernel


@torch.compiler.assume_constant_result
def has_space_kernel(channels: int) -> bool:
    """Whether there is a kernel for heads of so many channels."""
    return channels <= _MAX_CHANNELS and are_wanted() and _kernel(channels) is not None


def attend_space_natively(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax attention over places, on the CPU, in float32 whatever the type, with gradients.

    Args:
        query: ``[N, P, heads, d]``, any strides; `has_space_kernel` of d.
        key: The same.
        value: The same.

    Returns:
        ``[N, P, heads, d]``, of the type of `value`.
    """
    rows = [dense_heads(part.float()) for part in (query, key, value)]
    # an operation costs 40 microseconds to call, of use only to those who trace it
    traced = torch.compiler.is_compiling() or (torch.is_grad_enabled() and any(r.requires_grad for r in rows))
    return (_attend if traced else _run)(*rows)[0].to(value.dtype)


def _run(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Mixed values, and for the gradient the binary logarithm ``[N, heads, P]`` of each query's sum."""
    frames, places, heads, channels = query.shape
    mixed, log_sum = query.new_empty(query.shape), query.new_empty(frames, heads, places)
    parts = (_Rows(part) for part in (query, key, value, mixed))
    loaded(_kernel(channels)).attend(*parts, log_sum.data_ptr(), _Sizes(query))
    return mixed, log_sum


_attend = torch.library.custom_op("tinyworlds::attend_narrow", _run, mutates_args=(), device_types="cpu")


@_attend.register_fake
def _(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    frames, places, heads, _ = query.shape
    return query.new_empty(query.shape), query.new_empty(frames, heads, places)


@torch.library.custom_op("tinyworlds::attend_narrow_backward", mutates_args=(), device_types="cpu")
def _attend_backward(
    query: Tensor, key: Tensor, value: Tensor, mixed: Tensor, log_sum: Tensor, mixed_grad: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    grads = _three_like(query)
    mixed_grad = dense_heads(mixed_grad)  # named: the kernel sees addresses and keeps nothing alive
    parts = (_Rows(part) for part in (query, key, value, mixed, mixed_grad))
    kernel = loaded(_kernel(query.shape[-1]))
    kernel.attend_backward(*parts, log_sum.data_ptr(), *(_Rows(grad) for grad in grads), _Sizes(query))
    return grads


@_attend_backward.register_fake
def _(query: Tensor, *rest: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return _three_like(query)


def _three_like(query: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return query.new_empty(query.shape), query.new_empty(query.shape), query.new_empty(query.shape)


def _keep(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(*inputs, *output)
    ctx.set_materialize_grads(False)


def _grads(ctx: Any, mixed_grad: Tensor, log_sum_grad: None) -> tuple[Tensor, Tensor, Tensor]:
    return _attend_backward(*ctx.saved_tensors, mixed_grad)


_attend.register_autograd(_grads, setup_context=_keep)
