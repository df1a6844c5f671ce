"""Cross entropy of codes by a kernel of our own (``code_loss.cpp``), with its gradients."""

from __future__ import annotations

import ctypes
from ctypes import c_double, c_int32, c_int64, c_void_p
from functools import cache

import torch
from torch import Tensor

from tinyworlds.nn.kernels.loading import load_kernel, loaded, may_use_kernels, products_pay


class _Sizes(ctypes.Structure):
    _fields_ = (("rows", c_int64), ("ins", c_int64), ("outs", c_int64), ("threads", c_int32))


@cache
def _kernel() -> ctypes.CDLL | None:
    kernel = load_kernel("code_loss", {}) if products_pay() else None
    if kernel is not None:
        kernel.judge_rows.argtypes = [*[c_void_p] * 9, _Sizes]
        kernel.judge_rows.restype = None
    return kernel


def can_judge_natively(x: Tensor, weight: Tensor, bias: Tensor) -> bool:
    """Whether the kernel takes these, here and now."""
    return may_use_kernels(x, weight, bias) and min(weight.shape) > 0 and _kernel() is not None


def judge_natively(
    x: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, with_gradients: bool
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Summed cross entropy of ``softmax(x @ weight.T + bias)``.

    Args:
        x: ``[N, E]``; `can_judge_natively` of it and the next two.
        weight: ``[K, E]``.
        bias: ``[K]``.
        targets: ``[N]`` int64 in 0..K-1.
        with_gradients: Whether those are wanted.

    Returns:
        The sum, float32; the int64 number of rows whose largest logit is the target's; the gradients of `x`,
        `weight` and `bias`, or none.

    Raises:
        IndexError: A target is out of range.
    """
    if len(targets) and not 0 <= int(targets.min()) <= int(targets.max()) < len(weight):
        raise IndexError(f"targets must lie in 0..{len(weight) - 1}")
    inputs = [part.contiguous() for part in (x, weight, bias, targets)]
    gradients = [torch.empty_like(part) for part in inputs[:3]] if with_gradients else []
    loss, correct = c_double(), c_int64()
    addresses: list[int | None] = [part.data_ptr() for part in gradients] or [None] * 3
    ends = ctypes.byref(loss), ctypes.byref(correct)
    sizes = _Sizes(*x.shape, len(weight), torch.get_num_threads())
    loaded(_kernel()).judge_rows(*(part.data_ptr() for part in inputs), *addresses, *ends, sizes)
    return x.new_tensor(loss.value), targets.new_tensor(correct.value), gradients
