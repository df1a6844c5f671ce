"""Feed-forward layers: SwiGLU (https://arxiv.org/abs/2002.05202) in the layouts of v1 and v2."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def swiglu_width(hidden_dim: int) -> int:
    """Hidden width with as many weights as a plain two-map layer of `hidden_dim`."""
    return 2 * hidden_dim // 3


def joined_linear(x: Tensor, *layers: nn.Linear) -> Tensor:
    """The outputs of several layers side by side, in one product: ``[..., E] -> [..., sum of widths]``.

    Their weights lie apart in public checkpoints; joining them costs less than reading the tokens again.
    """
    weight = torch.cat([layer.weight for layer in layers])
    return F.linear(x, weight, torch.cat([layer.bias for layer in layers]))


class SeparateSwiGLU(nn.Module):
    """v1 feed-forward: ``w_o(silu(w_v x) * (w_g x))`` with biases. Holds the norm of its block, if any."""

    def __init__(self, embed_dim: int, hidden_dim: int, norm: nn.Module | None = None) -> None:
        super().__init__()
        width = swiglu_width(hidden_dim)
        self.w_v = nn.Linear(embed_dim, width)
        self.w_g = nn.Linear(embed_dim, width)
        self.w_o = nn.Linear(width, embed_dim)
        if norm is not None:
            self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[..., E]`` to ``[..., E]``."""
        gate, value = joined_linear(x, self.w_v, self.w_g).chunk(2, dim=-1)
        return self.w_o(F.silu(gate) * value)


class SwiGLU(nn.Module):
    """v2 feed-forward: both inner maps in one product, no biases, and nothing added before the first step."""

    def __init__(self, embed_dim: int, hidden_dim: int) -> None:
        super().__init__()
        width = swiglu_width(hidden_dim)
        self.inner = nn.Linear(embed_dim, 2 * width, bias=False)
        self.out = nn.Linear(width, embed_dim, bias=False)
        nn.init.zeros_(self.out.weight)  # see ModulatedResidual

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[..., E]`` to ``[..., E]``."""
        gate, value = self.inner(x).chunk(2, dim=-1)
        return self.out(F.silu(gate) * value)
