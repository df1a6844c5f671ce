"""Layers of the agent: norm in float32, published initialisation, block-diagonal maps, convolutions.

After https://arxiv.org/abs/2301.04104, appendix, and the published code of 2024. The order is always map,
norm, activation (SiLU).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tinyworlds.nn.kernels.norm_silu import has_norm_kernel, norm_silu_natively

EPS = 1e-4
_KERNEL = 5
_TRUNCATION = 1.1368  # widens a normal cut at two deviations to a deviation of 1


def init_weight(weight: Tensor, fan_in: int, scale: float = 1.0) -> None:
    """Fill with a normal of deviation ``scale / sqrt(fan_in)``, cut at twice as much before widening."""
    if not scale:
        nn.init.zeros_(weight)
        return
    std = _TRUNCATION * scale / math.sqrt(fan_in)
    nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)


class NormSiLU(nn.Module):
    """Root-mean-square norm over the last axis, in float32, with a learned scale; then SiLU."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise and activate ``[..., dim]``."""
        if x.dtype == torch.float32 and x.device.type == "cpu" and has_norm_kernel():
            return norm_silu_natively(x, self.weight, EPS)
        return F.silu(F.rms_norm(x.float(), self.weight.shape, self.weight, EPS)).to(x.dtype)


class Map(nn.Linear):
    """``[..., ins] -> [..., outs]``; `scale` 0 starts at zero."""

    def __init__(self, ins: int, outs: int, scale: float = 1.0) -> None:
        super().__init__(ins, outs)
        init_weight(self.weight.data, ins, scale)
        nn.init.zeros_(self.bias)


class BlockMap(nn.Module):
    """A block-diagonal map ``[..., ins] -> [..., outs]``: each of `blocks` parts sees its own part only."""

    def __init__(self, ins: int, outs: int, blocks: int) -> None:
        super().__init__()
        self.blocks = blocks
        self.weight = nn.Parameter(torch.empty(blocks, ins // blocks, outs // blocks))
        self.bias = nn.Parameter(torch.zeros(outs))
        init_weight(self.weight.data, ins)  # of the whole input: smaller by the root of `blocks`

    def forward(self, x: Tensor) -> Tensor:
        """Map each part."""
        parts = x.reshape(-1, self.blocks, x.shape[-1] // self.blocks).transpose(0, 1)  # [g, N, ins/g]
        bias = self.bias.unflatten(0, (self.blocks, 1, -1)).to(x.dtype)
        out = torch.baddbmm(bias, parts, self.weight.to(x.dtype)).transpose(0, 1)
        return out.reshape(*x.shape[:-1], -1)


class MLP(nn.Sequential):
    """`layers` times map, norm, activation, and where `outs` is given one more map."""

    def __init__(
        self, ins: int, units: int, layers: int, outs: int | None = None, scale: float = 1.0
    ) -> None:
        parts: list[nn.Module] = []
        for number in range(layers):
            parts += [Map(units if number else ins, units), NormSiLU(units)]
        if outs is not None:
            parts.append(Map(units if layers else ins, outs, scale))
        super().__init__(*parts)


class ChannelNormSiLU(NormSiLU):
    """The same over the channels of ``[N, C, H, W]``, which lie side by side in memory."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise and activate each pixel."""
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class Conv(nn.Conv2d):
    """A convolution that keeps height and width."""

    def __init__(self, ins: int, outs: int) -> None:
        super().__init__(ins, outs, _KERNEL, padding=_KERNEL // 2)
        init_weight(self.weight.data, ins * _KERNEL**2)
        assert self.bias is not None
        nn.init.zeros_(self.bias)
