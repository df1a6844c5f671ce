"""How a plan is made of minutes and of what a machine does, and made anew for the stages that are left."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tinyworlds.errors import ConfigError
from tinyworlds.fit.plan.facts import Facts, Machine, Pace
from tinyworlds.fit.plan.ladder import (
    LEAST_UPDATES,
    PASSES,
    SHARES,
    SIZES,
    START,
    UNKNOWN_ACTIONS,
    Size,
    size_words,
)
from tinyworlds.fit.plan.plan import Plan, StagePlan
from tinyworlds.fit.train_request import needed_stages
from tinyworlds.models.registry import STAGES

RESERVE = 0.08
"""Share of the minutes that is left for what takes longer than measured; at least `LEAST_RESERVE_S`."""
LEAST_RESERVE_S = 5.0

BESIDE = 1.1
"""An update of training over a bare one: reading, logging, saving."""

_STARTING = 1.2  # starting a stage, over what starting to measure took
_ENDING_UPDATES = 10  # validation and pictures at the end of a stage take about as long
_LATER = 1.35  # the time limit of a stage over its plan, where later stages can give way
_MOST_ENCODING = 0.15  # share of the minutes that making codes of all frames may take

_TUNING, _TUNING_MINUTES = 0.15, 6.0

Arguments = Callable[[Mapping[str, Sequence[str]]], Mapping[str, Sequence[str]]]
"""From the plan's words to all words of each stage."""


