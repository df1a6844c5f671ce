"""Frames to patches and back: every S x S square becomes one vector, row by row.

A patch vector is laid out (channel, row, column), which is also how public weights store it.
"""

from __future__ import annotations

from einops import rearrange
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
    return rearrange(
        frames, "b t c (row y) (column x) -> b t (row column) (c y x)", y=patch_size, x=patch_size
    )


def unpatchify(patches: Tensor, patch_size: int, height: int, width: int) -> Tensor:
    """Undo `patchify`: ``[B, T, P, C * S * S] -> [B, T, C, H, W]``."""
    sizes = {"row": height // patch_size, "column": width // patch_size, "y": patch_size, "x": patch_size}
    return rearrange(patches, "b t (row column) (c y x) -> b t c (row y) (column x)", **sizes)


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
