"""The report of a world as Markdown: each row one statistic, and the mark beside it on the same."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tinyworlds import __version__
from tinyworlds.evaluation.markdown import Strong, Table
from tinyworlds.evaluation.play_test import text as play_text
from tinyworlds.evaluation.rows import ACTION_KINDS, FIGURES, PLAYED, PREDICTIONS, SOURCES, STATISTICS, Bar
from tinyworlds.metrics.estimate import Estimate
from tinyworlds.system.text import literal

if TYPE_CHECKING:
    from tinyworlds.evaluation.report import Report


def markdown(report: Report, bars: Mapping[str, Bar], pictures: Mapping[str, str]) -> str:
    """The report for people; `pictures` maps file names to captions."""
    told = ", ".join(f"{key} {value}" for key, value in report.settings.items())
    lines = [
        f"# {literal(report.game) or 'World'}: figures on held-out clips",
        "",
        f"Data: {literal(report.data)}. Settings: {told}. Took {report.seconds:.0f} s, tinyworlds "
        f"{__version__}.",
        f"{basis(report)} Context frames that were given never count. Equal frames count as 58.9 dB (8-bit "
        "rounding).",
        "",
        *(play_text.tables(report.play, marked("key held", report)) if report.play else []),
        "",
        *figure_table(report, bars).markdown(),
        "",
        *prediction_table(report, bars).markdown(),
        "",
        *(f"- {statistic}: {meaning}" for statistic, meaning in STATISTICS.items()),
        *(f"- {source}: {SOURCES[source]}" for source in _sources(report)),
    ]
    if report.pressed_as:
        lines.append(f"- pressed keys take these actions: {_pressed(report)}")
    if (kind := report.settings.get("actions")) in ACTION_KINDS:
        lines.append(f"- {kind} actions: {ACTION_KINDS[kind]}")
    lines += ["", *horizon_table(report).markdown()]
    if report.confusion:
        lines += ["", *confusion_table(report).markdown()]
    for name, caption in pictures.items():
        is_picture = name.endswith(".png")
        lines += ["", f"![{caption}]({name})" if is_picture else f"[{caption}]({name})"]
    return "\n".join(lines) + "\n"


def basis(report: Report) -> str:
    """What intervals rest on."""
    if report.num_episodes < 2:
        return f"{report.num_clips} clips of one episode, so that no interval can be given."
    return f"{report.num_clips} clips of {report.num_episodes} episodes; intervals are 95 %, over episodes."


def marked(title: str, report: Report) -> str:
    """The head of a table, with the kind of actions that its figures rest on."""
    kind = report.settings.get("actions", "none")
    return title if kind == "none" else f"{title}; {kind} actions"


def _sources(report: Report) -> list[str]:
    return [source for source in SOURCES if source == "repeat" or source in report.horizon_psnr]


def _pressed(report: Report) -> str:
    return ", ".join(
        f"{literal(name)} = {'none found, so the idle one' if latent is None else latent}"
        for name, latent in report.pressed_as.items()
    )


def figure_table(report: Report, bars: Mapping[str, Bar]) -> Table:
    """Figures that there is one of, with their marks."""
    table = Table((marked("figure", report), "statistic", "value", "95 % interval", "asked", "met"))
    for key, (title, statistic, unit) in {**PLAYED, **FIGURES}.items():
        found, bar = report.figures.get(key), bars.get(key)
        if found or bar:
            asked = [str(bar), met_cell(bar, found)] if bar else ["", ""]
            table.add(title, statistic, value_cell(found, unit), interval_cell(found, unit), *asked)
    return table


def prediction_table(report: Report, bars: Mapping[str, Bar]) -> Table:
    """Figures of predicted frames, with a column for each source of actions."""
    sources = _sources(report)
    table = Table((marked("prediction", report), "statistic", *sources, "asked", "met"))
    for row, (title, statistic, unit) in PREDICTIONS.items():
        found = {source: report.figures.get(f"{row}_{source}") for source in sources}
        asked = {source: bars[f"{row}_{source}"] for source in SOURCES if f"{row}_{source}" in bars}
        if any(found.values()) or asked:
            cells = [whole_cell(one, unit) if one else "" for one in found.values()]
            marks = "; ".join(f"{source} {bar}" for source, bar in asked.items())
            met = [met_cell(bar, found.get(source)) for source, bar in asked.items()]
            table.add(title, statistic, *cells, marks, met[0] if len(met) == 1 else "; ".join(met))
    return table


def horizon_table(report: Report) -> Table:
    """PSNR by frame of the rollouts."""
    steps = range(1, len(report.repeat_psnr) + 1)
    table = Table((marked("frame of the rollout (pooled)", report), *map(str, steps)))
    table.add("repeat, dB", *(f"{value:.2f}" for value in report.repeat_psnr))
    for source in _sources(report)[1:]:
        table.add(f"{source}, dB", *(f"{value:.2f}" for value in report.horizon_psnr[source]))
        table.add(f"{source} above repeat, dB", *map(_plus_minus, report.horizon_gain[source]))
    return table


def confusion_table(report: Report) -> Table:
    """Transitions by true and by latent action."""
    num_latent, kind = len(report.confusion[0]), report.settings.get("actions", "latent")
    table = Table((f"true action \\ {kind}", *map(str, range(num_latent))))
    for name, counts in zip(report.true_action_names, report.confusion, strict=True):
        table.add(name, *map(str, counts))
    return table


def value_cell(found: Estimate | None, unit: str) -> str:
    """A value with its unit, or what to say in its place."""
    if found is None:
        return "not measured"
    if math.isnan(found.value):
        return "nothing to measure"
    return f"{found.value:.{_digits(found, unit)}f}{unit and ' '}{unit}"


def interval_cell(found: Estimate | None, unit: str) -> str:
    """The 95 % interval of a figure; empty where it is exact."""
    if found is None or math.isnan(found.value) or found.low == found.high:
        return ""
    if not found.has_interval:
        return "none (one episode)"
    digits = _digits(found, unit)
    return f"{found.low:.{digits}f} to {found.high:.{digits}f}{unit and ' '}{unit}"


def whole_cell(found: Estimate, unit: str) -> str:
    """Value and interval in one cell."""
    interval = interval_cell(found, unit).removesuffix(f" {unit}") if found.has_interval else ""
    return value_cell(found, unit) + (f" ({interval})" if interval else "")


def _plus_minus(gain: Estimate) -> str:
    return f"{gain.value:+.2f}" + (f" ± {gain.half_width:.2f}" if gain.has_interval else "")


def digits_of(value: float, unit: str) -> int:
    """How many decimals a value is shown with."""
    return 3 if not unit and abs(value) <= 1 else 2


def _digits(found: Estimate, unit: str) -> int:
    is_count = found.count == 0 and found.value == int(found.value)
    return 0 if is_count else digits_of(found.value, unit)


def met_cell(bar: Bar, found: Estimate | None) -> str:
    """Whether a figure reaches its mark."""
    if found is not None and bar.met_by(found):
        return "yes"
    needs = bar.interval_above is not None and found is not None and not found.has_interval
    return Strong("no (one episode gives no interval)" if needs else "no")
