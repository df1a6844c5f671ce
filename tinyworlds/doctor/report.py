"""What checks find, a line each that is ok, a warning or a failure, and the report of it: text or JSON."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["ok", "warning", "failure"]


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        status: "ok", "warning" (works, with a restriction) or "failure" (something here cannot work).
        text: what was found.
        remedy: what to do; empty where there is nothing to do.
    """

    status: Status
    text: str
    remedy: str = ""


def ok(text: str, remedy: str = "") -> Finding:
    """A finding in order; `remedy` may tell how to get more."""
    return Finding("ok", text, remedy)


def warning(text: str, remedy: str = "") -> Finding:
    """A finding that restricts what can be done; errors of our own tree tell the remedy in their text."""
    return Finding("warning", text, remedy)


def failure(text: str, remedy: str = "") -> Finding:
    """A finding that stops something from working; likewise."""
    return Finding("failure", text, remedy)


def by_level(value: float, low: float, lowest: float, text: str, remedy: str) -> Finding:
    """Failure where `value` is below `lowest`, warning below `low`, else ok without a remedy."""
    if value >= low:
        return ok(text)
    return failure(text, remedy) if value < lowest else warning(text, remedy)


SCHEMA_VERSION = 1
_COLOURS = {"ok": "green", "warning": "yellow", "failure": "bold red"}
_STATUS_WIDTH, _TOPIC_WIDTH = 9, 10


@dataclass(frozen=True)
class TopicReport:
    """What was found about one topic."""

    topic: str
    findings: tuple[Finding, ...]


class Printer:
    """Prints reports as they come; on a terminal in colour, and with what is being looked at below.

    Args:
        names: of the topics that will come, in their order.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._left = list(names)
        self._console: Any = None
        self._status: Any = None
        if sys.stdout.isatty() and importlib.util.find_spec("rich") is not None:
            from rich.console import Console

            self._console = Console(highlight=False, markup=False)
            self._status = self._console.status(self._doing())

    def __enter__(self) -> Printer:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._status is not None:
            self._status.stop()

    def show(self, report: TopicReport) -> None:
        """Print the lines of one topic."""
        self._left.remove(report.topic)
        for finding in report.findings:
            if self._console is None:
                print(one_line(report.topic, finding), flush=True)
            else:
                self._console.print(in_colour(report.topic, finding))
        if self._status is not None:
            self._status.update(self._doing())

    def _doing(self) -> str:
        return f"looking at {self._left[0]} ({len(self._left)} left)" if self._left else ""


def one_line(topic: str, finding: Finding) -> str:
    """Return a finding as one line, for files and grep."""
    remedy = f" -> {finding.remedy}" if finding.remedy else ""
    return f"{finding.status:<{_STATUS_WIDTH}}{topic:<{_TOPIC_WIDTH}}{finding.text}{remedy}"


def in_colour(topic: str, finding: Finding) -> Any:
    """Return a finding as a row of a rich table whose last column wraps, the remedy below the text."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid()
    grid.add_column(width=_STATUS_WIDTH)
    grid.add_column(width=_TOPIC_WIDTH)
    grid.add_column(overflow="fold")
    grid.add_row(Text(finding.status, _COLOURS[finding.status]), topic, Text(finding.text))
    if finding.remedy:
        grid.add_row("", "", Text(f"-> {finding.remedy}", "cyan"))
    return grid


def counts(reports: Sequence[TopicReport]) -> dict[str, int]:
    """Return how many findings are ok, warnings and failures."""
    found = Counter(finding.status for report in reports for finding in report.findings)
    return {status: found[status] for status in ("ok", "warning", "failure")}


def summary(reports: Sequence[TopicReport]) -> str:
    """Return the last line."""
    found = counts(reports)
    bad = [f"{n} {name}{'s' if n > 1 else ''}" for name, n in found.items() if n and name != "ok"]
    return f"{found['ok']} ok, {', '.join(bad) or 'nothing to do'}"


def to_json(reports: Sequence[TopicReport], exit_code: int) -> str:
    """Return everything as JSON: ``findings`` (topic, status, text, remedy), ``counts``, ``exit_code``."""
    findings = [
        {"topic": report.topic, "status": finding.status, "text": finding.text, "remedy": finding.remedy}
        for report in reports
        for finding in report.findings
    ]
    content = {
        "schema_version": SCHEMA_VERSION,
        "exit_code": exit_code,
        "counts": counts(reports),
        "findings": findings,
    }
    return json.dumps(content, indent=2)
