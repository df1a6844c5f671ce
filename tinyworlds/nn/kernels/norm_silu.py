"""Root-mean-square norm and SiLU in one by a kernel of our own (``norm_silu.cpp``), with gradients.

See docs/log.md, 2026-11-30: PyTorch writes the norm's gradient out in a dozen passes.
"""

from __future__ import annotations

import ctypes
from ctypes import c_float, c_int32, c_int64, c_void_p
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from tinyworlds.nn.kernels.loading import load_kernel, loaded


@cache
def _kernel() -> ctypes.CDLL | None:
    kernel = load_kernel("norm_silu", {})
    if kernel is not None:
        sizes = [c_int64, c_int64]
        kernel.norm_silu.argtypes = [*[c_void_p] * 4, *sizes, c_float, c_int32]
        kernel.norm_silu_backward.argtypes = [*[c_void_p] * 6, *sizes, c_int32]
        kernel.norm_silu.restype = kernel.norm_silu_backward.restype = None
    return kernel


def has_norm_kernel() -> bool:
    """Whether there is a kernel on this machine."""
    return _kernel() is not None


class _NormSiLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, eps: float) -> Tensor:
        x, scale = x.contiguous(), scale.contiguous()
        out, roots = _computed(x, scale, eps)
        ctx.save_for_backward(x, scale, roots)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, out_grad: Tensor) -> tuple[Tensor, Tensor, None]:
        x, scale, roots = ctx.saved_tensors
        x_grad, scale_grad = torch.empty_like(x), torch.empty_like(scale)
        parts = (x, scale, roots, out_grad.contiguous(), x_grad, scale_grad)
        addresses = [part.data_ptr() for part in parts]
        loaded(_kernel()).norm_silu_backward(*addresses, *_sizes(x), torch.get_num_threads())
        return x_grad, scale_grad, None


def _computed(x: Tensor, scale: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    out, roots = torch.empty_like(x), x.new_empty(x.shape[:-1])
    addresses = (x.data_ptr(), scale.data_ptr(), out.data_ptr(), roots.data_ptr())
    loaded(_kernel()).norm_silu(*addresses, *_sizes(x), eps, torch.get_num_threads())
    return out, roots


def _sizes(x: Tensor) -> tuple[int, int]:
    width = x.shape[-1]
    return x.numel() // max(width, 1), width


def norm_silu_natively(x: Tensor, scale: Tensor, eps: float) -> Tensor:
    """``silu(x / rms(x) * scale)`` over the last axis of float32 ``[..., W]`` on the CPU."""
    if not torch.is_grad_enabled():  # in a dream, where a call of autograd costs more than the norm
        return _computed(x.contiguous(), scale.contiguous(), eps)[0]
    return _NormSiLU.apply(x, scale, eps)
