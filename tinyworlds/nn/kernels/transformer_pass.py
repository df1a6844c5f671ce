"""Passes of whole transformers without gradients, by a kernel of our own (``transformer_pass.cpp``).

A small transformer spends most of a pass between its hundreds of small operations, not in them
(docs/performance.md). This half knows tensors and addresses; modules are written down for it in
`tinyworlds.nn.native_transformer`.
"""

from __future__ import annotations

import ctypes
from ctypes import c_int64, c_void_p
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from tinyworlds.nn.kernels.loading import load_kernel, loaded

_MAX_CHANNELS = 32  # wider heads are left to the library
_TILE = 16  # places that the kernel works on at once


def _structure(name: str, **fields: Any) -> type[ctypes.Structure]:
    return type(name, (ctypes.Structure,), {"_fields_": tuple(fields.items())})


class Structures:
    """What the kernel reads, as in the source, where it is explained.

    Args:
        address: the C type of an address: `c_void_p` here, 32 bits wide in a page.
    """

    def __init__(self, address: type) -> None:
        self.Linear = _structure("Linear", weight=address, bias=address)
        self.Norm = _structure("Norm", kind=c_int64, scale=address)
        self.Modulation = _structure("Modulation", **dict.fromkeys(("scale", "shift", "gate"), self.Linear))
        self.Step = _structure("Step", before=self.Norm, after=self.Norm, modulation=self.Modulation)
        self.Attention = _structure(
            "Attention",
            step=self.Step,
            **dict.fromkeys(("query", "key", "value", "out"), self.Linear),
            **dict.fromkeys(("query_norm", "key_norm"), self.Norm),
            **dict.fromkeys(("cosine", "sine"), address),
        )
        self.FeedForward = _structure(
            "FeedForward", step=self.Step, **dict.fromkeys(("gate", "value", "out"), self.Linear)
        )
        self.Block = _structure("Block", space=self.Attention, time=self.Attention, ffn=self.FeedForward)


HERE = Structures(c_void_p)
"""Those of this process."""

_Condition = _structure("_Condition", data=c_void_p, frames=c_int64, width=c_int64)
_Planes = _structure("_Planes", data=c_void_p, block=c_int64, session=c_int64, frame=c_int64)
_SIZES = ("sessions", "frames", "past", "places", "width", "hidden", "blocks", "threads")
_Sizes = _structure("_Sizes", **dict.fromkeys(_SIZES, c_int64))

ROOT_MEAN_SQUARE, LAYER = 1, 2  # kinds of norms; 0 is none


@cache
def _kernel(channels: int) -> ctypes.CDLL | None:
    kernel = load_kernel("transformer_pass", {"CHANNELS": channels})
    if kernel is not None:
        ends = c_void_p, c_void_p
        kernel.transform.argtypes = [c_void_p, HERE.Norm, _Condition, *ends, _Planes, _Planes, _Sizes]
        kernel.transform.restype = None
    return kernel


def has_pass_kernel(channels: int) -> bool:
    """Whether there is a kernel for heads of so many channels."""
    return channels <= _MAX_CHANNELS and _kernel(channels) is not None


@dataclass(frozen=True)
class Weights:
    """Blocks as the kernel reads them: addresses of weights, which may change their values in place.

    Attributes:
        blocks: for the kernel.
        final: the norm behind them, for the kernel.
        channels: of a head.
        hidden: width of the feed-forward layers.
        sizes: what tokens and conditions must have: "width", "places", "condition" where it matters.
        held: what the addresses are of.
    """

    blocks: ctypes.Array
    final: ctypes.Structure
    channels: int
    hidden: int
    sizes: dict[str, int]
    held: list[Tensor]

    def check(self, width: int, places: int, condition: Tensor | None) -> None:
        """Assert sizes that modules would have found wrong; the kernel would read past the end of weights."""
        given = {"width": width, "places": places}
        if condition is not None:
            given["condition"] = condition.shape[2]
        fits = all(self.sizes.get(name, size) == size for name, size in given.items())
        assert fits, f"{given} given to {self.sizes}"


def run_pass(
    weights: Weights, x: Tensor, condition: Tensor | None, past: Tensor | None, keeps: bool
) -> tuple[Tensor, Tensor]:
    """A pass over the frames that follow those in `past`.

    Args:
        weights: of the blocks; `has_pass_kernel` of their heads.
        x: ``[B, T, P, E]``.
        condition: ``[B or 1, T or T-1, A]``.
        past: what passes before this one gave as their second result, joined along its third axis.
        keeps: whether that of this pass is wanted.

    Returns:
        ``[B, T, P, E]``, and keys and values of the frames, ``[layers, B, T, ...]``.
    """
    sessions, frames, places, width = x.shape
    x = x.contiguous()
    told = None if condition is None else condition.float().expand(sessions, -1, -1).contiguous()
    weights.check(width, places, told)
    out = torch.empty_like(x)
    num_blocks = len(weights.blocks)
    layers = num_blocks if keeps else 1  # what is not kept may be written over, block by block
    fresh = x.new_empty(layers, sessions, frames, 2, -(-places // _TILE), width, _TILE)
    past = fresh[:, :, :0] if past is None else past
    threads = torch.get_num_threads()
    sizes = _Sizes(sessions, frames, past.shape[2], places, width, weights.hidden, num_blocks, threads)
    given = _Condition() if told is None else _Condition(told.data_ptr(), *told.shape[1:])
    ends = x.data_ptr(), out.data_ptr()
    transform = loaded(_kernel(weights.channels)).transform
    transform(weights.blocks, weights.final, given, *ends, _planes(past), _planes(fresh), sizes)
    return out, fresh


def _planes(planes: Tensor) -> ctypes.Structure:
    return _Planes(planes.data_ptr(), planes.stride(0) if len(planes) > 1 else 0, *planes.stride()[1:3])


def tiled(table: Tensor) -> Tensor:
    """``[P, d] -> [tiles, d, 16]``, filled up with zeros, as the kernel reads it."""
    padded = F.pad(table, (0, 0, 0, -len(table) % _TILE))
    return rearrange(padded, "(tile place) d -> tile d place", place=_TILE).contiguous()
