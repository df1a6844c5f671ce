"""Frames to patches and back: every S x S square becomes one vector, row by row.

A patch vector is laid out (channel, row, column), which is also how public weights store it.
"""

from __future__ import annotations

from torch import Tensor, nn

from tinyworlds.nn.linear import linear


def patchify(frames: Tensor, patch_size: int) -> Tensor:
    """Cut frames into flat patches.

    Args:
        frames: ``[B, T, C, H, W]``; H and W are multiples of `patch_size`.
        patch_size: S, in pixels.

    Returns:
        ``[B, T, P, C * S * S]``, patches row by row.
    """
    batch, length, channels, height, width = frames.shape
    size = patch_size
    cut = frames.reshape(batch, length, channels, height // size, size, width // size, size)
    return cut.permute(0, 1, 3, 5, 2, 4, 6).reshape(batch, length, -1, channels * size * size)


def unpatchify(patches: Tensor, patch_size: int, height: int, width: int) -> Tensor:
    """Undo `patchify`: ``[B, T, P, C * S * S] -> [B, T, C, H, W]``."""
    batch, length, _, _ = patches.shape
    size = patch_size
    cut = patches.reshape(batch, length, height // size, width // size, -1, size, size)
    return cut.permute(0, 1, 4, 2, 5, 3, 6).reshape(batch, length, -1, height, width)


class PatchLinear(nn.Module):
    """A linear map stored as a 1x1 convolution, the layout of public v1 weights.

    The convolution itself is never run: on flat patches the same product is one matrix multiplication.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        stored = nn.Conv2d(in_features, out_features, kernel_size=1)
        self.weight, self.bias = stored.weight, stored.bias

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[..., in_features]`` to ``[..., out_features]``."""
        return linear(x, self.weight.flatten(1), self.bias)
