"""Which tokens a dynamics network has to guess in training, and what it is shown instead."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tinyworlds.nn.cross_entropy import IGNORED


class Exercise(NamedTuple):
    """One training task: ``[B, T, P]`` each; `targets` is IGNORED where nothing is asked."""

    ids: Tensor
    previous_ids: Tensor
    targets: Tensor


def shift_frames(ids: Tensor, fill: int) -> Tensor:
    """The codes of the frame before, ``[B, T, P]``; `fill` for the first frame."""
    return torch.cat([torch.full_like(ids[:, :1], fill), ids[:, :-1]], dim=1)


class UniformMasking(nn.Module):
    """v1: one mask ratio in [0.5, 1) per batch, and each place keeps one random frame."""

    first_target_frame = 0

    def __init__(self, mask_id: int) -> None:
        super().__init__()
        self.mask_id = mask_id

    def forward(self, ids: Tensor) -> Exercise:
        """Draw masks for ``[B, T, P]``."""
        draw = torch.rand(ids.shape, device=ids.device)
        masked = draw < 0.5 + 0.5 * torch.rand((), device=ids.device)
        masked = masked.scatter(1, torch.rand_like(draw).argmax(dim=1, keepdim=True), False)
        targets = ids.masked_fill(~masked, IGNORED)
        return Exercise(ids.masked_fill(masked, self.mask_id), shift_frames(ids, self.mask_id), targets)


class FrameMasking(nn.Module):
    """v2: each frame is in its own stage of being decoded, and knows the finished frame before it.

    Half of the frames are wholly masked, as when decoding begins; of the others a cosine-distributed share
    is (as MaskGIT, https://arxiv.org/abs/2202.04200, section 3.2). The first frame is given at play time and
    is not asked for. A few codes of the frame before are replaced by random ones: at play time they are the
    network's own guesses, and it must not drift away on its mistakes.

    Args:
        mask_id: The id that stands for a masked token; also the number of codes.
        full_share: Share of wholly masked frames.
        noise: Largest share of replaced codes; each clip draws its own share between 0 and this.
    """

    first_target_frame = 1

    def __init__(self, mask_id: int, full_share: float = 0.5, noise: float = 0.06) -> None:
        super().__init__()
        self.mask_id = mask_id
        self.full_share = full_share
        self.noise = noise

    def forward(self, ids: Tensor) -> Exercise:
        """Draw masks and noise for ``[B, T, P]``."""
        batch, length, _ = ids.shape
        device = ids.device
        ratio = torch.cos(torch.rand(batch, length, 1, device=device) * (math.pi / 2))
        ratio = torch.where(torch.rand_like(ratio) < self.full_share, 1.0, ratio)
        masked = torch.rand(ids.shape, device=device) < ratio
        targets = ids.masked_fill(~masked, IGNORED)
        targets[:, 0] = IGNORED
        previous = shift_frames(self._disturb(ids), self.mask_id)
        return Exercise(ids.masked_fill(masked, self.mask_id), previous, targets)

    def _disturb(self, ids: Tensor) -> Tensor:
        share = self.noise * torch.rand(ids.shape[0], 1, 1, device=ids.device)
        wrong = torch.rand(ids.shape, device=ids.device) < share
        return torch.where(wrong, torch.randint_like(ids, self.mask_id), ids)
