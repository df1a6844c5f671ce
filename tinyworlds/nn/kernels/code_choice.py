"""The likeliest codes of tokens, by a kernel of our own (``code_choice.cpp``) that keeps no logits."""

from __future__ import annotations

import ctypes
from ctypes import c_int64, c_void_p
from functools import cache
from typing import Protocol

import torch
from torch import Tensor

from tinyworlds.nn.kernels.loading import can_run_natively, load_kernel, loaded


@cache
def _kernel() -> ctypes.CDLL | None:
    kernel = load_kernel("code_choice", {})
    if kernel is not None:
        kernel.choose.argtypes = [c_void_p, c_void_p, c_void_p, *[c_int64] * 4, c_void_p, c_void_p]
        kernel.choose.restype = None
    return kernel


class CodeOutput(Protocol):
    """A last map, ``[..., E]`` to logits ``[..., K]``."""

    @property
    def weight(self) -> Tensor:
        """``[K, E]``."""

    @property
    def bias(self) -> Tensor:
        """``[K]``."""

    def __call__(self, features: Tensor) -> Tensor:
        """The logits."""


def likeliest(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The likeliest codes ``[...]`` of logits ``[..., K]``, and ``[...]`` their probabilities."""
    probability, codes = logits.float().softmax(dim=-1).max(dim=-1)
    return codes, probability


@torch.no_grad()
def choose_codes(features: Tensor, output: CodeOutput) -> tuple[Tensor, Tensor]:
    """`likeliest` of what a last map gives, without gradients.

    Args:
        features: ``[..., E]``.
        output: Maps them to logits.

    Returns:
        Codes ``[...]`` int64 and ``[...]`` their probabilities, float32.
    """
    weight, bias = output.weight, output.bias
    plain = all(each.dtype == torch.float32 and each.is_contiguous() for each in (weight, bias))
    if not (plain and can_run_natively(features) and _kernel() is not None):
        return likeliest(output(features))
    rows = features.reshape(-1, features.shape[-1]).contiguous()
    codes, probability = rows.new_empty(len(rows), dtype=torch.int64), rows.new_empty(len(rows))
    ends = codes.data_ptr(), probability.data_ptr()
    sizes = *rows.shape, len(weight), torch.get_num_threads()
    loaded(_kernel()).choose(rows.data_ptr(), weight.data_ptr(), bias.data_ptr(), *sizes, *ends)
    return codes.view(features.shape[:-1]), probability.view(features.shape[:-1])
