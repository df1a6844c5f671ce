"""Weights in less room: half precision, or eight bits and a scale for each row. Read back, all are float32.

Eight bits divide a row's range into 255 levels, half precision keeps 11 significant bits; what that costs a
world is noted in its file when it is exported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import torch

from tinyworlds.errors import CheckpointError

Weights = Literal["float32", "half", "int8"]
WEIGHTS: tuple[Weights, ...] = get_args(Weights)

SCALE = "::scale"
"""Behind the name of a tensor of eight bits stands the one that its rows are multiplied by."""

_FEWEST = 4096  # smaller tensors (norms, biases) stay in half precision: they weigh nothing


def pack_weights(tensors: Mapping[str, torch.Tensor], weights: Weights) -> dict[str, torch.Tensor]:
    """Return tensors in the form of `weights`; integers stay as they are.

    Args:
        tensors: by name.
        weights: ``"int8"`` takes matrices of some size to eight bits, everything else to half precision.

    Raises:
        CheckpointError: a weight is too large for half precision.
    """
    packed: dict[str, torch.Tensor] = {}
    for name, value in tensors.items():
        if weights == "float32" or not value.is_floating_point():
            packed[name] = value
        elif weights == "int8" and value.dim() > 1 and value.numel() >= _FEWEST:
            packed[name], packed[name + SCALE] = _in_eight_bits(value.float())
        else:
            packed[name] = value.half()
            if not packed[name].isfinite().all():
                raise CheckpointError(f"{name} holds weights beyond 65504: keep this world in float32")
    return packed


def unpack_weights(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return tensors as they were before `pack_weights`, as nearly as they were kept; float32 throughout.

    Raises:
        CheckpointError: a scale does not fit its tensor.
    """
    whole: dict[str, torch.Tensor] = {}
    for name, value in tensors.items():
        if name.endswith(SCALE):
            continue
        scale = tensors.get(name + SCALE)
        if scale is not None:
            rows = [len(value), *[1] * (value.dim() - 1)]
            if value.dtype != torch.int8 or value.dim() < 2 or list(scale.shape) != rows:
                raise CheckpointError(f"the scale of {name} does not fit it: export the world again")
            whole[name] = value.float() * scale.float()
        else:
            whole[name] = value.float() if value.dtype in (torch.float16, torch.bfloat16) else value
    return whole


def _in_eight_bits(value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return int8 values and float32 scales [rows, 1, ...]."""
    scale = value.flatten(1).abs().amax(1).clamp(min=1e-12).view(-1, *[1] * (value.dim() - 1)) / 127
    return (value / scale).round().to(torch.int8), scale
