"""What is measured on frames: PSNR, SSIM, errors of what moves.

Frames are float in [-1, 1], as the networks take them. Everything is measured on [0, 1], as everybody does:
squared errors are in units of [0, 1], PSNR and SSIM have a data range of 1. This is the one PSNR of the
project. Callers pass predicted frames only: context frames that were copied from the truth never reach a
metric. Codes and actions are counted in :mod:`tinyworlds.metrics.usage`.

Shapes: B batch, T frames, C channels, H W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor

MIN_MSE = (1 / 255) ** 2 / 12
"""The variance of 8-bit rounding: equal frames count as 58.9 dB, not as infinity, so that means exist."""


def mse(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of every frame, in units of [0, 1]: [..., C, H, W] in [-1, 1] twice -> [...]."""
    return _squared_error(prediction, target).mean(dim=(-3, -2, -1))


def mse_to_psnr(mse: Tensor) -> Tensor:
    """PSNR in dB of mean squared errors in units of [0, 1]; equal frames count as 58.9 dB."""
    return -10 * torch.log10(mse.clamp_min(MIN_MSE))


def psnr(prediction: Tensor, target: Tensor) -> Tensor:
    """PSNR of every frame in dB: [..., C, H, W] in [-1, 1] twice -> [...]. Equal frames count as 58.9 dB."""
    return mse_to_psnr(mse(prediction, target))


def ssim(prediction: Tensor, target: Tensor) -> Tensor:
    """Structural similarity of every frame, at most 1: [..., C, H, W] in [-1, 1] twice -> [...].

    On [0, 1]: its constants expect no values below zero, where two almost equal greys would come out as
    unlike.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure  # takes a second

    flat = [(frames.float().reshape(-1, *frames.shape[-3:]) + 1) / 2 for frames in (prediction, target)]
    values = structural_similarity_index_measure(flat[0], flat[1], data_range=1.0, reduction="none")
    assert isinstance(values, Tensor)  # others are returned on demand only
    return values.reshape(prediction.shape[:-3])


def motion_errors(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Squared errors of the moving pixels of each clip, and how many there are.

    Small things (a ball, a paddle) vanish in an error over whole frames; here nothing else counts.

    Args:
        prediction: [B, T, C, H, W] in [-1, 1].
        target: [B, T, C, H, W], the truth.
        mask: bool [B, T, H, W] from :func:`tinyworlds.nn.motion.motion_mask` of the true clip.

    Returns:
        [B, 2]: the sum, in units of [0, 1], and the number of pixels; both are 0 where nothing moves.
    """
    error = _squared_error(prediction, target).mean(dim=2)  # [B, T, H, W]
    return torch.stack([(error * mask).sum(dim=(1, 2, 3)), mask.sum(dim=(1, 2, 3)).float()], dim=1)


def _squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    return ((prediction.float() - target.float()) / 2).square()
