"""How long after a key was pressed a game shows it.

Recordings note the action at the frame at which it was taken. Some games answer a frame or two later, and so
do captures whose sound card or encoder lags. The latent action is found where something happens.
"""

from __future__ import annotations

import numpy as np
import torch

from tinyworlds.metrics.usage import contingency, table_nmi

MOST = 2
"""Transitions that are looked ahead, at most."""

_CLEARLY, _AT_LEAST = 1.2, 0.02
"""How much more a later transition must tell of the action: a ratio of NMIs, and their difference."""


def lag_of(true_ids: np.ndarray, latent_ids: np.ndarray) -> int:
    """After how many transitions true actions show in the latent ones, 0 to `MOST`.

    Held keys make neighbours alike, so that a later one tells much as well: it must tell clearly more.

    Args:
        true_ids: int [clips, T-1], below 0 where unknown.
        latent_ids: of the same transitions.
    """
    length = true_ids.shape[1] - MOST  # as many pairs for each lag
    if length < 1 or not (true_ids >= 0).any():
        return 0
    sizes = int(latent_ids.max()) + 1, int(true_ids.max()) + 1
    true = torch.from_numpy(np.ascontiguousarray(true_ids[:, :length]))
    told = []
    for lag in range(MOST + 1):
        latent = torch.from_numpy(np.ascontiguousarray(latent_ids[:, lag : lag + length]))
        told.append(float(table_nmi(contingency(latent, true, *sizes))))
    best = int(np.argmax(told))
    return best if told[best] > max(_CLEARLY * told[0], told[0] + _AT_LEAST) else 0


def at_lag(true_ids: np.ndarray, latent_ids: np.ndarray, lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of a true action and the latent one `lag` transitions later, two of [clips, T-1-lag]."""
    return true_ids[:, : true_ids.shape[1] - lag], latent_ids[:, lag:]
