"""LaProp with adaptive gradient clipping, as the agent is trained with.

LaProp (https://arxiv.org/abs/2002.04839): momentum of gradients that were normalised before. Adaptive
clipping (https://arxiv.org/abs/2102.06171): a gradient may be a share of its weights' norm, here for whole
tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class LaProp(Optimizer):
    """Clip, divide by the root mean square, then average.

    Args:
        params: To train.
        lr: Learning rate.
        betas: Decay of the averaged, and of the squared gradients; both averages are corrected for their
            beginning at zero.
        eps: Added to the root mean square.
        clip: Largest norm of a gradient, as a share of the norm of its weights; 0 for none.
        least_norm: Norm that weights have at least, for `clip`.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 4e-5,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-20,
        clip: float = 0.3,
        least_norm: float = 1e-3,
    ) -> None:
        super().__init__(
            params, {"lr": lr, "betas": betas, "eps": eps, "clip": clip, "least_norm": least_norm}
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Make one update."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._update(group)
        return loss

    def _update(self, group: dict[str, Any]) -> None:
        params = [param for param in group["params"] if param.grad is not None]
        if not params:
            return
        momentum_decay, square_decay = group["betas"]
        states = [self._state(param) for param in params]
        count = states[0]["step"] = states[0]["step"] + 1
        for state in states[1:]:
            state["step"] = count
        squares, averages = ([state[name] for state in states] for name in ("square", "average"))
        gradients = _clipped(params, group["clip"], group["least_norm"])
        torch._foreach_mul_(squares, square_decay)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - square_decay)
        roots = torch._foreach_div(squares, 1 - square_decay**count)
        torch._foreach_sqrt_(roots)
        torch._foreach_add_(roots, group["eps"])
        torch._foreach_lerp_(averages, torch._foreach_div(gradients, roots), 1 - momentum_decay)
        torch._foreach_add_(params, averages, alpha=-group["lr"] / (1 - momentum_decay**count))

    def _state(self, param: Tensor) -> dict[str, Any]:
        state = self.state[param]
        if not state:
            state.update(step=0, square=torch.zeros_like(param), average=torch.zeros_like(param))
        return state


def _clipped(params: list[Tensor], clip: float, least_norm: float) -> list[Tensor]:
    gradients = [param.grad for param in params if param.grad is not None]
    if not clip:
        return gradients
    most = torch._foreach_clamp_min(torch._foreach_norm(params), least_norm)
    shares = torch._foreach_div(torch._foreach_mul(most, clip), torch._foreach_norm(gradients))
    return list(torch._foreach_mul(gradients, torch._foreach_clamp_max(shares, 1.0)))
