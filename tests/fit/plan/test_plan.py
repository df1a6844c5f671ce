"""Plans by arithmetic: sizes, shares, ends in time, and what a slower or an interrupted run makes of them."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_machine import FACTS, FakeMachine

from tinyworlds.errors import ConfigError
from tinyworlds.fit.plan.ladder import LEAST_UPDATES, SHARES
from tinyworlds.fit.plan.making import expectation, make_plan, revised, round_down, shared_out
from tinyworlds.fit.plan.plan import Plan, load_plan
from tinyworlds.models.registry import STAGES

ASKED = {stage: ["--config", f"own_{stage}.yaml"] for stage in STAGES}


def plan(minutes: float, machine: FakeMachine, **more: Any) -> Plan:
    def with_words(words):
        return {stage: [*ASKED[stage], *words[stage]] for stage in STAGES}

    return make_plan(minutes, ASKED, with_words, machine, clock=lambda: 0.0, **more)


def total(found: Plan) -> float:
    return sum(stage.seconds for stage in found.stages.values())


@pytest.mark.parametrize("minutes", [2, 3, 10, 30, 100, 1000])
@pytest.mark.parametrize("seconds", [0.004, 0.05, 0.3])
def test_a_plan_ends_in_time_and_uses_it(minutes: float, seconds: float) -> None:
    found = plan(minutes, FakeMachine(seconds))
    assert total(found) + found.after_s <= 60 * minutes
    taught = all(stage.updates >= stage.most_updates for stage in found.stages.values())
    assert taught or total(found) > 0.55 * 60 * minutes or found.stages["dynamics"].updates >= 10_000
    for stage in found.stages.values():
        assert stage.updates >= LEAST_UPDATES
        assert stage.limit_s >= 0.95 * stage.updates * stage.update_s, "by its speed it ends by updates"


def test_shares_of_the_time() -> None:
    stages = plan(10, FakeMachine(0.1)).stages
    spent = {name: (stage.updates - LEAST_UPDATES) * stage.update_s for name, stage in stages.items()}
    wanted = SHARES["video_tokenizer"] / SHARES["dynamics"]
    assert spent["video_tokenizer"] / spent["dynamics"] == pytest.approx(wanted, rel=0.15)
    assert spent["latent_actions"] < spent["video_tokenizer"]


@pytest.mark.parametrize(
    ("minutes", "num_frames", "size"),
    [(2, 20_000, "tiny"), (10, 20_000, "small"), (60, 20_000, "medium"), (60, 1_300, "small")],
)
def test_more_updates_first_then_larger_networks(minutes: float, num_frames: int, size: str) -> None:
    machine = FakeMachine(0.1, replace(FACTS, num_frames=num_frames))
    assert plan(minutes, machine).size == size
    measured = [stage for stage, _ in machine.asked]
    assert measured.count("dynamics") < 4, "what cannot pay is not measured"


def test_a_short_recording_is_not_learned_by_heart() -> None:
    found = plan(600, FakeMachine(0.1, replace(FACTS, num_frames=1_300)))
    assert found.stages["dynamics"].updates == found.stages["dynamics"].most_updates < 3_000
    assert total(found) < 600 * 60 / 10
    assert "a longer recording" in expectation(found)


@pytest.mark.parametrize("seconds", [0.05, 0.3, 1.0, 3.0, 10.0])
def test_too_short_says_the_least_and_that_is_enough(seconds: float) -> None:
    machine = FakeMachine(seconds)
    with pytest.raises(ConfigError, match=r"--minutes 0\.1 is too short .*the least is") as error:
        plan(0.1, machine)
    least = float(re.findall(r"--minutes ([\d.]+)$", str(error.value))[0])
    assert min(stage.updates for stage in plan(least, machine).stages.values()) >= LEAST_UPDATES
    with pytest.raises(ConfigError, match="too short"):
        plan(least / 2 - 0.1, machine)


def test_a_recording_too_long_to_encode_is_encoded_as_it_is_seen() -> None:
    words = "--model.cache_codes=false"
    assert words not in plan(10, FakeMachine(0.1)).stages["dynamics"].words
    found = plan(10, FakeMachine(0.1, replace(FACTS, num_frames=1_000_000)))
    assert words in found.stages["dynamics"].words
    assert total(found) + found.after_s <= 600
    assert found.stages["dynamics"].updates > 500


def test_what_goes_before_and_follows_is_counted() -> None:
    found = plan(10, FakeMachine(0.1), before_s=60.0, after_s=120.0)
    assert total(found) <= 600 - 60 - 120
    assert total(found) > 0.8 * (600 - 60 - 120)
    assert plan(4, FakeMachine(0.05)).after_s == 0, "too little for choosing how codes are drawn"
    with pytest.raises(ConfigError, match=r"the least is --minutes 1[0-9]"):
        plan(5, FakeMachine(0.1), before_s=60.0, after_s=500.0)


def test_the_patch_divides_the_frame() -> None:
    for frame_size, patch in ((64, 8), (128, 16), (84, 12), (96, 12), (97, 1)):
        found = plan(10, FakeMachine(0.1, replace(FACTS, frame_size=frame_size)))
        assert f"--model.patch_size={patch}" in found.stages["video_tokenizer"].words


def test_actions_labels_and_precision() -> None:
    words = plan(10, FakeMachine()).stages
    assert "--model.num_actions=4" in words["latent_actions"].words
    assert not any("labels" in word or "precision" in word for word in words["dynamics"].words)
    words = plan(10, FakeMachine(), num_actions=8).stages
    assert "--model.num_actions=8" in words["latent_actions"].words, "what the title says"
    facts = replace(FACTS, num_labels=3, fast_bf16=True)
    words = plan(10, FakeMachine(facts_=facts)).stages
    assert [*words] == ["video_tokenizer", "dynamics"], "nobody asks an action model"
    assert {"--model.actions=labels", "--trainer.precision=bf16-mixed"} <= {*words["dynamics"].words}


def test_limits_of_time_are_as_lightning_reads_them() -> None:
    stage = replace(plan(10, FakeMachine()).stages["dynamics"], limit_s=90_061.9)
    assert "--trainer.max_time=01:01:01:01" in stage.words


def run_through(found: Plan, factor: float) -> float:
    """Run all stages with updates that take `factor` times as long as planned; return the seconds."""
    told: list[str] = []
    first = found.stages
    for name in STAGES:
        if found.begun:
            previous = found.begun[-1]
            slowdown = factor * first[previous].update_s / found.stages[previous].update_s
            found = revised(found, name, slowdown, told.append)
        found = found.started(name)
        stage = found.stages[name]
        training = min(stage.updates * factor * first[name].update_s, stage.limit_s)
        found = found.stopped(stage.overhead_s + training)
    assert bool(told) or abs(factor - 1) < 0.1
    return found.spent_s


@pytest.mark.parametrize("factor", [0.4, 1.0, 1.05, 1.5, 3.0])
def test_it_ends_in_time_where_the_machine_is_faster_or_slower_than_measured(factor: float) -> None:
    found = plan(10, FakeMachine(0.1))
    spent = run_through(found, factor)
    assert 0.8 * 600 < spent + found.after_s <= 600


def test_near_the_plan_the_updates_are_those_that_were_shown() -> None:
    found = plan(10, FakeMachine(0.1))
    later = revised(found.started("video_tokenizer").stopped(150.0), "latent_actions", 1.04, print)
    assert later.stages["latent_actions"].updates == found.stages["latent_actions"].updates


def test_small_differences_in_speed_change_nothing() -> None:
    numbers = (7, 99, 104, 1_499, 1_449, 52_345)
    assert [round_down(number) for number in numbers] == [7, 99, 100, 1_450, 1_400, 52_000]


def test_the_file_keeps_the_plan(tmp_path: Path) -> None:
    found = plan(10, FakeMachine()).started("video_tokenizer").stopped(12.0)
    found.save(tmp_path)
    assert load_plan(tmp_path, 10, ASKED) == found
    assert load_plan(tmp_path, 11, ASKED) is None
    assert load_plan(tmp_path, 10, {**ASKED, "dynamics": ["--x=1"]}) is None
    (tmp_path / "plan.json").write_text('{"minutes": 10}')
    with pytest.raises(ConfigError, match="is damaged"):
        load_plan(tmp_path, 10, ASKED)


def test_a_killed_run_has_spent_the_time_until_it_wrote_last(tmp_path: Path) -> None:
    found = replace(plan(10, FakeMachine()).started("video_tokenizer"), running_since=time.time() - 1000)
    found.save(tmp_path)
    (tmp_path / "video_tokenizer").mkdir()
    (tmp_path / "video_tokenizer" / "metrics.csv").write_text("x")
    loaded = load_plan(tmp_path, 10, ASKED)
    assert loaded is not None
    assert loaded.spent_s == pytest.approx(1000, abs=5)
    assert loaded.running_since is None


def test_no_time_left_leaves_every_stage_something() -> None:
    late = plan(10, FakeMachine()).started("video_tokenizer").stopped(700.0)
    late = revised(late, "latent_actions", 1.0, print)
    assert all(late.stages[name].updates >= 1 for name in ("latent_actions", "dynamics"))
    assert shared_out(late, ["dynamics"]).stages["dynamics"].limit_s >= 1.0
