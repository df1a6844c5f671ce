"""What the agent sees with and draws with: encoder and decoder of pictures and vectors."""

from __future__ import annotations

from itertools import pairwise

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from tinyworlds.dreamer.layers import MLP, BlockMap, ChannelNormSiLU, Conv
from tinyworlds.dreamer.sizes import AgentSizes
from tinyworlds.errors import ConfigError

_LEAST, _MOST = 3, 16  # height and width of the innermost map


def stage_widths(side: int, sizes: AgentSizes) -> tuple[int, ...]:
    """Channels of each stage of pictures of `side` px: as many stages as leave a map of 3 px or more.

    Raises:
        ConfigError: The picture cannot be halved so often, or the innermost map would be too large.
    """
    stages = len(sizes.multipliers)
    while stages and side < _LEAST * 2**stages:
        stages -= 1
    inner = side // 2**stages
    if inner * 2**stages != side or not _LEAST <= inner <= _MOST:
        raise ConfigError(
            f"pictures of {side} px, halved {stages} times, end in a map of {side / 2**stages:g}: it must be "
            f"whole and lie in {_LEAST} to {_MOST}; use another frame size, such as 16, 32, 64 or 96."
        )
    return tuple(factor * sizes.depth for factor in sizes.multipliers[:stages])


class PictureEncoder(nn.Module):
    """``[N, C, H, W]`` in [0, 1] to ``[N, tokens]``: stages of convolution, max-pooling, norm, activation."""

    def __init__(self, side: int, channels: int, sizes: AgentSizes) -> None:
        super().__init__()
        widths = [channels, *stage_widths(side, sizes)]
        pairs = list(pairwise(widths))
        self.convs = nn.ModuleList(Conv(ins, outs) for ins, outs in pairs)
        self.norms = nn.ModuleList(ChannelNormSiLU(outs) for _, outs in pairs)
        self.width = (side >> len(pairs)) ** 2 * widths[-1]

    def forward(self, pictures: Tensor) -> Tensor:
        """Encode."""
        x = (pictures - 0.5).contiguous(memory_format=torch.channels_last)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = norm(F.max_pool2d(conv(x), 2))
        return x.flatten(1)


class PictureDecoder(nn.Module):
    """Recurrent state and latents to ``[N, C, H, W]`` in [0, 1]: the encoder backwards."""

    def __init__(self, side: int, channels: int, sizes: AgentSizes) -> None:
        super().__init__()
        widths = stage_widths(side, sizes)[::-1]
        self.inner = side >> len(widths)
        start = self.inner**2 * widths[0]
        self.blocks = sizes.blocks
        self.of_deter = BlockMap(sizes.deter, start, sizes.blocks)
        self.of_stoch = MLP(sizes.stoch, 2 * sizes.units, 1, start)
        self.start_norm = ChannelNormSiLU(widths[0])
        pairs = list(pairwise(widths))
        self.convs = nn.ModuleList(Conv(ins, outs) for ins, outs in pairs)
        self.norms = nn.ModuleList(ChannelNormSiLU(outs) for _, outs in pairs)
        self.last = Conv(widths[-1], channels)

    def forward(self, deter: Tensor, stoch: Tensor) -> Tensor:
        """Draw."""
        side = {"h": self.inner, "w": self.inner}
        x = rearrange(self.of_deter(deter), "n (g h w c) -> n (g c) h w", g=self.blocks, **side)
        x = x + rearrange(self.of_stoch(stoch), "n (h w c) -> n c h w", **side)
        x = self.start_norm(x)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = norm(conv(_doubled(x)))
        return torch.sigmoid(self.last(_doubled(x)).float())


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
