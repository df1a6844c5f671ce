"""A play test of a world on the data that it was trained on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from tinyworlds.errors import listed
from tinyworlds.evaluation.play_test.holding import NUM_HELD
from tinyworlds.evaluation.play_test.measure import (
    NUM_SESSIONS,
    NUM_STARTS,
    Shown,
    make_judge,
    part,
    play_test,
)
from tinyworlds.evaluation.play_test.preparing import find_examples, find_starts, starts_of
from tinyworlds.evaluation.play_test.reader import TRIPLE
from tinyworlds.evaluation.play_test.real import RealGame
from tinyworlds.evaluation.play_test.result import PlayTest
from tinyworlds.world.core import WorldCore

log = logging.getLogger(__name__)

_REAL, _JUDGE = 0.1, 0.4
"""Shares of the time after which the real game was played, and the reader is trained."""


def run_play_test(
    world: WorldCore,
    settings: dict[str, Any],
    module: Any,
    progress: Callable[[float], None] | None = None,
    real: RealGame | None = None,
) -> tuple[PlayTest, Shown]:
    """Test a world that has actions.

    Args:
        world: what is tested.
        settings: arguments of `H5DataModule`.
        module: the same, opened, with what stages were trained on left out of its held-out part.
        progress: told the share done, 0 to 1.
        real: the real game, to be played from the places that keys are held from.

    Raises:
        DataError: the data do not hold what is needed.
        TinyWorldsError: the real game fails.
    """
    examples = find_examples(world, settings, module)
    if examples.too_rare:
        log.warning("not tested, too rare to know how they look: %s", listed(examples.too_rare))
    starts, long_starts = (find_starts(world, module, count) for count in (NUM_STARTS, NUM_SESSIONS))
    really = None
    if real is not None:
        context = max(world.context_frames, TRIPLE - 1)
        told = part(progress, 0.0, _REAL)
        really = real.play(NUM_STARTS, context, NUM_HELD, world.frame_size, told)
        starts = starts_of(world, really, examples.names)
    told = part(progress, _REAL, _JUDGE - _REAL)
    judge = make_judge(examples.train, examples.held_out, len(examples.names), told, world.device)
    return play_test(
        world,
        judge,
        examples.keys,
        starts,
        reads=examples.reads,
        segments=examples.segments,
        long_starts=long_starts,
        real=really,
        progress=part(progress, _JUDGE, 1 - _JUDGE),
    )
