"""Which latent action does what: latent ids are found by the model in no particular order.

Where the data hold true actions, counting how often each latent action goes with each true one tells which
key should take which latent action. They are only used to label keys, never to train.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

_IDLE_NAMES = ("noop", "nothing", "none", "idle", "stay", "wait", "no-op", "no_op")
_KEYS_OF_WORDS = {
    "left": ("left",),
    "right": ("right",),
    "up": ("up", "forward"),
    "down": ("down", "back", "backward"),
    "space": ("space", "fire", "shoot", "attack", "jump"),
}


@dataclass(frozen=True)
class ActionMatch:
    """How true actions are reached by latent ones.

    Attributes:
        latent_of_true: the latent action to take for a true one; true actions that never occur are missing.
        names: one name per latent action.
    """

    latent_of_true: dict[int, int]
    names: tuple[str, ...]


def match_actions(
    true_ids: np.ndarray, latent_ids: np.ndarray, true_names: Sequence[str], num_latent: int
) -> ActionMatch:
    """Pair true and latent actions by how often they occur together.

    Each latent action serves one true action as long as there are enough; the surest pairs come first.

    Args:
        true_ids: the true action of each transition, int [N].
        latent_ids: the latent action of the same transitions, int [N].
        true_names: one name per true action.
        num_latent: how many latent actions there are.
    """
    counts = np.zeros((len(true_names), num_latent))
    np.add.at(counts, (true_ids, latent_ids), 1)
    # Cosine of the two occurrences: neither a frequent nor a rare action wins by its frequency alone.
    scale = np.sqrt(counts.sum(1, keepdims=True) * counts.sum(0, keepdims=True))
    scores = np.divide(counts, scale, out=np.zeros_like(counts), where=scale > 0)
    found: dict[int, int] = {}
    free = scores.copy()
    while free.max(initial=0) > 0:
        true, latent = np.unravel_index(free.argmax(), free.shape)
        found[int(true)] = int(latent)
        free[true], free[:, latent] = 0, 0
    names = [f"action {latent}" for latent in range(num_latent)]
    for true, latent in found.items():
        names[latent] = true_names[true]
    for true in np.flatnonzero(scores.max(1) > 0):  # more true actions than latent ones
        found.setdefault(int(true), int(scores[true].argmax()))
    return ActionMatch(found, tuple(names))


def through_match(key_map: Mapping[str, int], match: ActionMatch) -> dict[str, int]:
    """Turn a key map to true actions into one to latent actions; keys of unmatched actions are left out."""
    return {key: match.latent_of_true[true] for key, true in key_map.items() if true in match.latent_of_true}


def keys_from_names(names: Sequence[str]) -> dict[str, int]:
    """Guess a key map from action names: ``"MOVE_LEFT"`` goes on the left arrow, ``"FIRE"`` on space."""
    key_map: dict[str, int] = {}
    for action, name in enumerate(names):
        words = re.split(r"[^a-z]+", name.lower())
        for key, known in _KEYS_OF_WORDS.items():
            if any(word in known for word in words):
                key_map.setdefault(key, action)
    return key_map


def idle_from_names(names: Sequence[str]) -> int | None:
    """Return the action whose name says that nothing is done, or None."""
    return next((i for i, name in enumerate(names) if name.lower() in _IDLE_NAMES), None)
