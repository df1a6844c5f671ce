"""Codes of tokens, the likeliest or drawn, by a kernel (``code_choice.cpp``) that keeps no logits."""

from __future__ import annotations

import ctypes
from ctypes import c_bool, c_float, c_int64, c_void_p
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
        kernel.draw.argtypes = [
            *[c_void_p] * 3, *[c_int64] * 4, c_float, c_float, c_void_p, c_bool, c_void_p, c_void_p
        ]  # fmt: skip
        kernel.draw.restype = None
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
    if not _runs(features, weight, bias):
        return likeliest(output(features))
    rows = features.reshape(-1, features.shape[-1]).contiguous()
    codes, probability = rows.new_empty(len(rows), dtype=torch.int64), rows.new_empty(len(rows))
    ends = codes.data_ptr(), probability.data_ptr()
    sizes = *rows.shape, len(weight), torch.get_num_threads()
    loaded(_kernel()).choose(rows.data_ptr(), weight.data_ptr(), bias.data_ptr(), *sizes, *ends)
    return codes.view(features.shape[:-1]), probability.view(features.shape[:-1])


def drawn(
    logits: Tensor, chance: Tensor, temperature: float, top_k: int | None, top_p: float | None, own: bool
) -> tuple[Tensor, Tensor]:
    """Draw codes ``[...]`` from logits ``[..., K]``.

    Args:
        logits: Of every code.
        chance: ``[...]`` in [0, 1): codes share that range in their order, each as much as it is likely.
        temperature: Above 0; logits are divided by it.
        top_k: Draw from this many likeliest codes only.
        top_p: Draw from the fewest likeliest codes that together have at least this probability.
        own: Return the probability of each drawn code; else the largest one of its token.

    Returns:
        Codes ``[...]`` int64, and probabilities ``[...]`` under the tempered softmax of all codes.
    """
    probability = (logits.float() / temperature).softmax(dim=-1)
    kept = probability
    if top_k is not None or top_p is not None:
        ranked = probability.sort(dim=-1, descending=True).values[..., :top_k]
        enough = ranked.cumsum(dim=-1) >= (top_p or 1.0) * (1 - 1e-7)
        last = torch.where(enough.any(dim=-1), enough.to(torch.uint8).argmax(dim=-1), ranked.shape[-1] - 1)
        kept = torch.where(probability >= ranked.gather(-1, last[..., None]), probability, 0.0)
    shares = kept.cumsum(dim=-1)
    target = chance[..., None] * shares[..., -1:]
    begun = (shares - kept <= target) & (kept > 0)
    codes = torch.where(begun, torch.arange(logits.shape[-1], device=logits.device), 0).amax(dim=-1)
    confidence = probability.gather(-1, codes[..., None])[..., 0] if own else probability.amax(dim=-1)
    return codes, confidence


@torch.no_grad()
def draw_codes(
    features: Tensor,
    output: CodeOutput,
    chance: Tensor,
    temperature: float,
    top_k: int | None = None,
    top_p: float | None = None,
    own: bool = True,
) -> tuple[Tensor, Tensor]:
    """`drawn` of what a last map gives, without gradients.

    Args:
        features: ``[..., E]``.
        output: Maps them to logits.
        chance: ``[...]`` float32 in [0, 1).
        temperature: See `drawn`; so for what follows.
        top_k: See there.
        top_p: See there.
        own: See there.
    """
    weight, bias = output.weight, output.bias
    if top_k is not None or not _runs(features, weight, bias):
        return drawn(output(features), chance, temperature, top_k, top_p, own)
    rows, chance = features.reshape(-1, features.shape[-1]).contiguous(), chance.float().contiguous()
    codes, probability = rows.new_empty(len(rows), dtype=torch.int64), rows.new_empty(len(rows))
    sizes = *rows.shape, len(weight), torch.get_num_threads()
    how = 1 / temperature, 1.0 if top_p is None else top_p, chance.data_ptr(), own
    ends = codes.data_ptr(), probability.data_ptr()
    loaded(_kernel()).draw(rows.data_ptr(), weight.data_ptr(), bias.data_ptr(), *sizes, *how, *ends)
    return codes.view(features.shape[:-1]), probability.view(features.shape[:-1])


def _runs(features: Tensor, weight: Tensor, bias: Tensor) -> bool:
    """Whether the kernel may have these."""
    plain = all(each.dtype == torch.float32 and each.is_contiguous() for each in (weight, bias))
    return plain and can_run_natively(features) and _kernel() is not None
