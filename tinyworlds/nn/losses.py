"""Losses on pixels. Small things that move matter: a ball is a few pixels of thousands."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from tinyworlds.nn.motion import motion_mask


def plain_loss(prediction: Tensor, frames: Tensor) -> Tensor:
    """Smooth L1, as v1 was trained."""
    return F.smooth_l1_loss(prediction.float(), frames)


def motion_loss(prediction: Tensor, frames: Tensor, weight: float = 0.5, floor: float = 0.005) -> Tensor:
    """Squared error over all pixels plus `weight` times that over moving pixels.

    Args:
        prediction: ``[B, T, C, H, W]``.
        frames: The same shape, in [-1, 1]. With a single frame nothing moves.
        weight: Share of the second term.
        floor: The moving share of pixels is taken to be at least this, so that one flickering pixel does not
            govern a quiet batch.
    """
    error = (prediction.float() - frames).square().mean(dim=2)  # [B, T, H, W]
    # of an even number of frames the lower middle one: what every run so far was trained on, and goes on with
    moving = motion_mask(frames, frames.median(dim=1, keepdim=True).values)
    share = moving.float().mean().clamp(min=floor)
    return error.mean() + weight * torch.where(moving, error, 0.0).mean() / share
