"""What is measured on frames: PSNR, SSIM, PSNR of what moves.

Frames are float in [-1, 1], so the data range is 2. Every function returns one value a frame or a clip.
Callers pass predicted frames only: context frames that were copied from the truth never reach a metric.
Codes and actions are counted in :mod:`tinyworlds.metrics.usage`.

Shapes: B batch, T frames, C channels, H W pixels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tinyworlds.metrics.estimate import Estimate

DATA_RANGE = 2.0
# The variance of 8-bit rounding, in units of [-1, 1]: equal frames count as 58.9 dB, not as infinity.
MIN_MSE = (DATA_RANGE / 255) ** 2 / 12


def estimate(values: Tensor) -> Estimate:
    """Mean and 95 % normal interval of `values` [N]; values that are not finite are left out."""
    values = values.detach().double().flatten()
    values = values[torch.isfinite(values)]
    if not len(values):
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    mean = float(values.mean())
    half = 1.96 * float(values.std()) / len(values) ** 0.5 if len(values) > 1 else float("inf")
    return Estimate(mean, mean - half, mean + half, len(values))


def mse_to_psnr(mse: Tensor, data_range: float = DATA_RANGE, floor: float = MIN_MSE) -> Tensor:
    """PSNR in dB of mean squared errors, which count as `floor` at least."""
    return 10 * torch.log10(data_range**2 / mse.clamp_min(floor))


def mse(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of every frame, in units of [-1, 1]: [..., C, H, W] twice -> [...]."""
    return (prediction.float() - target.float()).square().mean(dim=(-3, -2, -1))


def psnr(prediction: Tensor, target: Tensor) -> Tensor:
    """PSNR of every frame in dB: [..., C, H, W] twice -> [...]. Equal frames count as 58.9 dB."""
    return mse_to_psnr(mse(prediction, target))


def ssim(prediction: Tensor, target: Tensor) -> Tensor:
    """Structural similarity of every frame, at most 1: [..., C, H, W] twice -> [...]."""
    from torchmetrics.functional.image import structural_similarity_index_measure  # takes a second

    flat = [frames.float().reshape(-1, *frames.shape[-3:]) for frames in (prediction, target)]
    values = structural_similarity_index_measure(flat[0], flat[1], data_range=DATA_RANGE, reduction="none")
    assert isinstance(values, Tensor)  # others are returned on demand only
    return values.reshape(prediction.shape[:-3])


def pooled_gain(errors: Tensor, baseline: Tensor) -> Estimate:
    """PSNR of the mean error above that of a baseline's mean error, in dB; one squared error [N] a clip each.

    Other than a mean of PSNRs, this does not let a few frames in which nothing moves outweigh all others.
    """
    errors, baseline = errors.double().clamp_min(MIN_MSE), baseline.double().clamp_min(MIN_MSE)
    gain = float(10 * torch.log10(baseline.mean() / errors.mean()))
    # first-order spread of the ratio of two means (delta method)
    pull = 10 / math.log(10) * (baseline / baseline.mean() - errors / errors.mean())
    half = estimate(pull).half_width
    return Estimate(gain, gain - half, gain + half, len(errors))


def motion_psnr(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """PSNR over the moving pixels of each clip, in dB.

    Small things (a ball, a paddle) vanish in a PSNR over whole frames; here nothing else counts.

    Args:
        prediction: [B, T, C, H, W] in [-1, 1].
        target: [B, T, C, H, W], the truth.
        mask: bool [B, T, H, W] from :func:`tinyworlds.nn.motion.motion_mask` of the true clip.

    Returns:
        [B]; NaN where nothing moves.
    """
    error = (prediction.float() - target.float()).square().mean(dim=2)  # [B, T, H, W]
    moving = mask.sum(dim=(1, 2, 3))
    total = (error * mask).sum(dim=(1, 2, 3))
    return torch.where(moving > 0, mse_to_psnr(total / moving.clamp_min(1)), torch.nan)
