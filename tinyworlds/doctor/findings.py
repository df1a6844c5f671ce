"""What a check finds: one line that is ok, a warning or a failure, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
