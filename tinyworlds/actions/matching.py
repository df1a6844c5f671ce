"""Which latent action does what: latent ids are found by the model in no particular order.

Where the data hold true actions, counting how often each latent action goes with each true one tells which
key should take which latent action. They are only used to label keys, never to train.

A name is earned, or a key would lie. A latent action carries a true one only if all of this holds:

1. **Not by chance.** Both go together more often than in 99 of 100 tables that shuffles of the same actions
   gave, whatever pair is the most striking in each (Westfall and Young's maximum over all pairs, 1993, so
   many actions make no luckier). What is shuffled are runs of one held action within a clip: a key that is
   held for three frames is one piece of evidence, not three. Pairs are compared by the log-likelihood ratio
   G of their 2 x 2 table, which holds where counts are small, too (Dunning, Computational Linguistics 19,
   1993).
2. **Told from doing nothing.** Where an action is known to be idle, each other one is tested against it
   alone, the same way, and leads to the latent action at least `CLEAR` times as often. Two true actions that
   share two latent ones at random would else count as found.
3. **Alive.** The latent action has 1 % of all uses or more: of a rarer one dynamics learned next to
   nothing, and pictures fall apart.
4. **Mostly.** The true actions it carries are at least half of all uses of the latent action, none has less
   than two thirds of the uses of any other action, and they lead to it at least `CLEAR` times as often as all
   others do. Several share one only if each has two thirds of its own uses there: those that are dealt out
   over the same latent actions are told from each other by none. Idleness shares none, or the other name
   would stand for a key that does nothing.

So no key leads to what is something else in more than 60 % of its uses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tinyworlds.actions.lags import at_lag, lag_of
from tinyworlds.metrics.usage import MIN_SHARE

_IDLE_NAMES = ("noop", "nothing", "none", "idle", "stay", "wait", "no-op", "no_op")
_KEYS_OF_WORDS = {
    "left": ("left",),
    "right": ("right",),
    "up": ("up", "forward"),
    "down": ("down", "back", "backward"),
    "space": ("space", "fire", "shoot", "attack", "jump"),
}
CLEAR = 2.0
"""How many times as often an action must lead to a latent one as others do: a likelihood ratio."""
_SHARE = 0.5  # of the uses of a latent action
_LEAST = 2 / 3
_CHANCE = 0.01
_SHUFFLES, _AT_A_TIME = 1000, 100


@dataclass(frozen=True)
class ActionMatch:
    """How true actions are reached by latent ones.

    Attributes:
        latent_of_true: the latent action to take for a true one; true actions that none carries are missing.
        names: one per latent action: of the true actions it carries ("jump/fire"), else "action 3".
        lag: transitions after which true actions show; pairs were made at it.
    """

    latent_of_true: dict[int, int]
    names: tuple[str, ...]
    lag: int = 0


def match_actions(
    true_ids: np.ndarray, latent_ids: np.ndarray, true_names: Sequence[str], num_latent: int
) -> ActionMatch:
    """Find the latent actions that carry true ones, by the rules above.

    Several true actions may share a latent one, several latent ones may carry the same (they are numbered),
    and some of either may have no partner. A key takes, of those that carry its action, the one that occurs
    with it most. In clips, a game that shows its actions one or two frames late is matched at that lag.

    Args:
        true_ids: the true action of each transition, below 0 where unknown, int [clips, T-1], or [N] for
            transitions that have nothing to do with each other.
        latent_ids: the latent action of the same transitions.
        true_names: one name per true action.
        num_latent: how many latent actions there are.
    """
    lag = lag_of(true_ids, latent_ids) if true_ids.ndim == 2 else 0
    if lag:
        true_ids, latent_ids = at_lag(true_ids, latent_ids, lag)
    runs = _Runs.of(true_ids, latent_ids, len(true_names), num_latent)
    counts = runs.table()
    carried = _carried(runs, counts, idle_from_names(true_names))
    found = {
        int(true): int(np.where(carried[true], counts[true], -1).argmax())
        for true in np.flatnonzero(carried.any(1))
    }
    return ActionMatch(found, _names(carried, counts, true_names), lag)


def _names(carried: np.ndarray, counts: np.ndarray, true_names: Sequence[str]) -> tuple[str, ...]:
    """A name per latent action; of those with one name the one used most keeps it, others are numbered."""
    names = [f"action {latent}" for latent in range(counts.shape[1])]
    seen: dict[str, int] = {}
    for latent in np.argsort(-counts.sum(0), kind="stable"):
        true = [a for a in np.argsort(-counts[:, latent], kind="stable") if carried[a, latent]]
        if true:
            # "action 3" is what a latent action is called for want of a name
            name = "/".join(re.sub(r"^action \d", r"true \g<0>", true_names[a]) for a in true)
            seen[name] = seen.get(name, 0) + 1
            names[latent] = name if seen[name] == 1 else f"{name} {seen[name]}"
    return tuple(names)


def _carried(runs: _Runs, counts: np.ndarray, idle: int | None) -> np.ndarray:
    """Which latent action carries which true ones, bool [num_true, num_latent]."""
    above = runs.above_chance()
    if idle is not None and counts[idle].any():
        for true in np.flatnonzero(above.any(1)):
            if true != idle:
                above[true] &= runs.only(int(true), idle).above_chance()[true]
                above[true] &= _rate(counts[[true]]) >= CLEAR * _rate(counts[[idle]])
    carried = np.zeros_like(above)
    for latent in np.flatnonzero(counts.sum(0) >= MIN_SHARE * counts.sum()):
        uses = counts[:, latent]
        group = above[:, latent] & (uses >= _LEAST * uses.max())
        if idle is not None and group[idle]:
            most = uses.argmax() == idle
            group &= (np.arange(len(group)) == idle) == most
        if group.sum() > 1:
            group &= uses >= _LEAST * counts.sum(1)
        mostly = uses[group].sum() >= _SHARE * uses.sum()
        clearly = _rate(counts[group])[latent] >= CLEAR * _rate(counts[~group])[latent]
        carried[group, latent] = mostly and clearly
    return carried


def _rate(counts: np.ndarray) -> np.ndarray:
    """How often some true actions together lead to each latent one: [n, num_latent] -> [num_latent]."""
    return counts.sum(0) / max(counts.sum(), 1)


@dataclass(frozen=True)
class _Runs:
    """Runs of one true action within a clip, and the latent actions in each; what shuffles deal anew.

    Attributes:
        true: the true action of each run, int [R].
        latent: transitions of each run by latent action, float [R, num_latent].
        num_true: how many true actions there are.
    """

    true: np.ndarray
    latent: np.ndarray
    num_true: int

    @classmethod
    def of(cls, true_ids: np.ndarray, latent_ids: np.ndarray, num_true: int, num_latent: int) -> _Runs:
        clips = true_ids if true_ids.ndim == 2 else true_ids[:, None]  # [clips, T-1]
        begins = np.ones(clips.shape, bool)
        begins[:, 1:] = clips[:, 1:] != clips[:, :-1]
        run = begins.cumsum() - 1  # of each transition, through all clips
        latent = np.zeros((int(begins.sum()), num_latent))
        np.add.at(latent, (run, latent_ids.ravel()), 1)
        known = clips[begins] >= 0
        return cls(clips[begins][known], latent[known], num_true)

    def only(self, *true: int) -> _Runs:
        """The runs of some true actions."""
        kept = np.isin(self.true, true)
        return _Runs(self.true[kept], self.latent[kept], self.num_true)

    def table(self) -> np.ndarray:
        """Transitions by true and latent action, [num_true, num_latent]."""
        return self._taken_by.T @ self.latent

    @property
    def _taken_by(self) -> np.ndarray:
        return np.eye(self.num_true)[self.true]  # [R, num_true], a 1 in each row

    def above_chance(self) -> np.ndarray:
        """Which pairs go together more than the best of 99 in 100 shuffles, [num_true, num_latent]."""
        random, taken_by = np.random.default_rng(0), self._taken_by
        best: list[float] = []
        while len(best) < _SHUFFLES:
            orders = [random.permutation(len(self.true)) for _ in range(_AT_A_TIME)]
            tables = np.stack([taken_by.T @ self.latent[order] for order in orders])
            best += _surprise(tables).max((1, 2)).tolist()
        # rounding must not make a table better than its like
        return _surprise(self.table()) > np.quantile(best, 1 - _CHANCE, method="higher") + 1e-6


def _surprise(counts: np.ndarray) -> np.ndarray:
    """G of each cell's 2 x 2 table, for tables [..., num_true, num_latent]; 0 where fewer than by chance."""
    rows, columns = counts.sum(-1, keepdims=True), counts.sum(-2, keepdims=True)
    total = counts.sum((-2, -1), keepdims=True).clip(1)
    seen = [counts, rows - counts, columns - counts, total - rows - columns + counts]
    sides = [
        (rows, columns),
        (rows, total - columns),
        (total - rows, columns),
        (total - rows, total - columns),
    ]
    g = np.zeros_like(counts)
    for part, (row, column) in zip(seen, sides, strict=True):
        expected = row * column / total
        g += (
            2
            * part
            * np.log(np.divide(part, expected, out=np.ones_like(g), where=(part > 0) & (expected > 0)))
        )
    return np.where(counts * total > rows * columns, g, 0.0)


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
