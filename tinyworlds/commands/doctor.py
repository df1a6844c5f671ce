"""``tinyworlds doctor``: the topics, the options, the exit code.

This side of it needs nothing but Python's own library, so that it also runs where packages are missing.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from tinyworlds.doctor.report import Printer, TopicReport, counts, summary, to_json
from tinyworlds.doctor.runner import Topic, run
from tinyworlds.errors import ConfigError, did_you_mean
from tinyworlds.system.options import OptionParser, positive

FOUND_FAILURES = 1
"""Exit code when something cannot work; 0 when everything can, 2 for wrong options."""


def main(argv: list[str]) -> int:
    """Run ``tinyworlds doctor`` and return the exit code.

    Raises:
        ConfigError: wrong options.
    """
    args = _parser().parse_args(argv)
    for option, folder in (("--data", args.data), ("--runs", args.runs)):
        if Path(folder).exists() and not Path(folder).is_dir():
            raise ConfigError(f"{option} {folder} is a file; name the folder it lies in")
    chosen = choose(topics(args.data, args.runs), args.only)
    if args.json:
        reports = run(chosen, args.timeout)
        print(to_json(reports, exit_code(reports, args.strict)))
    else:
        reports = _run_and_show(chosen, args.timeout)
    return exit_code(reports, args.strict)


def _parser() -> argparse.ArgumentParser:
    parser = OptionParser(
        "tinyworlds doctor",
        description="Check this machine, the data and the runs: each line is ok, a warning or a failure "
        "with what to do. Exit code: 0 without failures, 1 with one (or, with --strict, a warning), 2 for "
        "wrong options.",
        examples=("tinyworlds doctor", "tinyworlds doctor --only torch display --json"),
    )
    names = ", ".join(topic.name for topic in topics())
    add = parser.add_argument
    add("--only", nargs="+", metavar="TOPIC", help=f"look at these topics only: {names}")
    add("--data", default="data", metavar="DIR", help="folder with gameplay files (default: %(default)s)")
    add("--runs", default="lightning_logs", metavar="DIR", help="folder with runs (default: %(default)s)")
    add("--strict", action="store_true", help="let warnings count as failures")
    add("--json", action="store_true", help="print JSON for programs instead of text")
    add(
        "--timeout", type=positive(float), default=30.0, metavar="SECONDS",
        help="time for each topic (default: %(default)g)",
    )  # fmt: skip
    return parser


def topics(data: str = "data", runs: str = "lightning_logs") -> list[Topic]:
    """Return all topics in the order of the report."""
    here, light, torch, window = "tinyworlds.doctor", "light", "torch", "window"
    return [
        Topic("python", f"{here}.software", "check_python", group=light),
        Topic("packages", f"{here}.software", "check_packages", group=light),
        Topic("torch", f"{here}.torch_build", "check_torch", group=torch),
        Topic("disk", f"{here}.machine", "check_disk", {"data": data, "runs": runs}, group=light),
        Topic("memory", f"{here}.machine", "check_memory", group=light),
        Topic("compiler", f"{here}.machine", "check_compiler", group=light),
        Topic("codecs", f"{here}.pictures", "check_codecs", group=torch),
        Topic("opencv", f"{here}.pictures", "check_opencv", group=window),
        Topic("display", f"{here}.pictures", "check_display", group=window),
        Topic("wandb", f"{here}.software", "check_wandb", group=light),
        Topic("data", f"{here}.files", "check_data", {"folder": data}, group=torch),
        Topic("runs", f"{here}.files", "check_runs", {"folder": runs}, group=torch),
        Topic("weights", f"{here}.files", "check_weights", {"models": "models", "runs": runs}, group=torch),
        Topic("worlds", f"{here}.files", "check_worlds", {"folder": "."}, group=torch),
    ]


def choose(known: Sequence[Topic], only: Sequence[str] | None) -> list[Topic]:
    """Return the topics called `only`, or all for None.

    Raises:
        ConfigError: there is no such topic.
    """
    names = [topic.name for topic in known]
    for name in only or ():
        if name not in names:
            hint = did_you_mean(name, names)
            raise ConfigError(f"--only: '{name}' is no topic.{hint} There are {', '.join(names)}")
    return [topic for topic in known if only is None or topic.name in only]


def exit_code(reports: Sequence[TopicReport], strict: bool = False) -> int:
    """Return 0, or `FOUND_FAILURES` with a failure (or, if `strict`, a warning)."""
    found = counts(reports)
    bad = found["failure"] + (found["warning"] if strict else 0)
    return FOUND_FAILURES if bad else 0


def _run_and_show(chosen: Sequence[Topic], timeout_s: float) -> list[TopicReport]:
    with Printer([topic.name for topic in chosen]) as printer:
        reports = run(chosen, timeout_s, printer.show)
    print(summary(reports))
    return reports
