"""Several runs in one table, such as three seeds: each figure of each, their mean and spread."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tinyworlds.evaluation.markdown import table_head, table_row
from tinyworlds.evaluation.rows import all_rows
from tinyworlds.evaluation.text import digits_of, value_cell

if TYPE_CHECKING:
    from tinyworlds.evaluation.report import Report


def compare_runs(reports: Mapping[str, Report]) -> str:
    """Return a Markdown table of several reports, by the name of the run; figures that none has are left out.

    Mean and standard deviation (of a sample, by n - 1) are over the runs that have the figure, and stand for
    what a new run would give; intervals over episodes, which tell how sure one run's figure is, are in its
    own report.
    """
    lines = table_head("figure", "statistic", *map(_named, reports.items()), "mean", "standard deviation")
    for key, title, statistic, unit in all_rows():
        found = [report.figures.get(key) for report in reports.values()]
        values = [one.value for one in found if one is not None and math.isfinite(one.value)]
        if any(found):
            cells = [value_cell(one, unit) for one in found]
            lines.append(table_row(title, statistic, *cells, *_mean_and_spread(values, unit)))
    return "\n".join([*_differences(reports), *lines]) + "\n"


def _named(run: tuple[str, Report]) -> str:
    """A run's name and the kind of its actions."""
    name, kind = run[0], run[1].settings.get("actions")
    return f"{name} ({kind})" if kind else name


def _mean_and_spread(values: list[float], unit: str) -> tuple[str, str]:
    if len(values) < 2:
        return "", ""
    both = statistics.mean(values), statistics.stdev(values)
    mean, spread = (f"{value:.{digits_of(both[0], unit)}f}{unit and ' '}{unit}" for value in both)
    return mean, spread


def _differences(reports: Mapping[str, Report]) -> list[str]:
    """Say so when the runs were not measured alike."""
    clips = {f"{report.num_clips} clips of {report.data}" for report in reports.values()}
    settings = {key for report in reports.values() for key in report.settings}
    differing = [
        key for key in sorted(settings) if len({str(r.settings.get(key)) for r in reports.values()}) > 1
    ]
    found = []
    if len(clips) > 1:
        found.append(f"Not the same clips: {'; '.join(sorted(clips))}.")
    if differing:
        found.append(f"Not the same settings: {', '.join(differing)}.")
    return [*found, ""] if found else []
