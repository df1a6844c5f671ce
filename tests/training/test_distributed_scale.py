"""The calculation behind docs/scale.md: by hand for a few figures, and the page holds what it prints."""

import json

import pytest
from paths import ROOT

from benchmarks.scale import Costs, Plan, count, in_bytes, in_time, report
from tinyworlds.errors import ConfigError, DataError, MissingFileError

PAGE = ROOT / "docs" / "scale.md"


@pytest.mark.slow
def test_the_page_holds_what_the_script_prints():
    assert report(Plan()) in PAGE.read_text(encoding="utf-8"), "run python -m benchmarks.scale and paste it"


def test_by_hand():
    cost = Costs(parameters=1_000_000, clip_flops=1e9, clips_per_s=1000.0, window_bytes=100)
    assert cost.update_s(50) == 0.05
    assert cost.reduced_bytes(4) == 2 * 3 / 4 * 4e6
    assert cost.link_bits_per_s(50, 4) == pytest.approx(8 * 6e6 / 0.005)
    plan = Plan(hours=2, fps=10, gpus=9)
    assert (plan.frames, plan.machines) == (72_000, 2)
    assert [in_bytes(value) for value in (27.8e9, 1.5e12, 594)] == ["27.8 GB", "1.5 TB", "0.594 kB"]
    assert [in_time(value) for value in (7200, 90, 1.5, 0.00525)] == ["2 h", "1.5 min", "1.5 s", "5.25 ms"]


def test_measured_rates_count(tmp_path):
    file = tmp_path / "train.json"
    rates = {"video_tokenizer": 100.0, "latent_actions": 200.0, "dynamics": 300.0}
    stages = [{"stage": stage, "clips_per_second": {"ours": rate}} for stage, rate in rates.items()]
    file.write_text(json.dumps({"train": stages}))
    costs, _ = count(Plan(size="tiny", bench=str(file)))
    assert {stage: cost.clips_per_s for stage, cost in costs.items()} == rates
    file.write_text(json.dumps({"train": stages[:2]}))
    with pytest.raises(DataError, match="all three stages"):
        count(Plan(size="tiny", bench=str(file)))
    with pytest.raises(MissingFileError, match="tinyworlds bench train --json"):
        count(Plan(size="tiny", bench=str(tmp_path / "none.json")))


@pytest.mark.parametrize(
    ("settings", "words"), [({"gpus": 0}, "--gpus is 0"), ({"size": "soni"}, "Did you mean")]
)
def test_plans_that_cannot_be(settings, words):
    with pytest.raises(ConfigError, match=words):
        Plan(**settings)
