"""Attention for heads of a few channels on a CPU, without gradients.

The fused kernel is made for heads of 32 channels and more. With 4 channels, as public weights have, nearly
all of its time goes into things other than the exponentials. Here scores are kept transposed, so that both
products are wide, in pieces that stay in the cache, and no maximum is looked for: a bound on each query's
scores serves as well, and comes with the product. Measured in docs/performance.md.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

MAX_CHANNELS = 8
"""Heads wider than this are left to the fused kernel."""

MIN_PLACES = 512
"""Shorter sequences, too: there the small steps around the products cost more than is won."""

_PIECE = 2**19
"""Scores held at once: 2 MB in float32, which two cores keep in their caches."""

_HEADROOM = 60.0
"""Scores are lowered until none can exceed this: exp(60) = 1e26, far below the largest float32.

Bounding by |q| |k| is loose, so nothing is lowered that need not be: all scores of a query would have to lie
147 below the bound (60 + 87, where exp reaches 0) before its weights vanished.
"""


def attend_narrow(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax attention: three times ``[N, P, d] -> [N, d, P]`` (transposed), in float32."""
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
