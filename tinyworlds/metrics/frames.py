"""What is measured on frames: PSNR, SSIM, motion PSNR, delta-t PSNR, PSNR by horizon.

Frames are float in [-1, 1], so the data range is 2 everywhere. Every function returns one value a frame or
a clip; the classes accumulate those values over batches and processes. Callers pass predicted frames only:
context frames that were copied from the truth never reach a metric. Codes and actions are counted in
:mod:`tinyworlds.metrics.usage`.

Shapes: B batch, T frames, C channels, H W pixels.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.functional.image import structural_similarity_index_measure

from tinyworlds.metrics.estimate import Estimate

DATA_RANGE = 2.0
# The variance of 8-bit rounding, in units of [-1, 1]: equal frames count as 58.9 dB, not as infinity.
MIN_MSE = (DATA_RANGE / 255) ** 2 / 12
# A pixel moves when it leaves the clip's median by more than this (of [-1, 1]; about 13 of 255).
MOTION_THRESHOLD = 0.1


def estimate(values: Tensor) -> Estimate:
    """Mean and 95 % normal interval of `values` [N]; values that are not finite are left out."""
    values = values.detach().double().flatten()
    values = values[torch.isfinite(values)]
    if not len(values):
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    mean = float(values.mean())
    half = 1.96 * float(values.std()) / len(values) ** 0.5 if len(values) > 1 else float("inf")
    return Estimate(mean, mean - half, mean + half, len(values))


def mse_to_psnr(mse: Tensor) -> Tensor:
    """PSNR in dB of a mean squared error between frames in [-1, 1]."""
    return 10 * torch.log10(DATA_RANGE**2 / mse.clamp_min(MIN_MSE))


def mse(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of every frame, in units of [-1, 1]: [..., C, H, W] twice -> [...]."""
    return (prediction.float() - target.float()).square().mean(dim=(-3, -2, -1))


def psnr(prediction: Tensor, target: Tensor) -> Tensor:
    """PSNR of every frame in dB: [..., C, H, W] twice -> [...]. Equal frames count as 58.9 dB."""
    return mse_to_psnr(mse(prediction, target))


def ssim(prediction: Tensor, target: Tensor) -> Tensor:
    """Structural similarity of every frame, at most 1: [..., C, H, W] twice -> [...]."""
    leading = prediction.shape[:-3]
    values = structural_similarity_index_measure(
        prediction.float().flatten(0, -4) if len(leading) else prediction.float()[None],
        target.float().flatten(0, -4) if len(leading) else target.float()[None],
        data_range=DATA_RANGE,
        reduction="none",
    )
    return values.reshape(leading)  # [B, T]


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


def temporal_median(clip: Tensor) -> Tensor:
    """The still picture of a clip: [B, T, C, H, W] -> [B, 1, C, H, W], each value's median over time."""
    return clip.median(dim=1, keepdim=True).values


def motion_mask(clip: Tensor, threshold: float = MOTION_THRESHOLD) -> Tensor:
    """Where something moves: [B, T, C, H, W] -> bool [B, T, H, W], pixels away from the temporal median."""
    return ((clip - temporal_median(clip)).abs() > threshold).any(dim=2)


def motion_psnr(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """PSNR over the moving pixels of each clip, in dB.

    Small things (a ball, a paddle) vanish in a PSNR over whole frames; here nothing else counts.

    Args:
        prediction: [B, T, C, H, W] in [-1, 1].
        target: [B, T, C, H, W], the truth.
        mask: bool [B, T, H, W] from :func:`motion_mask` of the true clip.

    Returns:
        [B]; NaN where nothing moves.
    """
    error = (prediction.float() - target.float()).square().mean(dim=2)  # [B, T, H, W]
    moving = mask.sum(dim=(1, 2, 3))
    total = (error * mask).sum(dim=(1, 2, 3))
    return torch.where(moving > 0, mse_to_psnr(total / moving.clamp_min(1)), torch.nan)


class MeanOverFrames(Metric):
    """Base: the mean of values that arrive in batches, with its 95 % interval (:meth:`interval`)."""

    full_state_update = False
    higher_is_better = True

    total: Tensor
    squares: Tensor
    count: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in ("total", "squares", "count"):
            self.add_state(name, default=torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def add(self, values: Tensor) -> None:
        """Take in values of any shape; NaN (nothing to measure) is left out."""
        values = values[torch.isfinite(values)].double()
        self.total += values.sum()
        self.squares += values.square().sum()
        self.count += values.numel()

    def compute(self) -> Tensor:
        """The mean over everything seen; NaN before the first value."""
        return torch.where(self.count > 0, self.total / self.count.clamp_min(1), torch.nan).float()

    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the mean; infinite with fewer than two values.

        Honest only when the values added are independent: one a clip rather than one a frame.
        """
        with self.sync_context(should_sync=torch.distributed.is_available()):
            count, total, squares = float(self.count), float(self.total), float(self.squares)
        if count < 2:
            return float("-inf"), float("inf")
        variance = max(squares - total**2 / count, 0.0) / (count - 1)
        half = 1.96 * (variance / count) ** 0.5
        return total / count - half, total / count + half


class PSNR(MeanOverFrames):
    """Mean PSNR per frame in dB over all predicted frames; torchmetrics pools the errors instead."""

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add frames [..., C, H, W] in [-1, 1]."""
        self.add(psnr(prediction, target))


class SSIM(MeanOverFrames):
    """Mean structural similarity per frame."""

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add frames [..., C, H, W] in [-1, 1]."""
        self.add(ssim(prediction, target))


class MotionPSNR(MeanOverFrames):
    """Mean over clips of the PSNR of the pixels that differ from the clip's temporal median, in dB."""

    def __init__(self, threshold: float = MOTION_THRESHOLD, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.threshold = threshold

    def update(self, prediction: Tensor, target: Tensor, clip: Tensor | None = None) -> None:
        """Add clips [B, T, C, H, W].

        `clip`, when given, is the whole true clip of which `target` is the end: its median is steadier.
        """
        whole = target if clip is None else clip
        mask = motion_mask(whole, self.threshold)[:, -target.shape[1] :]
        self.add(motion_psnr(prediction, target, mask))


class DeltaTPSNR(MeanOverFrames):
    """How much the world listens to actions (Genie, arXiv 2402.15391, section 3), in dB.

    PSNR of frame t generated with the actions inferred from the truth, minus PSNR of the same frame generated
    with actions drawn at random; 0 means actions are ignored.
    """

    def __init__(self, t: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.t = t

    def update(self, inferred: Tensor, random: Tensor, target: Tensor) -> None:
        """Add rollouts [B, >=t, C, H, W] from the same context; the t-th generated frame counts."""
        step = self.t - 1
        self.add(psnr(inferred[:, step], target[:, step]) - psnr(random[:, step], target[:, step]))


class HorizonPSNR(Metric):
    """Mean PSNR of the 1st, 2nd, ... generated frame: [horizon] values in dB."""

    full_state_update = False
    higher_is_better = True

    total: Tensor
    count: Tensor

    def __init__(self, horizon: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("total", default=torch.zeros(horizon, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", default=torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add generated frames [B, horizon, C, H, W]; context frames must be cut off before."""
        self.total += psnr(prediction, target).double().sum(dim=0)
        self.count += prediction.shape[0]

    def compute(self) -> Tensor:
        """Mean PSNR of each step, [horizon]."""
        return (self.total / self.count.clamp_min(1)).float()
