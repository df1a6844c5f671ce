"""Runs and worlds side by side: which settings differ, their figures, their curves; nothing is measured."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyworlds.checkpoints.run_folder import LOGS
from tinyworlds.evaluation.curves import curves_plot
from tinyworlds.evaluation.drawn import table_lines
from tinyworlds.evaluation.markdown import Table
from tinyworlds.evaluation.rows import all_rows
from tinyworlds.evaluation.text import digits_of, value_cell, whole_cell
from tinyworlds.models.registry import ALL_STAGES
from tinyworlds.system.files import write_text
from tinyworlds.system.text import visible

if TYPE_CHECKING:
    from tinyworlds.evaluation.run_facts import RunFacts

SCHEMA_VERSION = 1
CURVES = "curves.png"
_MOST_SHOWN = 30
_LONGEST = 60
_ASKED = (
    "read_back_33_64", "read_back_weakest", "life_least_moving", "life_most_moving", "drift_ratio",
    "tokenizer_psnr", "action_nmi", "one_step_gain_pooled", "rollout_gain_pooled", "delta_t_psnr",
)  # fmt: skip
"""Figures on a terminal; all of them are in the files."""


def default_out() -> Path:
    """The folder of a comparison where none was named."""
    return LOGS / "comparison"


def overview_table(runs: Sequence[RunFacts]) -> Table:
    """How far each run is."""
    table = Table(("run", "game", "stages", "updates", "minutes", "measured on"))
    for run in runs:
        stages = ", ".join(f"{_short(stage)} {status}" for stage, status in run.stages.items())
        updates = ", ".join(f"{_short(stage)} {count:,}" for stage, count in run.updates.items())
        minutes = f"{sum(run.seconds.values()) / 60:.1f}" if run.seconds else ""
        table.add(run.name, run.game, stages or "a world", updates, minutes, run.measured or "not measured")
    return table


def settings_table(runs: Sequence[RunFacts]) -> Table:
    """The settings in which runs differ; a run that lacks one says nothing of it.

    Worlds tell what was found for a setting that a run leaves open, so an open one is no difference there.
    """
    beside_worlds = any(not run.path.is_dir() for run in runs)
    table = Table(("setting", *(run.name for run in runs)))
    names = dict.fromkeys(name for run in runs for name in run.settings)
    for name in sorted(names):
        told = [_value(run.settings[name]) if name in run.settings else None for run in runs]
        unlike = {*told} - {None} - ({_value(None)} if beside_worlds else set())
        if len(unlike) > 1:
            table.add(visible(name), *("" if each is None else each for each in told))
    return table


def figures_table(runs: Sequence[RunFacts], all_of_them: bool = True) -> Table:
    """Every run's figures with their intervals; mean and deviation where all had the same clips."""
    measured = [run for run in runs if run.figures]
    alike = len({run.measured for run in measured}) == 1 and all(map(_has_clips, measured))
    spread = ("mean", "standard deviation") if alike and len(measured) > 1 else ()
    table = Table(("figure", *(run.name for run in measured), *spread))
    for key, title, _, unit in all_rows():
        found = [run.figures.get(key) for run in measured]
        if not any(found) or not (all_of_them or key.startswith(_ASKED)):
            continue
        cells = [whole_cell(one, unit) if one else value_cell(None, unit) for one in found]
        values = [one.value for one in found if one is not None and math.isfinite(one.value)]
        table.add(title, *cells, *(mean_and_spread(values, unit) if spread else ()))
    return table


def logged_table(runs: Sequence[RunFacts]) -> Table:
    """What each run logged last in validation while it was trained."""
    table = Table(("logged last", *(run.name for run in runs)))
    for stage in ALL_STAGES:
        columns = dict.fromkeys(name for run in runs for name in run.curves.get(stage, {}))
        for column in (name for name in columns if name.startswith("val/")):
            curves = [run.curves.get(stage, {}).get(column) for run in runs]
            cells = [f"{curve[-1][1]:.4g}" if curve else "" for curve in curves]
            table.add(f"{_short(stage)} {column}", *cells)
    return table


def mean_and_spread(values: list[float], unit: str) -> tuple[str, str]:
    """Mean and standard deviation (of a sample) as cells; empty for less than two values."""
    if len(values) < 2:
        return "", ""
    both = statistics.mean(values), statistics.stdev(values)
    mean, spread = (f"{value:.{digits_of(both[0], unit)}f}{unit and ' '}{unit}" for value in both)
    return mean, spread


