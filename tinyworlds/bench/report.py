"""What every part of a measurement prints: tables, and the machine they were measured on."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tinyworlds.bench.competent import COMPETENT
from tinyworlds.bench.pairing import Pairing, in_units
from tinyworlds.system.cores import num_cores

REFERENCE = "reference"
BASELINES = {"times reference": REFERENCE, "times SDPA, memory kept": COMPETENT}
"""Columns of ratios and the contestant that each is against; what is claimed is the last."""


@dataclass(frozen=True)
class Table:
    """Text in columns, under a title; the notes below say what a reader could misunderstand."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        cells = [self.columns, *self.rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        # names to the left, figures to the right
        lines = [
            "  ".join(
                cell.rjust(width) if i else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in cells
        ]
        return "\n".join([self.title, *(f"  {line}" for line in lines), *(f"  - {n}" for n in self.notes)])


class Figures(Protocol):
    """What a part measured."""

    def tables(self) -> list[Table]:
        """For people."""

    def to_dict(self) -> dict[str, Any]:
        """For a JSON file: numbers in seconds, bytes and shares of 1."""


def time_cells(times: Pairing, name: str) -> tuple[str, str]:
    """Median and 10-90 % of a contestant."""
    timing = times.timing(name)
    return in_units(timing.median), f"{in_units(timing.low)} - {in_units(timing.high)}"


def ratio_cell(times: Pairing, against: str, name: str) -> str:
    """How many times faster than `against`: median and 10-90 % of the rounds."""
    if name == against:
        return "1"
    ratio = times.ratio(against, name)
    return f"{in_digits(ratio.median)} ({in_digits(ratio.low)} - {in_digits(ratio.high)})"


def ratio_cells(times: Pairing, name: str) -> tuple[str, ...]:
    """How many times faster a contestant is than each of the `BASELINES`."""
    return tuple(ratio_cell(times, baseline, name) for baseline in BASELINES.values())


def in_digits(value: float) -> str:
    """Three digits: 0.0123, 1.23, 45.6, 1,234."""
    digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:,.{digits}f}" if value >= 0.995 else f"{value:.3g}"


@dataclass(frozen=True)
class Machine:
    """Where it was measured; `load` is the average number of busy processes in the minute before."""

    cpu: str
    cores: int
    threads: int
    torch: str
    python: str
    system: str
    gpu: str | None
    load: float | None

    def __str__(self) -> str:
        words = [
            self.cpu,
            f"{self.cores} core{'s' * (self.cores != 1)}",
            f"torch {self.torch} with {self.threads} thread{'s' * (self.threads != 1)}",
            f"Python {self.python} on {self.system}",
            self.gpu or "no GPU",
        ]
        if self.load is not None:
            words.append(f"load before {self.load:.1f}")
        return ", ".join(words)


def this_machine() -> Machine:
    """Look at this machine; its name stays out."""
    import torch

    return Machine(
        cpu=_cpu_model(),
        cores=num_cores(),
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        python=platform.python_version(),
        system=platform.system(),
        gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    )


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()
