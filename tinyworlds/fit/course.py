"""What each stage of ``tinyworlds train`` is told, and what is said before it starts.

A `Course` by settings trains as configs and words say, and announces the hours. One by plan measures this
machine, chooses, and ends in time; it is kept in the run folder, so that the same command goes on with it.
"""

from __future__ import annotations

import csv
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from games.registry import get, titles
from tinyworlds.checkpoints.run_folder import versions
from tinyworlds.errors import TinyWorldsError
from tinyworlds.fit.plan.forecast import NOT_WORTH_MEASURING, duration, forecast
from tinyworlds.fit.plan.ladder import UNKNOWN_ACTIONS
from tinyworlds.fit.plan.making import expectation, make_plan, revised
from tinyworlds.fit.plan.measuring import measuring
from tinyworlds.fit.plan.plan import Plan, load_plan
from tinyworlds.fit.train_request import TrainRequest
from tinyworlds.models.registry import STAGES

Say = Callable[[str], None]

_LONG_S = 2 * 3600.0  # from here on another way is named


class Course:
    """By settings; see the module."""

    def __init__(self, request: TrainRequest, say: Say) -> None:
        self.request, self.say = request, say

    def announce(self, stages: Sequence[str]) -> None:
        """Say how long `stages`, those still to be trained, will take."""
        if all(self._is_short(stage) for stage in stages):
            return
        self.say("measuring this machine for some seconds ...")
        try:
            with measuring() as machine:
                lines, seconds = forecast(self.request.arguments, stages, machine)
        except TinyWorldsError:
            return  # the stage will say it, with what to do
        for line in [*lines, f"in all about {duration(seconds)} on this machine, as it is busy now"]:
            self.say(line)
        if seconds > _LONG_S:
            self.say("for a world in the time you have: --minutes 30 chooses sizes and updates for it")

    def _is_short(self, stage: str) -> bool:
        given = [word for word in self.request.arguments[stage] if word.startswith("--trainer.max_steps=")]
        return bool(given) and int(given[-1].partition("=")[2] or 0) <= NOT_WORTH_MEASURING

    def words(self, stage: str) -> list[str]:
        """Return the words after ``tinyworlds fit`` for a stage, as far as they are known now."""
        return self.request.arguments[stage]

    def begin(self, stage: str) -> list[str]:
        """Return the words with which a stage is started now, for the first time or again."""
        return self.words(stage)

    def ended(self, stage: str, seconds: float) -> None:
        """Note that a stage has ended, well or not, after so long."""


class PlannedCourse(Course):
    """By a plan for the minutes there are."""

    def __init__(self, request: TrainRequest, say: Say, minutes: float) -> None:
        super().__init__(request, say)
        plan = None if request.fresh else load_plan(request.run, minutes, request.arguments)
        self._is_new = plan is None
        self.plan = plan or self._make(minutes)

    def _make(self, minutes: float) -> Plan:
        self.say(f"a plan for {minutes:g} minutes; measuring this machine for some seconds ...")
        request, game = self.request, self.request.game
        num_actions = get(game).num_actions if game in titles() else UNKNOWN_ACTIONS
        with measuring() as machine:
            plan = make_plan(
                minutes, request.arguments, request.with_words, machine, num_actions,
                request.before_s, request.after_s,
            )  # fmt: skip
        plan.save(request.run)
        return plan

    def announce(self, stages: Sequence[str]) -> None:
        """Show the plan."""
        if not stages:
            return
        for line in self.plan.table(stages):
            self.say(line)
        if self._is_new:
            self.say(f"size '{self.plan.size}', to end within {self.plan.minutes:g} minutes")
            self.say(expectation(self.plan))
        else:
            self.say(f"going on with the plan; {max(self.plan.left_s, 0) / 60:.1f} minutes of it are left")

    def words(self, stage: str) -> list[str]:
        """Return the words after ``tinyworlds fit`` for a stage; they may change until it begins."""
        planned = self.plan.stages
        words = {each: planned[each].words if each in planned else [] for each in STAGES}
        return self.request.with_words(words)[stage]

    def begin(self, stage: str) -> list[str]:
        """Make the plan anew for what is left, if the stage was not begun before, and note its start."""
        if stage not in self.plan.begun and self.plan.begun:
            slowdown = self._slowdown(self.plan.begun[-1])
            self.plan = revised(self.plan, stage, slowdown, self.say)
        self.plan = self.plan.started(stage)
        self.plan.save(self.request.run)
        return self.words(stage)

    def ended(self, stage: str, seconds: float) -> None:
        """Count the time."""
        self.plan = self.plan.stopped(seconds)
        self.plan.save(self.request.run)

    def _slowdown(self, stage: str) -> float:
        """Return how many times longer an update of a stage took than planned; 1 where nobody knows."""
        rates = _updates_per_second(self.request.run, stage)
        if not rates:
            return 1.0
        found = 1 / (statistics.median(rates) * self.plan.stages[stage].update_s)
        return min(max(found, 0.3), 5.0)


def course_of(request: TrainRequest, say: Say) -> Course:
    """Return the course of a request; a new plan is made here.

    Raises:
        ConfigError: the minutes are too few for anything.
        TinyWorldsError: the recording cannot be read.
    """
    if request.minutes is None:
        return Course(request, say)
    return PlannedCourse(request, say, request.minutes)


def seconds_after(request: TrainRequest) -> float | None:
    """Return what a plan has left for what follows training; None where there is no plan."""
    plan = request.minutes and load_plan(request.run, request.minutes, request.arguments)
    return max(60 * plan.minutes - plan.spent_s, 0.0) if plan else None


def _updates_per_second(run: Path, stage: str) -> list[float]:
    """Return what the newest version of a stage noted of its speed."""
    for folder in versions(run, stage)[-1:]:
        if (file := folder / "metrics.csv").is_file():
            with file.open(encoding="utf-8", newline="") as rows:
                found = [row.get("throughput/updates_per_s") for row in csv.DictReader(rows)]
            return [float(value) for value in found if value]
    return []
