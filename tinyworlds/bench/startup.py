"""What a person waits for before anything happens: whole commands, in processes of their own, in turn."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinyworlds.bench.pairing import Pairing, pair
from tinyworlds.bench.report import Table, time_cells

COMMANDS: dict[str, tuple[str, ...]] = {
    "tinyworlds --help": ("-m", "tinyworlds", "--help"),
    "tinyworlds fit --help": ("-m", "tinyworlds", "fit", "--help"),
    "python -m games": ("-m", "games"),
    "python -c 'import torch'": ("-c", "import torch"),  # for comparison, as the next
    "python -c pass": ("-c", "pass"),
}


@dataclass(frozen=True)
class StartupFigures:
    """Seconds of whole commands."""

    times: Pairing

    def tables(self) -> list[Table]:
        """Return one table: times of whole commands."""
        rows = [(name, *time_cells(self.times, name)) for name in self.times.seconds]
        title = f"Commands from start to end ({self.times.rounds} rounds in turn)"
        return [Table(title, ("", "seconds", "10-90 %"), tuple(rows))]

    def to_dict(self) -> dict[str, Any]:
        """Return seconds by command."""
        return self.times.to_dict()


def measure(rounds: int, commands: Mapping[str, Sequence[str]] | None = None) -> StartupFigures:
    """Time commands, given by name as the words after ``python``; by default `COMMANDS`."""
    runs = {name: _runner(words) for name, words in (commands or COMMANDS).items()}
    return StartupFigures(pair(runs, rounds, seconds=0, warmup=1))


def _runner(words: Sequence[str]) -> Callable[[], object]:
    return lambda: subprocess.run([sys.executable, *words], check=True, capture_output=True)
