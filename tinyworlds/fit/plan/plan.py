"""A plan: sizes, updates and seconds of the three stages; kept in the run folder as ``plan.json``."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tinyworlds.errors import ConfigError
from tinyworlds.fit.config_files import with_short_base
from tinyworlds.models.registry import STAGES
from tinyworlds.system.documents import read_json
from tinyworlds.system.files import write_text

FILE = "plan.json"


@dataclass(frozen=True)
class StagePlan:
    """What one stage gets.

    Attributes:
        size_words: settings of ``tinyworlds fit`` that say how large it is.
        size: the same for people.
        updates: how many there are to be.
        update_s: seconds of one, as measured.
        most_updates: beyond which time is better spent elsewhere.
        overhead_s: seconds of the stage in which nothing is trained: starting, making codes, validation.
        limit_s: seconds of training after which it ends, however many updates were done.
    """

    size_words: tuple[str, ...]
    size: str
    updates: int
    update_s: float
    most_updates: int
    overhead_s: float
    limit_s: float

    @property
    def seconds(self) -> float:
        """How long the stage is to take."""
        return self.overhead_s + self.updates * self.update_s

    @property
    def words(self) -> list[str]:
        """The settings of ``tinyworlds fit`` that the plan gives the stage.

        The learning rate falls by updates or by time, whichever is further: it comes to its end either way.
        """
        rest, seconds = divmod(int(self.limit_s), 60)
        minutes = rest % 60
        hours = rest // 60
        # a minute's work is the most that a kill may cost
        save = min(max(int(60 / self.update_s), 10), self.updates)
        return [
            *self.size_words,
            f"--trainer.max_steps={self.updates}",
            f"--trainer.max_time={hours // 24:02d}:{hours % 24:02d}:{minutes:02d}:{seconds:02d}",
            f"--trainer.val_check_interval={self.updates}",
            f"--checkpoint.every_n_steps={save}",
        ]


@dataclass(frozen=True)
class Plan:
    """What a run gets.

    Attributes:
        minutes: in which it is to end.
        asked: the words that it was made for, by stage; with others it is another plan.
        size: name of the step of the ladder.
        stages: by name, those that are needed.
        begun: stages that were started, so that their part stands.
        spent_s: seconds that went so far, pauses between two calls left out.
        after_s: seconds to keep for what follows training.
        running_since: when the stage in progress was started, in seconds since 1970; None between stages.
    """

    minutes: float
    asked: Mapping[str, Sequence[str]]
    size: str
    stages: Mapping[str, StagePlan]
    begun: tuple[str, ...] = ()
    spent_s: float = 0.0
    after_s: float = 0.0
    running_since: float | None = None
    schema_version: int = field(default=1, kw_only=True)

    @property
    def left_s(self) -> float:
        """Seconds that are left for training."""
        return 60 * self.minutes - self.spent_s - self.after_s

    def save(self, run: Path) -> None:
        """Write the file, whole or not at all."""
        write_text(run / FILE, json.dumps(asdict(self), indent=2) + "\n")

    def started(self, stage: str) -> Plan:
        """Return the plan of a run that begins with a stage now."""
        begun = self.begun if stage in self.begun else (*self.begun, stage)
        return replace(self, begun=begun, running_since=time.time())

    def stopped(self, seconds: float) -> Plan:
        """Return the plan of a run whose stage has ended after so long."""
        return replace(self, spent_s=self.spent_s + seconds, running_since=None)

    def table(self, stages: Sequence[str] | None = None) -> list[str]:
        """Return lines of text: a heading, and a row for each stage."""
        rows = [("stage", "size", "updates", "updates/s", "minutes")]
        for name in self.stages if stages is None else stages:
            stage = self.stages[name]
            cells = (f"{stage.updates:,}", f"{1 / stage.update_s:.3g}", f"{stage.seconds / 60:.1f}")
            rows.append((name.replace("_", " "), stage.size, *cells))
        return in_columns(rows)


def in_columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return rows as lines, the first two cells to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def load_plan(run: Path, minutes: float, asked: Mapping[str, Sequence[str]]) -> Plan | None:
    """Return the plan that was made for the same words and minutes, or None.

    A run that was killed could not note how long it had gone on: what it wrote last tells.

    Raises:
        ConfigError: the file is damaged.
    """
    path = run / FILE
    if not path.is_file():
        return None
    try:
        plan = _read(read_json(path))
    except (KeyError, TypeError, ValueError) as failure:
        raise ConfigError(f"{path} is damaged ({failure}); delete it, or train with --fresh") from failure
    if plan.minutes != minutes or plan.asked != {stage: list(words) for stage, words in asked.items()}:
        return None
    if plan.running_since is not None and plan.begun:
        written = [file.stat().st_mtime for file in (run / plan.begun[-1]).rglob("*") if file.is_file()]
        plan = plan.stopped(max([plan.running_since, *written]) - plan.running_since)
    return plan


def _read(content: dict[str, Any]) -> Plan:
    stages = {name: StagePlan(**content["stages"][name]) for name in STAGES if name in content["stages"]}
    stages = {name: replace(stage, size_words=tuple(stage.size_words)) for name, stage in stages.items()}
    asked = {name: with_short_base(words) for name, words in dict(content["asked"]).items()}
    return Plan(**{**content, "stages": stages, "asked": asked, "begun": tuple(content["begun"])})
