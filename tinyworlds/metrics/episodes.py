"""Figures over clips, with intervals over episodes.

Clips of one episode look alike, so that they are no independent draws: ten clips of one episode tell little
more than one. What is independent are episodes. So each figure is computed anew without each episode in turn;
how much it changes gives the interval (delete-one jackknife over clusters, with Student's t on one less than
there are episodes: CV3 of MacKinnon, Nielsen and Webb, "Cluster-robust inference: a guide to empirical
practice", 2023).

Every figure is a function of sums over clips: :func:`mean` of (sum, count), :func:`gain` of (error,
baseline's error, count), or whatever else is summed.

Shapes: N clips, G episodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from tinyworlds.metrics.estimate import Estimate
from tinyworlds.metrics.frames import mse_to_psnr

_STUDENT = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281)
_NORMAL = 1.959964


def over_episodes(sums: Tensor, episodes: Tensor, figure: Callable[[Tensor], Tensor]) -> Estimate:
    """A figure of all clips with its 95 % interval over episodes.

    Args:
        sums: what is summed over clips, [N, ...].
        episodes: which episode each clip is from, integers [N].
        figure: turns sums [G, ...] into values [G], such as :func:`mean`.

    Returns:
        NaN where there was nothing to measure; an interval without ends where all clips with something to
        measure are of one episode.
    """
    sums = sums.detach().double().cpu()
    _, group = episodes.cpu().unique(return_inverse=True)
    by_episode = sums.new_zeros(int(group.max()) + 1, *sums.shape[1:]).index_add_(0, group, sums)
    total = by_episode.sum(0, keepdim=True)
    value = float(figure(total))
    without = figure(total - by_episode)  # [G]
    count = len(by_episode)
    if math.isnan(value):
        return Estimate(value, value, value, 0)
    if count < 2 or not bool(torch.isfinite(without).all()):
        return Estimate(value, -math.inf, math.inf, count)
    half = student(count - 1) * float(((count - 1) / count * (without - value).square().sum()).sqrt())
    return Estimate(value, value - half, value + half, count)


def mean(sums: Tensor) -> Tensor:
    """Sums and counts [..., 2] -> means [...]."""
    return sums[..., 0] / sums[..., 1]


def pooled_psnr(sums: Tensor) -> Tensor:
    """Squared errors and their counts [..., 2] -> PSNR in dB of the mean error [...]."""
    return _of_known(mse_to_psnr(mean(sums)), sums)


def gain(sums: Tensor) -> Tensor:
    """Squared errors of a prediction, of its baseline, and counts [..., 3] -> gain in PSNR, dB [...].

    Errors are averaged before PSNR is taken: other than a mean of PSNRs, this does not let a few frames in
    which nothing moves, and which repeating gets right to the last bit, outweigh all others.
    """
    errors, baseline, counts = sums.unbind(-1)
    return _of_known(mse_to_psnr(errors / counts) - mse_to_psnr(baseline / counts), sums)


def correlation(sums: Tensor) -> Tensor:
    """Sums of x, y, x², y², x y, and counts [..., 6] -> Pearson's correlation of x and y [...]."""
    x, y, xx, yy, xy, counts = sums.unbind(-1)
    shared, spread = xy * counts - x * y, (xx * counts - x * x) * (yy * counts - y * y)
    differ = spread > 1e-9 * xx * yy * counts**2
    return torch.where(differ, shared / spread.clamp_min(1e-30).sqrt(), torch.nan)


def averaged(values: Tensor, episodes: Tensor) -> Estimate:
    """The mean of one value a clip, [N]."""
    return over_episodes(torch.stack([values, torch.ones_like(values)], dim=1), episodes, mean)


def student(freedom: int) -> float:
    """The 0.975 quantile of Student's t: a table, then its expansion around the normal (to 0.003)."""
    if freedom <= len(_STUDENT):
        return _STUDENT[freedom - 1]
    z = _NORMAL
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


def _of_known(values: Tensor, sums: Tensor) -> Tensor:
    """NaN where nothing was counted: the floor of errors would make a figure of it."""
    return torch.where(sums[..., -1] > 0.5, values, torch.nan)
