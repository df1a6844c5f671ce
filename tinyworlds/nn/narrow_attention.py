"""Attention for heads of a few channels, or over a few frames, on a CPU.

The fused kernel is made for long sequences and heads of 32 channels and more. With 4 channels, as public
weights have, nearly all of its time goes into other things than products and exponentials. What is won here
is in docs/log.md, 2026-11-21.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

MAX_CHANNELS = 8
"""Heads wider than this are left to the fused kernel."""

MIN_PLACES = 512
"""Pictures of fewer places, too: there the small steps around the products cost more than is won."""

MAX_FRAMES_SHORT = 8
"""Longest window that `attend_short` is faster for."""

_PIECE = 2**19
"""Scores held at once: 2 MB in float32, which two cores keep in their caches."""

_HEADROOM = 60.0
"""Scores are lowered until none can exceed this: exp(60) = 1e26, far below the largest float32.

Bounding by |q| |k| is loose, so nothing is lowered that need not be: all scores of a query would have to lie
147 below the bound (60 + 87, where exp reaches 0) before its weights vanished.
"""


def attend_narrow(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax attention without gradients: three times ``[N, P, d] -> [N, d, P]`` (transposed), in float32.

    Scores are kept transposed, so that both products are wide, in pieces that stay in the cache, and no
    maximum is looked for: a bound on each query's scores serves as well, and comes with the product.
    """
    rows, places, dim = query.shape
    scaled = query * dim**-0.5
    bound = scaled.norm(dim=2) * key.norm(dim=2).amax(dim=1, keepdim=True)  # [N, P]
    lowered = (bound - _HEADROOM).clamp(min=0)[..., None]
    queries = torch.cat([scaled, -lowered], dim=2).mT  # [N, d+1, P]; the last channel meets the ones of keys
    keys = F.pad(key, (0, 1), value=1.0)
    values = F.pad(value, (0, 1), value=1.0).mT.contiguous()  # the row of ones sums the weights
    step = max(_PIECE // (rows * places), 16)
    pieces = []
    for start in range(0, places, step):
        weights = torch.bmm(keys, queries[:, :, start : start + step]).exp_()  # [N, P, step]
        pieces.append(torch.bmm(values, weights))
    mixed = pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=2)
    return mixed[:, :dim] / mixed[:, dim:]


def attend_short(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Causal attention of each place over a few frames, with gradients, always in float32.

    A frame's scores with the earlier ones are products of whole rows of E; small matrices sum a head's
    channels into its score and spread its weight over them.

    Args:
        query: ``[B, Tq, P, heads, d]``, the newest of the frames.
        key: ``[B, T, P, heads, d]``.
        value: The same.

    Returns:
        ``[B, Tq, P, heads * d]``.
    """
    heads, dim = query.shape[-2:]
    with torch.autocast("cpu", enabled=False):
        queries, keys, values = (part.flatten(-2).float() for part in (query, key, value))
        spread = torch.eye(heads, device=query.device).repeat_interleave(dim, dim=1)  # [heads, E]
        gather = spread.T * dim**-0.5
        mixed = []
        for frame in range(query.shape[1]):
            seen = slice(0, key.shape[1] - query.shape[1] + frame + 1)
            scores = (queries[:, frame : frame + 1] * keys[:, seen]) @ gather  # [B, seen, P, heads]
            mixed.append(((scores.softmax(dim=1) @ spread) * values[:, seen]).sum(dim=1))
        return torch.stack(mixed, dim=1).to(value.dtype)