def make_plan(
    minutes: float,
    asked: Mapping[str, Sequence[str]],
    with_words: Arguments,
    machine: Machine,
    num_actions: int = UNKNOWN_ACTIONS,
    before_s: float = 0.0,
    after_s: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Plan:
    """Choose the largest size that pays in the time there is, and share the time out.

    Args:
        minutes: for everything, measuring included.
        asked: what the plan is for, noted in it.
        with_words: see `Arguments`; what the user has set counts more than the plan's words.
        machine: answers how fast the stages go.
        num_actions: latent actions that the title names.
        before_s: seconds of the minutes that are gone already.
        after_s: seconds to keep for what follows; None for choosing how codes are drawn.
        clock: seconds.

    Raises:
        ConfigError: it is too short for anything.
    """
    began = clock() - before_s
    kept_s = tuning_seconds(minutes) if after_s is None else after_s
    facts = machine.facts(with_words({stage: () for stage in STAGES}))
    known: dict[tuple[str, ...], Pace] = {}  # the action model is the same in several sizes

    def draft(size: Size) -> Plan:
        words = {stage: size_words(size, facts, stage, num_actions) for stage in STAGES}
        full = with_words(words)
        needed = needed_stages(full)
        paces = {stage: known.get(tuple(words[stage])) or machine.pace(full, stage) for stage in needed}
        known.update({tuple(words[stage]): paces[stage] for stage in needed})
        stages = {
            stage: _stage_plan(size, facts, paces, stage, words[stage], 60 * minutes) for stage in needed
        }
        spent_s = clock() - began
        return shared_out(Plan(minutes, asked, size.name, stages, spent_s=spent_s, after_s=kept_s), needed)

    plan = _climb(draft, facts)
    least = min(stage.updates for stage in plan.stages.values())
    if least < LEAST_UPDATES:
        raise ConfigError(
            f"--minutes {minutes:g} is too short for a world of this recording on this machine; "
            f"the least is --minutes {least_minutes(plan):g}"
        )
    return plan


def _climb(draft: Callable[[Size], Plan], facts: Facts) -> Plan:
    """Go up the ladder as long as it pays, or down from where it starts."""
    best = draft(SIZES[START])
    if best.stages["dynamics"].updates < SIZES[START].pays_from:
        return draft(SIZES[START - 1])
    for size in SIZES[START + 1 :]:
        # a larger one is slower, so where this one comes short of its updates, that one does
        if facts.num_frames < size.num_frames or best.stages["dynamics"].updates < size.pays_from:
            break
        larger = draft(size)
        if larger.stages["dynamics"].updates < size.pays_from:
            break
        best = larger
    return best


def _stage_plan(
    size: Size, facts: Facts, paces: Mapping[str, Pace], stage: str, words: Sequence[str], budget_s: float
) -> StagePlan:
    pace, words = paces[stage], [*words]
    update_s = BESIDE * pace.update_s
    most = int(PASSES * facts.num_frames / (pace.clips * pace.num_frames))
    if stage == "latent_actions":
        most = min(most, size.action_updates)
    overhead = _STARTING * facts.startup_s + _ENDING_UPDATES * update_s
    if stage == "dynamics":
        encode_s = 2 * paces["video_tokenizer"].encode_s  # codes, and latent actions
        seen = 0.5 * budget_s / update_s * pace.clips * pace.num_frames  # frames, about
        if facts.num_frames < seen and facts.num_frames * encode_s < _MOST_ENCODING * budget_s:
            overhead += facts.num_frames * encode_s
        else:  # where few of all frames are seen, only these are encoded, whenever they are
            words.append("--model.cache_codes=false")
            update_s += pace.clips * pace.num_frames * encode_s
    return StagePlan(tuple(words), pace.size, 0, update_s, max(most, LEAST_UPDATES), overhead, 0.0)


def shared_out(plan: Plan, stages: Sequence[str]) -> Plan:
    """Return the plan with the seconds that are left shared out among `stages`, those still to be begun."""
    reserve = max(RESERVE * 60 * plan.minutes, LEAST_RESERVE_S)
    least = {stage: LEAST_UPDATES * plan.stages[stage].update_s for stage in stages}
    free = plan.left_s - reserve - sum(plan.stages[stage].overhead_s for stage in stages)
    changed = dict(plan.stages)
    for place, stage in enumerate(stages):
        rest, own = stages[place:], plan.stages[stage]
        beyond = free - sum(least[each] for each in rest)
        share = SHARES[stage] / sum(SHARES[each] for each in rest)
        # too little for the least of all is shared out all the same: who asks sees that it is too little
        seconds = least[stage] + share * beyond if beyond > 0 else share * max(free, 0.0)
        updates = min(round_down(int(seconds / own.update_s)), own.most_updates)
        last = place == len(stages) - 1
        limit = free + reserve / 2 if last else min(_LATER * seconds, free)
        changed[stage] = replace(own, updates=updates, limit_s=max(limit, 1.0))
        free -= updates * own.update_s
    return replace(plan, stages=changed)


def revised(plan: Plan, stage: str, slowdown: float, say: Callable[[str], None]) -> Plan:
    """Return the plan for a stage that is about to begin, made of the seconds that really are left.

    Args:
        plan: so far.
        stage: the next one.
        slowdown: seconds of an update in the stage before over those that were planned.
        say: told what changes, if much.
    """
    names = [*plan.stages]
    stages = [each for each in names[names.index(stage) :] if each not in plan.begun]
    slower = {
        each: replace(plan.stages[each], update_s=plan.stages[each].update_s * slowdown) for each in stages
    }
    new = shared_out(replace(plan, stages={**plan.stages, **slower}), stages)
    # whatever is left, a stage that does nothing leaves no world
    own = replace(new.stages[stage], updates=max(new.stages[stage].updates, 1))
    before = plan.stages[stage].updates
    if abs(own.updates - before) > 0.1 * before:
        say(f"{stage.replace('_', ' ')}: {own.updates:,} updates instead of {before:,}, by the time left")
    else:  # what was shown stands, and a run is the same again with the same seed
        own = replace(own, updates=before)
    return replace(plan, stages={**plan.stages, **slower, stage: own})


def tuning_seconds(minutes: float) -> float:
    """Return how much of so many minutes goes to choosing how codes are drawn; too few leave nothing."""
    return _TUNING * 60 * minutes if minutes >= _TUNING_MINUTES else 0.0


def round_down(number: int) -> int:
    """Return a rounder number, at most 5 % less, so that a small difference in speed changes nothing."""
    unit = max(5 * 10 ** (len(str(number)) - 3), 1) if number >= 100 else 1
    return number // unit * unit


def least_minutes(plan: Plan) -> float:
    """Return in how many minutes, in halves, the plan's size does the least of updates."""
    seconds = plan.spent_s + sum(
        stage.overhead_s + LEAST_UPDATES * stage.update_s for stage in plan.stages.values()
    )
    is_share = plan.after_s == tuning_seconds(plan.minutes)  # of whatever the minutes are
    seconds += 0.0 if is_share else plan.after_s
    for share in (0.0, _TUNING if is_share else 0.0):
        minutes = math.ceil(1.05 * max(seconds / (1 - RESERVE - share), seconds + LEAST_RESERVE_S) / 30) / 2
        if minutes < _TUNING_MINUTES:
            break
    return minutes


def expectation(plan: Plan) -> str:
    """Return what to expect of a world that is trained so."""
    updates = plan.stages["dynamics"].updates
    if updates >= plan.stages["dynamics"].most_updates:
        return (
            "to expect: as much as this recording teaches a network of this size; a longer recording gives "
            "a better world, more minutes do not"
        )
    if updates < 400:
        return "to expect: a first look; blurred pictures, and keys that may do little; more minutes help"
    if updates < 1500 or plan.size == SIZES[0].name:
        return (
            "to expect: a picture that follows the keys that the recording shows often, less sharp and less "
            f"sure than the quickstart's Doom (size '{SIZES[START].name}', 1,500 updates of the dynamics)"
        )
    return "to expect: about what docs/figures.md shows of the quickstart's Doom, or better"
