"""``tinyworlds bench``: what this machine makes of us, beside a plain reference measured in the same run.

The measurements are in the package `benchmarks`; this module chooses how long they take and prints them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from json import dumps
from typing import TYPE_CHECKING, Any

from tinyworlds.errors import ConfigError, did_you_mean
from tinyworlds.system.options import call

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


PARTS: dict[str, Callable[[Effort], Iterator[Figures]]] = {
    "play": play,
    "train": train,
    "data": data,
    "startup": startup,
    "hours": hours,
}
WHEN_NAMED = ("hours",)
"""Parts that are left out unless named: they measure no more than the others do, and take long."""


def bench(
    parts: list[str] | None = None,
    json: str | None = None,
    quick: bool = False,
    sizes: list[str] | None = None,
    batch_size: int = 8,
    gigabytes: float | None = None,
    rounds: int | None = None,
    seconds: float | None = None,
    compile: bool = True,
    device: str = "auto",
    folder: str | None = None,
) -> int:
    """Measure this machine beside a plain reference in the same run.

    Args:
        parts: what to measure: play, train, data and startup by default; or hours, how long training the
            three Zelda configs would take here, projected from a few updates.
        json: also write the figures to this file; '-' prints them, and nothing else, on the standard output.
        quick: fewer rounds, one size, nothing compiled, little data.
        sizes: sonic, zelda, or both (default); training takes the first.
        batch_size: clips of a training update.
        gigabytes: raw size of the frames that are written to a temporary folder and read (default: 0.5).
        rounds: of every measurement, at least (default: 3).
        seconds: of every measurement, at least (default: 10).
        compile: also measure compiled worlds; compiling takes a minute or so.
        device: cpu, cuda, cuda:0 or auto.
        folder: where the data part makes its temporary folder.
    """
    effort = Effort(
        sizes=tuple(sizes or (("sonic",) if quick else ("sonic", "zelda"))),
        batch_size=batch_size,
        gigabytes=(0.05 if quick else 0.5) if gigabytes is None else gigabytes,
        rounds=(2 if quick else 3) if rounds is None else rounds,
        seconds=(2.0 if quick else 10.0) if seconds is None else seconds,
        compiled=compile and not quick,
        device=device,
        folder=folder,
    )
    _check(parts or [], effort)
    from tinyworlds.bench.report import this_machine

    machine = this_machine()
    report: dict[str, Any] = {"date": _now(), "effort": asdict(effort), "machine": asdict(machine)}
    if json != "-":
        print(machine, flush=True)
    for name in parts or [name for name in PARTS if name not in WHEN_NAMED]:
        for figures in PARTS[name](effort):
            report.setdefault(name, []).append(figures.to_dict())
            for table in figures.tables() if json != "-" else ():
                print(f"\n{table}", flush=True)
    _write(report, json)
    return 0


def _check(parts: list[str], effort: Effort) -> None:
    for name in parts:
        if name not in PARTS:
            known = ", ".join(PARTS)
            raise ConfigError(f"bench has no part '{name}'.{did_you_mean(name, PARTS)} There are: {known}")
    for name in ("batch_size", "gigabytes", "rounds"):
        if not getattr(effort, name) > 0:
            raise ConfigError(f"--{name} is {getattr(effort, name)}; it must be above 0")
    if effort.seconds < 0:
        raise ConfigError(f"--seconds is {effort.seconds}; it must be 0 or above")
    from tinyworlds.bench.sizes import find_size
    from tinyworlds.nn.devices import pick_device

    pick_device(effort.device)
    for name in effort.sizes:
        find_size(name)


def _write(report: dict[str, Any], path: str | None) -> None:
    text = dumps(report, indent=2)
    if path == "-":
        print(text)
    elif path is not None:
        from tinyworlds.system.files import write_text

        write_text(path, f"{text}\n")


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def main(argv: list[str]) -> int:
    """Run ``tinyworlds bench [PART ...]``."""
    return call(bench, argv, "bench", by_position="parts")
