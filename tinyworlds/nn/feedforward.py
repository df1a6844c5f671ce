"""Feed-forward layers: SwiGLU (https://arxiv.org/abs/2002.05202) in the layouts of v1 and v2."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from tinyworlds.nn.kernels.gating import gate_natively, has_gate_kernel
from tinyworlds.nn.kernels.loading import may_use_kernels
from tinyworlds.nn.linear import Linear, joined_linear


def swiglu_width(hidden_dim: int) -> int:
    """Hidden width with as many weights as a plain two-map layer of `hidden_dim`."""
    return 2 * hidden_dim // 3


def gated(joined: Tensor) -> Tensor:
    """``silu(gate) * value`` of gates and values side by side: ``[..., 2W] -> [..., W]``."""
    if may_use_kernels(joined) and has_gate_kernel():
        return gate_natively(joined)
    gate, value = joined.chunk(2, dim=-1)
    return F.silu(gate) * value


class SeparateSwiGLU(nn.Module):
    """v1 feed-forward: ``w_o(silu(w_v x) * (w_g x))`` with biases. Holds the norm of its block, if any."""

    def __init__(self, embed_dim: int, hidden_dim: int, norm: nn.Module | None = None) -> None:
        super().__init__()
        width = swiglu_width(hidden_dim)
        self.w_v = Linear(embed_dim, width)
        self.w_g = Linear(embed_dim, width)
        self.w_o = Linear(width, embed_dim)
        if norm is not None:
            self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[..., E]`` to ``[..., E]``."""
        return self.w_o(gated(joined_linear(x, self.w_v, self.w_g)))


class SwiGLU(nn.Module):
    """v2 feed-forward: both inner maps in one product, no biases, and nothing added before the first step."""

    def __init__(self, embed_dim: int, hidden_dim: int) -> None:
        super().__init__()
        width = swiglu_width(hidden_dim)
        self.inner = Linear(embed_dim, 2 * width, bias=False)
        self.out = Linear(width, embed_dim, bias=False)
        nn.init.zeros_(self.out.weight)  # see ModulatedResidual

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[..., E]`` to ``[..., E]``."""
        return self.out(gated(self.inner(x)))
