"""Choosing how a world draws its codes, with a progress bar and words for whoever waits."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tinyworlds.checkpoints.search import Located
from tinyworlds.checkpoints.world_search import locate_run
from tinyworlds.errors import ConfigError, TinyWorldsError
from tinyworlds.evaluation.drawn import table_lines
from tinyworlds.evaluation.play_test.choosing import Trial, choose_sampling, table
from tinyworlds.evaluation.run import open_held_out, ticks
from tinyworlds.export.build import build_world
from tinyworlds.export.sampling_file import store_sampling, stored_sampling
from tinyworlds.system.progress import progress_bar
from tinyworlds.world.core import WorldCore

_LEAST_S = 20.0  # for the reader alone
_TOO_FEW = "the minutes are too few; `tinyworlds export RUN OUT.world --tune` does it"


def tune(
    world: WorldCore,
    path: Path,
    data: list[str] | None = None,
    dynamics: Located | None = None,
    seconds: float | None = None,
) -> list[str]:
    """Have a world draw its codes as suits it best, by short play tests on validation frames.

    Args:
        world: changed in place.
        path: the run it is of, which says what it was trained on.
        data: gameplay files instead.
        dynamics: the checkpoint beside which the choice is noted, if any.
        seconds: it may take; without an end by None.

    Returns:
        What to say of it, in lines.

    Raises:
        ConfigError: the world has no actions.
        DataError: the data do not hold what is needed.
        MissingFileError: nothing leads to gameplay files.
        StorageError: the choice cannot be noted.
        TinyWorldsError: it would take longer than it may.
    """
    if world.info.actions == "none":
        raise ConfigError("keys are held to see how codes are best drawn, and this world has no actions")
    held_out = open_held_out(world, path, data)
    with progress_bar("how codes are drawn", 100, enabled=sys.stderr.isatty()) as advance:
        told = in_time(ticks(advance, 100), seconds)
        trials = choose_sampling(world, held_out.settings, held_out.module, told)
    world.sampling = trials[0].sampling
    chosen = _chosen(trials[0])
    world.info = dataclasses.replace(world.info, provenance={**world.info.provenance, "sampling": chosen})
    if dynamics is not None:
        store_sampling(dynamics, world.sampling, chosen)
    return [
        "how codes are drawn, by play tests on validation frames; the first is taken:",
        *table_lines(table(trials)),
    ]


def in_time(
    progress: Callable[[float], None],
    seconds: float | None,
    clock: Callable[[], float] = time.monotonic,
) -> Callable[[float], None]:
    """Return a progress that raises a TinyWorldsError as soon as it is clear that `seconds` are too few."""
    if seconds is None:
        return progress
    began = clock()

    def watched(share: float) -> None:
        progress(share)
        gone = clock() - began
        # what is left goes as fast as what is done, about; the beginning says little
        if gone > seconds or (share > 0.1 and gone / share > 1.5 * seconds):
            raise TinyWorldsError(_TOO_FEW)

    return watched


def tune_run(run: Path, seconds: float | None = None) -> list[str]:
    """Do the same for the newest dynamics of a run, unless it was done for them before.

    A run for which it cannot be done (no actions, too few frames) keeps the usual way, and the lines say why.
    """
    stages = locate_run(run)
    if stored_sampling(stages["dynamics"]) is not None:
        return ["how codes are drawn: chosen already"]
    try:
        if seconds is not None and seconds < _LEAST_S:
            raise TinyWorldsError(_TOO_FEW)
        return tune(build_world(stages, num_clips=0), run, None, stages["dynamics"], seconds)
    except TinyWorldsError as error:
        return [f"how codes are drawn was not chosen by a play test: {error}"]


def _chosen(best: Trial) -> dict[str, object]:
    figures = {"read_back": best.read_back, "likeness_of_life": best.likeness_of_life, "score": best.score}
    return {"by": "play test on validation frames", **{name: round(one, 4) for name, one in figures.items()}}
