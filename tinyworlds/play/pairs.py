"""Two things that are played at once take a pair of actions for each key; pairs are numbered like actions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Pair = tuple[int, int]
"""An action of one, and of the other."""


def number_pairs(
    wanted: Mapping[str, Pair], idle: Pair, first: Iterable[Pair] = ()
) -> tuple[dict[str, int], list[Pair]]:
    """Return the number of each key's pair, and the pairs by number.

    Args:
        wanted: the pair of each key, or of keys held together.
        idle: the pair of no key; it has a number, too.
        first: pairs that have the first numbers, one for each digit perhaps.
    """
    pairs = list(first)
    numbers = {pair: number for number, pair in reversed([*enumerate(pairs)])}
    for pair in (*wanted.values(), idle):
        if pair not in numbers:
            numbers[pair] = len(pairs)
            pairs.append(pair)
    return {key: numbers[pair] for key, pair in wanted.items()}, pairs
