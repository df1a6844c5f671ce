"""Several runs, such as three seeds, in one table."""

import statistics

import pytest

from tinyworlds.evaluation.report import Report
from tinyworlds.evaluation.rows import POOLED
from tinyworlds.evaluation.runs import compare_runs
from tinyworlds.metrics.estimate import Estimate

KEY = "one_step_gain_pooled_pressed"


def report(value, num_clips=12, key=KEY, **settings):
    found = {key: Estimate(value, value - 1, value + 1, 4)}
    return Report(found, "pressed", num_clips, 4, [], {}, {}, data="test split of a.h5", settings=settings)


def row_of(text, title):
    [line] = [line for line in text.splitlines() if line.startswith(f"| {title}")]
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("values", [(1.0, 2.0), (0.5, 1.75, 4.0), (-1.0, 0.0, 1.0, 2.0)])
def test_mean_and_spread_are_over_runs(values):
    text = compare_runs({f"seed{i}": report(value) for i, value in enumerate(values)})
    assert row_of(text, "figure")[2:-2] == [f"seed{i}" for i in range(len(values))]
    title, statistic, *cells = row_of(text, "next frame, above repeating")
    assert title.endswith(": pressed")
    assert statistic == POOLED
    assert cells[:-2] == [f"{value:.2f} dB" for value in values]
    assert cells[-2:] == [f"{statistics.mean(values):.2f} dB", f"{statistics.stdev(values):.2f} dB"]
    assert "Not the same" not in text


def test_a_figure_that_one_run_lacks_is_shown_for_the_others():
    reports = {"a": report(1.0), "b": report(2.0, key="actions_used"), "c": report(3.0)}
    text = compare_runs(reports)
    assert row_of(text, "next frame, above repeating")[2:] == [
        "1.00 dB",
        "not measured",
        "3.00 dB",
        "2.00 dB",
        "1.41 dB",
    ]
    assert row_of(text, "latent actions used")[2:] == ["not measured", "2.00", "not measured", "", ""]


@pytest.mark.parametrize(
    ("other", "told"),
    [({"num_clips": 9}, "Not the same clips: 12 clips of test split of a.h5; 9 clips"),
     ({"num_steps": 8}, "Not the same settings: num_steps.")],
)  # fmt: skip
def test_what_was_not_measured_alike_is_said(other, told):
    assert told in compare_runs({"a": report(1.0, num_steps=4), "b": report(1.0, **{"num_steps": 4} | other)})
