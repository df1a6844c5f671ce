"""The parts of ``tinyworlds bench``: which measurements each makes, and how much."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tinyworlds.errors import ConfigError

if TYPE_CHECKING:
    from tinyworlds.bench.report import Figures


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        sizes: sizes of play; training takes the first.
        batch_size: clips of an update.
        gigabytes: raw size of the frames that are written and read.
        rounds: of every measurement, at least.
        seconds: of every measurement, at least.
        compiled: also compiled worlds.
        device: "cpu", "cuda", "auto", ...
        folder: where the data part writes; None for the system's temporary folder.
    """

    sizes: tuple[str, ...]
    batch_size: int
    gigabytes: float
    rounds: int
    seconds: float
    compiled: bool
    device: str
    folder: str | None

    def __post_init__(self) -> None:
        for name in ("batch_size", "gigabytes", "rounds"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"--{name} is {getattr(self, name)}; it must be above 0")
        if self.seconds < 0:
            raise ConfigError(f"--seconds is {self.seconds}; it must be 0 or above")
        from tinyworlds.bench.sizes import find_size
        from tinyworlds.nn.devices import pick_device

        pick_device(self.device)
        for name in self.sizes:
            find_size(name)


def say(text: str) -> None:
    """Tell on stderr what is being measured."""
    print(text, file=sys.stderr, flush=True)


def play(effort: Effort) -> Iterator[Figures]:
    """Steps of play."""
    from tinyworlds.bench import growth
    from tinyworlds.bench import play as part
    from tinyworlds.bench.sizes import find_size
    from tinyworlds.nn.devices import pick_device

    device, sizes = pick_device(effort.device), [find_size(name) for name in effort.sizes]
    first = sizes[0]
    for size in sizes:
        say(f"play: {size.name}, codes and steps")
        yield part.measure_step(
            size, device, effort.rounds, effort.seconds, num_compared=effort.rounds, compiled=effort.compiled
        )
    say(f"play: {first.name}, longer contexts")
    yield growth.measure_contexts(first, device, (2, 4, 8), effort.rounds, effort.seconds / 2)
    say(f"play: {first.name}, other frame sizes")
    pixels = [first.frame_size * quarters // 4 for quarters in (2, 3, 4, 6)]
    yield growth.measure_frame_sizes(first, device, pixels, effort.rounds, effort.seconds / 2)
    say(f"play: {first.name}, many sessions")
    yield part.measure_sessions(first, device, (1, 4, 16), effort.rounds, effort.seconds)


def train(effort: Effort) -> Iterator[Figures]:
    """Updates of the three stages."""
    from tinyworlds.bench import training as part
    from tinyworlds.bench.sizes import find_size
    from tinyworlds.models.registry import STAGES
    from tinyworlds.nn.devices import pick_device

    device, size = pick_device(effort.device), find_size(effort.sizes[0])
    say("train: the largest matrix products this machine can do")
    peaks = part.peak_flops(device)
    for stage in STAGES:
        say(f"train: {stage.replace('_', ' ')}, {size.name}")
        yield part.measure_stage(stage, size, device, effort.batch_size, effort.rounds, effort.seconds, peaks)


def data(effort: Effort) -> Iterator[Figures]:
    """Reading of gameplay files."""
    from tinyworlds.bench import data as part
    from tinyworlds.bench.sizes import find_size

    frame_size = find_size(effort.sizes[0]).frame_size
    yield from part.measure(
        effort.gigabytes * 1e9, frame_size, effort.rounds, effort.seconds / 10, folder=effort.folder, say=say
    )


def startup(effort: Effort) -> Iterator[Figures]:
    """Whole commands."""
    from tinyworlds.bench import startup as part

    say("startup: commands")
    yield part.measure(effort.rounds)


def hours(effort: Effort) -> Iterator[Figures]:
    """What training the Zelda configs would take."""
    from tinyworlds.bench import hours as part
    from tinyworlds.bench.training import peak_flops
    from tinyworlds.nn.devices import pick_device

    device = pick_device(effort.device)
    say("hours: the largest matrix products this machine can do")
    yield part.measure(device, effort.rounds, effort.seconds, peak_flops(device), say=say)


def dreamer(effort: Effort) -> Iterator[Figures]:
    """Updates and steps of the agent."""
    from tinyworlds.bench import dreamer as part
    from tinyworlds.nn.devices import pick_device

    for frame_size in (16, 64):
        say(f"dreamer: updates and steps, {frame_size} px")
        yield part.measure(frame_size, pick_device(effort.device), effort.rounds, effort.seconds)


PARTS: dict[str, Callable[[Effort], Iterator[Figures]]] = {
    "play": play,
    "train": train,
    "data": data,
    "startup": startup,
    "dreamer": dreamer,
    "hours": hours,
}
WHEN_NAMED = ("dreamer", "hours")
"""Parts that are left out unless named: of the agent, and what takes long."""
