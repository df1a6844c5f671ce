"""The one place where pixels change dtype and range: uint8 at rest, [-1, 1] in the networks."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def frames_to_input(frames: Tensor) -> Tensor:
    """Convert frames uint8 [...,H,W,C] in 0 ... 255 to float32 [...,C,H,W] in [-1, 1], on their device."""
    channels_first = frames.movedim(-1, -3).contiguous()  # as bytes, a quarter of the traffic
    return channels_first.float().div_(127.5).sub_(1.0)


def input_to_frames(images: Tensor) -> Tensor:
    """Convert images [...,C,H,W] in [-1, 1] to uint8 [...,H,W,C]; values outside are clamped."""
    levels = images.float().clamp(-1.0, 1.0).add(1.0).mul(127.5).round()
    return levels.to(torch.uint8).movedim(-3, -1).contiguous()


def as_pictures(images: Tensor) -> np.ndarray:
    """`input_to_frames` for the eye: an array on the CPU, whatever device the images are on."""
    return input_to_frames(images).cpu().numpy()