def remarks(runs: Sequence[RunFacts]) -> list[str]:
    """What is to be said of a comparison: what was not measured alike, what could not be read."""
    told = [f"{run.name}: {problem}" for run in runs for problem in run.problems]
    clips = {run.measured for run in runs if run.figures and _has_clips(run)}
    if len(clips) > 1:
        told.append(f"Not measured on the same clips: {'; '.join(sorted(clips))}.")
    if any(not run.figures for run in runs):
        told.append("What is not measured yet: tinyworlds evaluate RUN measures it.")
    return told


def side_by_side_lines(runs: Sequence[RunFacts]) -> list[str]:
    """Lines for standard output."""
    differing = settings_table(runs)
    hidden = len(differing.rows) - _MOST_SHOWN
    lines = table_lines(overview_table(runs))
    if differing.rows:
        shown = Table(differing.head, differing.rows[:_MOST_SHOWN])
        lines += ["", "Settings that differ", *table_lines(shown)]
        lines += [f"and {hidden} more, which --out and --json have"] if hidden > 0 else []
    elif len(runs) > 1:
        lines += ["", "No setting differs."]
    logged, figures = logged_table(runs), figures_table(runs, all_of_them=False)
    if logged.rows:
        lines += ["", "In validation, while training", *table_lines(logged)]
    if figures.rows:
        lines += ["", "Figures (95 % intervals over episodes)", *table_lines(figures)]
    told = remarks(runs)
    return [*lines, *([""] if told else []), *told]


def write_side_by_side(folder: Path, runs: Sequence[RunFacts]) -> Path:
    """Write ``runs.html``, ``runs.md``, ``runs.json`` and the curves into a folder; return the page's path.

    Raises:
        StorageError: it cannot be written.
    """
    from tinyworlds.evaluation.page import Page, embedded, write_page

    curves = curves_plot(folder / CURVES, runs)
    captions = {CURVES: "Learning curves"} if curves else {}
    differing, figures, told = settings_table(runs), figures_table(runs), remarks(runs)
    lines = ["# Runs side by side", "", *overview_table(runs).markdown()]
    if differing.rows:
        lines += ["", "## Settings that differ", "", *differing.markdown()]
    if (logged := logged_table(runs)).rows:
        lines += ["", "## In validation, while training", "", *logged.markdown()]
    if figures.rows:
        lines += ["", "## Figures", "", *figures.markdown()]
    lines += ["", *(f"- {visible(each)}" for each in told)] if told else []
    lines += ["", f"![Learning curves]({CURVES})"] if curves else []
    write_text(folder / "runs.md", "\n".join(lines) + "\n")
    write_text(folder / "runs.json", as_json(runs) + "\n")
    page = Page(
        title="Runs side by side",
        about=[f"{len(runs)} of them; intervals are 95 %, over episodes."],
        tables=[
            ("How far they are", overview_table(runs)),
            ("Settings that differ", differing),
            ("In validation, while training", logged),
            ("Figures", figures_table(runs, all_of_them=False)),
        ],
        notes=told,
        pictures=embedded(folder, captions),
        details=[("Every figure", figures)],
    )
    return write_page(folder / "runs.html", page)


def as_json(runs: Sequence[RunFacts]) -> str:
    """Everything, for programs."""
    told = [
        {
            "name": run.name,
            "path": str(run.path),
            "game": run.game,
            "stages": run.stages,
            "updates": run.updates,
            "seconds": run.seconds,
            "settings": run.settings,
            "measured": run.measured,
            "figures": {key: _plain(one.__dict__) for key, one in run.figures.items()},
            "curves": run.curves,
            "problems": run.problems,
        }
        for run in runs
    ]
    return json.dumps({"schema_version": SCHEMA_VERSION, "runs": told}, indent=2, default=str)


def _plain(estimate: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in estimate.items()
    }


def _has_clips(run: RunFacts) -> bool:
    """Whether its figures come from a report that names its clips."""
    return any(one.has_interval for one in run.figures.values()) or "clips" in run.measured


def _short(stage: str) -> str:
    return {"video_tokenizer": "tokenizer", "latent_actions": "actions"}.get(stage, stage)


def _value(value: Any) -> str:
    text = visible("none" if value is None else str(value).lower() if isinstance(value, bool) else str(value))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
