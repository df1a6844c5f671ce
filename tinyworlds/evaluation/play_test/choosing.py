"""How the codes of a world are best drawn: some ways are played, briefly, from validation frames.

No one way suits all: drawing by chance keeps Doom's monsters walking and makes Pong's walls flicker. Held-out
frames have no part in the choice, so that a report on them is of a world that does not know them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import mean
from typing import Any

from tinyworlds.evaluation.markdown import Table
from tinyworlds.evaluation.play_test.holding import Key, Starts
from tinyworlds.evaluation.play_test.measure import Judge, hold_keys, make_judge, part
from tinyworlds.evaluation.play_test.preparing import ActionModelReads, find_examples, find_starts
from tinyworlds.evaluation.play_test.result import KeyResult
from tinyworlds.models.maskgit import AS_PLAYED, Sampling
from tinyworlds.world.core import WorldCore

CANDIDATES = (
    AS_PLAYED,
    replace(AS_PLAYED, top_p=None),
    replace(AS_PLAYED, temperature=1.15, top_p=None),
    replace(AS_PLAYED, schedule="exponential", top_p=None),
    replace(AS_PLAYED, temperature=0.0, top_p=None, schedule="exponential"),
)
"""What is tried, each with the world's own number of passes; the last takes the likeliest codes.

Three more (t = 0.7, cosine, exponential with top-p) did not come to the second round in four worlds of Doom
and one of the platformer, docs/log.md, 2026-11-30.
"""

_FEW, _MANY, _FINALISTS = 4, 8, 2
"""Starts of the first round; of the second, and how many get there."""

_JUDGE, _FIRST = 0.3, 0.4
"""Shares of the time that the reader's training and the first round take."""


@dataclass(frozen=True)
class Trial:
    """One way of drawing codes, played.

    Attributes:
        sampling: which.
        keys: what was found for each key.
    """

    sampling: Sampling
    keys: tuple[KeyResult, ...]

    @property
    def read_back(self) -> float:
        """Share of frames that the held key is read from, over keys and bands."""
        return mean(key.overall for key in self.keys)

    @property
    def likeness_of_life(self) -> float:
        """How near to the game's the change from frame to frame is: 1 as much, 0.5 half or twice as much."""
        return mean(_likeness_of_life(key) for key in self.keys)

    @property
    def score(self) -> float:
        """What the choice goes by, 0 to 1: for each key the geometric mean of both, averaged over keys.

        A key that is not heard counts little however lively the picture is, and the other way round.
        """
        return mean(math.sqrt(key.overall * _likeness_of_life(key)) for key in self.keys)


def _likeness_of_life(key: KeyResult) -> float:
    lives = [life for life in key.life if math.isfinite(life)]
    return mean(min(life, 1 / life) if life > 0 else 0.0 for life in lives) if lives else 1.0


def choose_sampling(
    world: WorldCore,
    settings: dict[str, Any],
    module: Any,
    progress: Callable[[float], None] | None = None,
) -> list[Trial]:
    """Play each of `CANDIDATES` and the world's own way on validation frames.

    Args:
        world: whose codes are to be drawn; its sampling is left as it was.
        settings: arguments of `H5DataModule`.
        module: the same, opened.
        progress: told the share done, 0 to 1.

    Returns:
        The ways that came to the second round, the best one first.

    Raises:
        DataError: the data do not hold what is needed.
    """
    examples = find_examples(world, settings, module, "val")
    few, many = (find_starts(world, module, count, "val") for count in (_FEW, _MANY))
    told = part(progress, 0.0, _JUDGE)
    judge = make_judge(examples.train, examples.held_out, len(examples.names), told, world.device)
    own = world.sampling
    ways = list(dict.fromkeys([own, *(replace(way, num_steps=own.num_steps) for way in CANDIDATES)]))

    def play(ways: Sequence[Sampling], starts: Starts, told: Callable[[float], None] | None) -> list[Trial]:
        return play_each(world, judge, examples.reads, examples.keys, ways, starts, told)

    first = play(ways, few, part(progress, _JUDGE, _FIRST))
    finalists = [trial.sampling for trial in first[:_FINALISTS]]
    return play(finalists, many, part(progress, _JUDGE + _FIRST, 1 - _JUDGE - _FIRST))


def play_each(
    world: WorldCore,
    judge: Judge,
    reads: ActionModelReads | None,
    keys: Sequence[Key],
    ways: Sequence[Sampling],
    starts: Starts,
    progress: Callable[[float], None] | None = None,
) -> list[Trial]:
    """Hold each key from every start, once for each way; the best first, of equals that named first."""
    own, trials = world.sampling, []
    try:
        for number, way in enumerate(ways):
            world.sampling = way
            told = part(progress, number / len(ways), 1 / len(ways))
            results, _, _ = hold_keys(world, judge, reads or judge.reader, keys, starts, told)
            trials.append(Trial(way, results))
    finally:
        world.sampling = own
    return sorted(trials, key=lambda trial: -trial.score)


def table(trials: Sequence[Trial]) -> Table:
    """Each way and what it came to."""
    found = Table(("schedule", "temperature", "top-p", "passes", "read back", "likeness of life", "score"))
    for trial in trials:
        way = trial.sampling
        share = "" if way.top_p is None else f"{way.top_p:g}"
        figures = (f"{value:.2f}" for value in (trial.read_back, trial.likeness_of_life, trial.score))
        found.add(way.schedule, f"{way.temperature:g}", share, str(way.num_steps), *figures)
    return found
