"""Norms, with and without conditioning on the action.

v1 conditions by scale and shift after the norm (FiLM, https://arxiv.org/abs/1709.07871); v2 by AdaLN-Zero
(DiT, https://arxiv.org/abs/2212.09748, section 3.2), where a gate also weighs what a layer adds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPS = 1e-5


class Condition:
    """What layers are told of each frame, and what they made of it.

    Every decoding pass of a frame is told the same: each layer's scales and shifts are computed once.

    Args:
        vectors: ``[B, T, A]``; None for no condition.
    """

    def __init__(self, vectors: Tensor | None) -> None:
        self.vectors = vectors
        self._made: dict[nn.Module, Any] = {}

    def once(self, layer: nn.Module, make: Callable[[], Any]) -> Any:
        """Return ``make()``, which is called once for each layer."""
        if layer not in self._made:
            self._made[layer] = make()
        return self._made[layer]

    def __getstate__(self) -> dict[str, Any]:
        """Copies make their own: kernels are told of weights by address, which means nothing elsewhere."""
        return {"vectors": self.vectors, "_made": {}}


NO_CONDITION = Condition(None)


class RMSNorm(nn.Module):
    """Root-mean-square norm over the last axis.

    The weight is cast to the input's type, so that the fused kernel also serves under autocast.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``[..., dim]``."""
        return F.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), EPS)


class PlainNorm(nn.Module):
    """The v1 norm of an unconditioned transformer; takes and ignores a condition."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.rms = RMSNorm(dim)

    def forward(self, x: Tensor, condition: Condition = NO_CONDITION) -> Tensor:
        """Normalise ``[B, T, P, E]``."""
        return self.rms(x)


def modulated_norm(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """``layer_norm(x) * scale + shift`` of ``[B, T, P, E]``, given ``[B, T, 1, E]``."""
    if scale.numel() == x.shape[-1]:  # one frame of one clip, as at play: the kernel takes them itself
        return F.layer_norm(x, x.shape[-1:], scale.flatten().to(x.dtype), shift.flatten().to(x.dtype), EPS)
    normed = F.layer_norm(x, x.shape[-1:], eps=EPS)
    return torch.addcmul(shift.to(normed.dtype), normed, scale.to(normed.dtype))


class ConditionedNorm(nn.Module):
    """The v1 norm of a conditioned transformer: LayerNorm, then ``x * (1 + gamma) + beta`` per frame."""

    def __init__(self, dim: int, condition_dim: int) -> None:
        super().__init__()
        self.to_gamma_beta = nn.Sequential(nn.SiLU(), nn.Linear(condition_dim, 2 * dim))

    def forward(self, x: Tensor, condition: Condition = NO_CONDITION) -> Tensor:
        """Normalise ``[B, T, P, E]`` given ``[B, T or T-1, A]``.

        A condition one frame short belongs to frames 1..T-1 (action t acts on frame t+1): the first frame
        then keeps the plain norm, as do all frames without a condition.
        """
        vectors = condition.vectors
        if vectors is None:
            return F.layer_norm(x, x.shape[-1:], eps=EPS)
        scale, shift = condition.once(self, partial(self._scale_and_shift, vectors, x.shape[1]))
        return modulated_norm(x, scale, shift)

    def _scale_and_shift(self, vectors: Tensor, num_frames: int) -> tuple[Tensor, Tensor]:
        gamma_beta = self.to_gamma_beta(vectors)
        gamma_beta = F.pad(gamma_beta, (0, 0, num_frames - vectors.shape[1], 0))  # [B, T, 2E]
        gamma, beta = gamma_beta[:, :, None].chunk(2, dim=-1)  # each [B, T, 1, E]
        return 1 + gamma, beta


class LayerNorm(nn.Module):
    """LayerNorm without a bias; on CPUs several times faster than the root-mean-square norm."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``[..., dim]``."""
        return F.layer_norm(x, self.weight.shape, self.weight, eps=EPS)


def head_norm(dim: int) -> nn.Module:
    """The norm of queries and keys: LayerNorm, whose fused kernel is the fastest on CPUs.

    Below 8 channels, taking the mean away would cost too large a part of a head; RMSNorm keeps them all.
    """
    return RMSNorm(dim) if dim < 8 else LayerNorm(dim)


class Residual(nn.Module):
    """v2 step without a condition: ``x + layer(norm(x))``. The layer's last map should start at zero."""

    def __init__(self, dim: int, layer: nn.Module) -> None:
        super().__init__()
        self.norm = LayerNorm(dim)
        self.layer = layer

    def forward(self, x: Tensor, condition: Condition = NO_CONDITION, *extra: Any) -> Tensor:
        """Step ``[B, T, P, E]``; `extra` goes to the layer, the condition is ignored."""
        return x + self.layer(self.norm(x), *extra)


class ModulatedResidual(nn.Module):
    """v2 step under a condition: ``x + gate * layer(norm(x) * (1 + scale) + shift)``.

    The map from the condition starts at zero, with shift 0, scale 0 and gate 1. As the layer's last map
    starts at zero too, a fresh block passes its input through, as AdaLN-Zero wants, and yet every weight of
    the layer learns from the second step on.
    """

    def __init__(self, dim: int, condition_dim: int, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        linear = nn.Linear(condition_dim, 3 * dim)
        nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)
        self.to_modulation = nn.Sequential(nn.SiLU(), linear)

    def forward(self, x: Tensor, condition: Condition, *extra: Any) -> Tensor:
        """Step ``[B, T, P, E]`` given ``[B, T, condition_dim]``; `extra` goes to the layer."""
        vectors = condition.vectors
        assert vectors is not None, "v2 is always told something, if only that there is no action"
        scale, shift, gate = condition.once(self, partial(self._modulation, vectors))
        change = self.layer(modulated_norm(x, scale, shift), *extra)
        return torch.addcmul(x, change.to(x.dtype), gate.to(x.dtype))

    def _modulation(self, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        shift, scale, gate = self.to_modulation(vectors)[:, :, None].chunk(3, dim=-1)  # each [B, T, 1, E]
        return 1 + scale, shift, 1 + gate
