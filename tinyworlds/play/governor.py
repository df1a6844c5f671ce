"""The governor: makes a world keep up with a wanted frame rate on this machine.

It measures, then gives up as little as it must: precision first, where the processor is made for bfloat16,
then decoding steps. Compiling changes nothing that is seen, but costs a minute: it is done only if allowed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING

from tinyworlds.nn.devices import has_fast_bf16

if TYPE_CHECKING:
    from tinyworlds.world.core import WorldCore

HEADROOM = 0.85
"""Share of a frame's time that a step may take; drawing and the system need the rest."""

_STEPS_TIMED = 5
_WARM_UP = 2


@dataclass(frozen=True)
class Choice:
    """What the governor chose, and what it measured.

    Attributes:
        fps: frames per second that were wanted.
        num_steps: decoding steps a frame.
        wanted_steps: decoding steps the world would have taken.
        bf16: whether it computes in bfloat16.
        compiled: whether it was compiled.
        seconds: of one step as chosen.
    """

    fps: float
    num_steps: int
    wanted_steps: int
    bf16: bool
    compiled: bool
    seconds: float

    @property
    def keeps_up(self) -> bool:
        """Whether a step fits into a frame's time."""
        return self.seconds <= HEADROOM / self.fps

    def __str__(self) -> str:
        how = f"{self.num_steps} of {self.wanted_steps} decoding steps, {'bf16' if self.bf16 else 'float32'}"
        how += ", compiled" if self.compiled else ""
        reached = f"{1e3 * self.seconds:.0f} ms a frame for {self.fps:g} frames/s"
        return f"{how}: {reached}" + ("" if self.keeps_up else ", slower than wanted")


def govern(
    world: WorldCore, fps: float, may_compile: bool = False, clock: Callable[[], float] = time.perf_counter
) -> Choice:
    """Set a world's decoding steps and precision (and compile it) so that it plays at `fps`.

    Args:
        world: started with `reset`; it is some steps further afterwards.
        fps: frames per second wanted.
        may_compile: compile if the world as it is does not keep up.
        clock: seconds.
    """
    wanted = world.sampling.num_steps
    budget = HEADROOM / fps

    def seconds(num_steps: int) -> float:
        world.sampling = replace(world.sampling, num_steps=num_steps)
        return _seconds_a_step(world, clock)

    full = seconds(wanted)
    if full > budget and not world.bf16 and has_fast_bf16(world.device):
        world.bf16 = True
        full = seconds(wanted)
    compiled = full > budget and may_compile and world.compile()
    if compiled:
        full = seconds(wanted)
    steps = wanted
    if full > budget and wanted > 1:
        least = seconds(1)
        each = max((full - least) / (wanted - 1), 1e-9)  # a frame costs a fixed part and so much a step
        steps = min(max(1 + int((budget - least) / each), 1), wanted - 1)
        full = seconds(steps)
    return Choice(fps, steps, wanted, world.bf16, compiled, full)


def _seconds_a_step(world: WorldCore, clock: Callable[[], float]) -> float:
    taken = []
    for _ in range(_WARM_UP + _STEPS_TIMED):
        start = clock()
        world.step(world.idle_action)
        taken.append(clock() - start)
    return median(taken[_WARM_UP:])
