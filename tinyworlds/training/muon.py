"""Muon (https://kellerjordan.github.io/posts/muon/) with the matrices of one shape stepped together.

torch's own Muon orthogonalises matrix by matrix, in bfloat16: on a CPU without bfloat16 units that took a
quarter of a training step (docs/log.md, 2026-11-21). The rule, the defaults and the state are torch's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any, overload

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor


class BatchedMuon(torch.optim.Muon):
    """`torch.optim.Muon` whose Newton-Schulz iterations run as batched products, in float32 on CPUs.

    Sharded parameters are left to torch's own step.
    """

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Step every parameter that has a gradient."""
        if any(isinstance(p, DTensor) for group in self.param_groups for p in group["params"]):
            return super().step(closure)
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._step_group(group)
        return loss

    def _step_group(self, group: dict[str, Any]) -> None:
        params = [p for p in group["params"] if p.grad is not None]
        if not params:
            return
        grads = [p.grad for p in params]
        for p in params:
            if not self.state[p]:
                self.state[p]["momentum_buffer"] = torch.zeros_like(p)
        buffers = [self.state[p]["momentum_buffer"] for p in params]
        torch._foreach_lerp_(buffers, grads, 1 - group["momentum"])
        ahead = torch._foreach_lerp(grads, buffers, group["momentum"]) if group["nesterov"] else buffers
        torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
        alike: dict[tuple[int, int], list[int]] = defaultdict(list)
        for i, p in enumerate(params):
            alike[p.shape[0], p.shape[1]].append(i)
        for shape, members in alike.items():
            steps = orthogonal(torch.stack([ahead[i] for i in members]), group)
            rate = group["lr"] * _rate_factor(group["adjust_lr_fn"], shape)
            for i, step in zip(members, steps, strict=True):
                params[i].add_(step, alpha=-rate)


def orthogonal(matrices: Tensor, group: dict[str, Any]) -> Tensor:
    """Move the singular values of ``[N, rows, columns]`` near 1 by Newton-Schulz iterations.

    Args:
        matrices: of one shape; bfloat16 inside on GPUs, float32 on CPUs.
        group: `ns_steps`, `ns_coefficients` and `eps` as in `torch.optim.Muon`.
    """
    a, b, c = group["ns_coefficients"]
    upright = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if upright else matrices
    x = x.float() if x.device.type == "cpu" else x.bfloat16()
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=group["eps"])
    for _ in range(group["ns_steps"]):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if upright else x).to(matrices.dtype)


def _rate_factor(rule: str | None, shape: tuple[int, int]) -> float:
    """How the learning rate depends on a matrix's shape; the rules are those of `torch.optim.Muon`."""
    rows, columns = shape
    if rule == "match_rms_adamw":
        return 0.2 * float(max(rows, columns)) ** 0.5
    return max(1.0, rows / columns) ** 0.5
