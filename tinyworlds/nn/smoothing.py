"""What is likely over time: the forward-backward pass of a hidden Markov model.

After Rabiner's tutorial (Proceedings of the IEEE 77, 1989, section III): each state stays with a fixed
probability, or is drawn anew.
"""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def smoothed(log_likelihoods: Tensor, shares: Tensor, staying: float | Tensor) -> Tensor:
    """Weigh what is seen at each time with what is seen before and after it.

    Args:
        log_likelihoods: ``[B, T, K]``, of what is seen in each state, up to a constant.
        shares: ``[K]``, how often each state occurs; they sum to 1.
        staying: how often a state is followed by itself, 0 to 1.

    Returns:
        Probabilities of the states given all that is seen, ``[B, T, K]``.
    """
    seen = log_likelihoods.float().softmax(dim=-1)
    anew = _share_anew(shares, staying)
    moves = (1 - anew) * torch.eye(len(shares), device=seen.device) + anew * shares  # [from, to]
    forward = [_normed(seen[:, 0] * shares)]
    for now in seen[:, 1:].unbind(dim=1):
        forward.append(_normed((forward[-1] @ moves) * now))
    backward = [torch.ones_like(forward[0])]
    for after in seen[:, 1:].flip(1).unbind(dim=1):
        backward.append(_normed((after * backward[-1]) @ moves.T))
    return _normed(torch.stack(forward, dim=1) * torch.stack(backward[::-1], dim=1))


def _share_anew(shares: Tensor, staying: float | Tensor) -> Tensor:
    """How often a state is drawn anew, such that it is followed by itself in `staying` of all cases.

    One drawn anew may be the same again, so even independent draws are followed by themselves sometimes.
    """
    by_chance = shares.square().sum()
    return ((1 - staying) / (1 - by_chance).clamp(min=1e-6)).clamp(0, 1)


def _normed(weights: Tensor) -> Tensor:
    return weights / weights.sum(dim=-1, keepdim=True).clamp(min=1e-30)
