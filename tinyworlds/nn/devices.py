"""Where networks run."""

from __future__ import annotations

from typing import Literal

import torch

from tinyworlds.errors import ConfigError

Precision = Literal["auto", "32", "bf16"]


def pick_device(device: str | torch.device) -> torch.device:
    """Turn ``"auto"`` into the CUDA GPU, if there is one, else the CPU; other names are taken as they are.

    Apple's GPU (``"mps"``) is taken only when it is named: it was never measured against the CPU, and not
    every operation exists there.

    Raises:
        ConfigError: there is no such device, or not on this machine.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise ConfigError(f"'{device}' is no device: use cpu, cuda, cuda:0, mps or auto") from None
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            f"device '{device}' was asked for, but this PyTorch sees no GPU: use --device cpu, "
            "and see tinyworlds doctor"
        )
    if chosen.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError(f"device '{device}' was asked for, but Apple's GPU is not here: use --device cpu")
    return chosen


def has_fast_bf16(device: torch.device) -> bool:
    """Whether products are faster in bfloat16: on recent GPUs, and on CPUs with matrix units."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return device.type == "cpu" and torch.cpu._is_amx_tile_supported()


def use_bf16(device: torch.device, precision: Precision) -> bool:
    """Whether to compute in bf16: as `precision` says, and for ``"auto"`` on GPUs that have it."""
    if precision not in ("auto", "32", "bf16"):
        raise ConfigError(f"precision is 'auto', '32' or 'bf16', not '{precision}'")
    auto = precision == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported()
    return precision == "bf16" or auto
