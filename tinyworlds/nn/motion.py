"""Motion: which pixels of a clip move, and by which displacement one small picture becomes the next.

A window of shifts stands for every displacement of up to `radius` pixels, as in the correlation layers of
optical flow (FlowNet, https://arxiv.org/abs/1504.06852) and the moved pixels of CDNA
(https://arxiv.org/abs/1605.07157). S shifts = (2 * radius + 1) ** 2, row by row; the middle one is no move.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

MOTION_THRESHOLD = 0.1
"""A pixel moves when a channel is further than this from the clip's temporal median (frames in [-1, 1])."""


def temporal_median(clip: Tensor) -> Tensor:
    """The still picture of a clip: ``[B, T, C, H, W] -> [B, 1, C, H, W]``, each value's median over time.

    Of an even number of frames it is the mean of the middle two, where `torch.median` takes the lower one.
    """
    length = clip.shape[1]
    middle = clip.sort(dim=1).values[:, (length - 1) // 2 : length // 2 + 1]  # the middle one, or both
    return middle.mean(dim=1, keepdim=True)


def motion_mask(clip: Tensor, still: Tensor | None = None) -> Tensor:
    """Which pixels differ from the still picture of a clip: ``[B, T, C, H, W] -> bool [B, T, H, W]``.

    `still`, [B, 1, C, H, W], is the temporal median by default.
    """
    still = temporal_median(clip) if still is None else still
    return ((clip - still).abs() > MOTION_THRESHOLD).any(dim=2)


def num_shifts(radius: int) -> int:
    """Size of the window of shifts."""
    return (2 * radius + 1) ** 2


def shifted_copies(pictures: Tensor, radius: int) -> Tensor:
    """Every displacement of ``[N, C, H, W]`` as ``[N, S, C, H, W]``; edges are repeated outwards."""
    height, width = pictures.shape[-2:]
    padded = F.pad(pictures, (radius,) * 4, mode="replicate")
    span = range(2 * radius + 1)
    return torch.stack([padded[..., y : y + height, x : x + width] for y in span for x in span], dim=1)


def match_costs(copies: Tensor, target: Tensor, cell: int) -> Tensor:
    """How badly each shift explains the target, per cell of ``cell x cell`` pixels.

    Args:
        copies: ``[N, S, C, H, W]``, the earlier picture displaced.
        target: ``[N, C, H, W]``, the later picture.
        cell: Side of a cell, in pixels.

    Returns:
        ``[N, S, H / cell, W / cell]``, relative to the cell's mean over shifts: 0 is average, -1 a perfect
        match.
    """
    error = F.avg_pool2d((copies - target[:, None]).square().mean(dim=2), cell)
    return error / (error.mean(dim=1, keepdim=True) + 0.01) - 1  # 0.01: flat cells tell nothing


def blend_copies(copies: Tensor, weights: Tensor, cell: int) -> Tensor:
    """Rebuild pictures as mixtures of shifts, chosen per cell, for K alternatives at once.

    Args:
        copies: ``[N, S, C, H, W]``.
        weights: ``[N, K, S, H / cell, W / cell]``, summing to 1 over S.
        cell: Side of a cell, in pixels.

    Returns:
        ``[N, K, C, H, W]``.
    """
    cells = rearrange(copies, "n s c (row y) (column x) -> (n row column) s (c y x)", y=cell, x=cell)
    mixed = torch.bmm(rearrange(weights, "n k s row column -> (n row column) k s"), cells)
    _, _, _, rows, columns = weights.shape
    sizes = {"row": rows, "column": columns, "y": cell, "x": cell}
    return rearrange(mixed, "(n row column) k (c y x) -> n k c (row y) (column x)", **sizes)
