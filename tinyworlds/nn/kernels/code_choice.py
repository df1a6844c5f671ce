"""The likeliest codes of tokens, by a kernel of our own (``code_choice.cpp``) that keeps no logits."""

from __future__ import annotations

import ctypes
from ctypes import c_int64, c_void_p
from functools import cache

import torch
from torch import Tensor, nn

from tinyworlds.nn.kernels.loading import load_kernel
from tinyworlds.nn.kernels.transformer_pass import can_run_natively


@cache
def _kernel() -> ctypes.CDLL | None:
    kernel = load_kernel("code_choice", {})
    if kernel is not None:
        kernel.choose.argtypes = [c_void_p, c_void_p, c_void_p, *[c_int64] * 4, c_void_p, c_void_p]
        kernel.choose.restype = None
    return kernel


def likeliest(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The likeliest codes ``[...]`` of logits ``[..., K]``, and ``[...]`` their probabilities."""
    probability, codes = logits.float().softmax(dim=-1).max(dim=-1)
    return codes, probability


@torch.no_grad()
def choose_codes(features: Tensor, output: nn.Module) -> tuple[Tensor, Tensor]:
    """`likeliest` of what a last map gives, without gradients.

    Args:
        features: ``[..., E]``.
        output: Maps them to logits ``[..., K]``; has a `weight` ``[K, E]`` and a `bias`.

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
    _kernel().choose(rows.data_ptr(), weight.data_ptr(), bias.data_ptr(), *sizes, *ends)
    return codes.view(features.shape[:-1]), probability.view(features.shape[:-1])
