"""``tinyworlds bench``: what this machine makes of us, beside a plain reference measured in the same run."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timezone
from json import dumps
from typing import Any

from tinyworlds.bench.parts import PARTS, WHEN_NAMED, Effort
from tinyworlds.errors import ConfigError, did_you_mean
from tinyworlds.system.options import call


def main(argv: list[str]) -> int:
    """Run ``tinyworlds bench [PART ...]``."""
    return call(
        bench,
        argv,
        "tinyworlds bench",
        by_position="parts",
        sections={
            "what": ("sizes", "batch_size", "gigabytes", "compile", "device"),
            "how long": ("quick", "rounds", "seconds"),
            "files": ("json", "folder"),
        },
        examples=("tinyworlds bench play train --quick", "tinyworlds bench --json figures.json"),
    )


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
        parts: what to measure: play, train, data and startup by default; or dreamer, updates and steps of the
            agent; or hours, how long training the three Zelda configs would take here, projected from a few
            updates.
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
    for name in parts or ():
        if name not in PARTS:
            known = ", ".join(PARTS)
            raise ConfigError(f"bench has no part '{name}'.{did_you_mean(name, PARTS)} There are: {known}")
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
    from tinyworlds.bench.report import this_machine

    machine, now = this_machine(), datetime.now(timezone.utc).isoformat(timespec="seconds")
    report: dict[str, Any] = {"date": now, "effort": asdict(effort), "machine": asdict(machine)}
    if json != "-":
        print(machine, flush=True)
    for name in parts or [name for name in PARTS if name not in WHEN_NAMED]:
        for figures in PARTS[name](effort):
            report.setdefault(name, []).append(figures.to_dict())
            for table in figures.tables() if json != "-" else ():
                print(f"\n{table}", flush=True)
    _write(report, json)
    return 0


def _write(report: dict[str, Any], path: str | None) -> None:
    text = dumps(report, indent=2)
    if path == "-":
        print(text)
    elif path is not None:
        from tinyworlds.system.files import write_text

        write_text(path, f"{text}\n")
