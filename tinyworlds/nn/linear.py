"""Linear maps of tokens: on a CPU by a kernel of our own where it pays, anywhere else PyTorch's."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tinyworlds.nn.kernels.token_map import can_map_natively, map_natively


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x @ weight.T + bias`` of ``[..., ins]``, ``[outs, ins]`` and ``[outs]``, differentiable once."""
    if can_map_natively(x, weight):
        return map_natively(x, weight, bias)
    return F.linear(x, weight, bias)


class Linear(nn.Linear):
    """`torch.nn.Linear` for tokens."""

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[..., ins]`` to ``[..., outs]``."""
        return linear(x, self.weight, self.bias)


def joined_linear(x: Tensor, *layers: nn.Linear) -> Tensor:
    """The outputs of several layers side by side, in one product: ``[..., E] -> [..., sum of widths]``.

    Their weights lie apart in public checkpoints; joining them costs less than reading the tokens again.
    """
    weight = torch.cat([layer.weight for layer in layers])
    return linear(x, weight, torch.cat([layer.bias for layer in layers]))
