"""Balanced assignment: each sample to the alternative that suits it, no alternative left out.

Sinkhorn's algorithm (https://arxiv.org/abs/1306.0895), used on a batch as SwAV does for clusters
(https://arxiv.org/abs/2006.09882, section 3.1).
"""

from __future__ import annotations

import torch
from torch import Tensor

_ROUNDS = 8


@torch.no_grad()
def balanced_assignment(errors: Tensor, temperature: float = 0.25) -> Tensor:
    """Share samples out among alternatives, all of which get as much.

    Args:
        errors: ``[N, K]``, how badly each alternative suits each sample.
        temperature: Softness, in standard deviations of the errors' differences within a sample: however
            alike the alternatives still are, the assignment tells them apart.

    Returns:
        ``[N, K]``; rows sum to 1, columns nearly to N / K.
    """
    relative = errors.float() - errors.float().mean(dim=1, keepdim=True)
    logits = -relative / (temperature * relative.std(correction=0) + 1e-8)
    for _ in range(_ROUNDS):
        logits = logits - logits.logsumexp(dim=0, keepdim=True)
        logits = logits - logits.logsumexp(dim=1, keepdim=True)
    return logits.exp()
