"""The gate of SwiGLU by a kernel of our own (``gating.cpp``), with gradients; see docs/log.md, 2026-11-28."""

from __future__ import annotations

import ctypes
from ctypes import c_int32, c_int64, c_void_p
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from tinyworlds.nn.kernels.loading import load_kernel, loaded


@cache
def _kernel() -> ctypes.CDLL | None:
    kernel = load_kernel("gating", {})
    if kernel is not None:
        kernel.gate.argtypes = [c_void_p, c_void_p, c_int64, c_int64, c_int32]
        kernel.gate_backward.argtypes = [c_void_p, c_void_p, c_void_p, c_int64, c_int64, c_int32]
        kernel.gate.restype = kernel.gate_backward.restype = None
    return kernel


def has_gate_kernel() -> bool:
    """Whether there is a kernel on this machine."""
    return _kernel() is not None


class _Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, joined: Tensor) -> Tensor:
        joined = joined.contiguous()
        ctx.save_for_backward(joined)
        width = joined.shape[-1] // 2
        out = joined.new_empty(*joined.shape[:-1], width)
        loaded(_kernel()).gate(joined.data_ptr(), out.data_ptr(), *_sizes(out))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, out_grad: Tensor) -> Tensor:
        [joined] = ctx.saved_tensors
        out_grad, joined_grad = out_grad.contiguous(), torch.empty_like(joined)
        addresses = (part.data_ptr() for part in (joined, out_grad, joined_grad))
        loaded(_kernel()).gate_backward(*addresses, *_sizes(out_grad))
        return joined_grad


def _sizes(out: Tensor) -> tuple[int, int, int]:
    width = out.shape[-1]
    return out.numel() // max(width, 1), width, torch.get_num_threads()


def gate_natively(joined: Tensor) -> Tensor:
    """``silu(gate) * value`` of float32 ``[..., 2W]`` on the CPU, gates in front: ``[..., W]``."""
    return _Gate.apply(joined)
