"""``tinyworlds runs``: runs and worlds side by side, read from their files."""

from __future__ import annotations

from pathlib import Path

from tinyworlds.checkpoints.run_folder import LOGS
from tinyworlds.errors import MissingFileError
from tinyworlds.system.options import call


def main(argv: list[str]) -> int:
    """Run ``tinyworlds runs``."""
    return call(
        runs_command,
        argv,
        "tinyworlds runs",
        by_position="paths",
        examples=("tinyworlds runs", "tinyworlds runs doom racing --out compared/"),
    )


def runs_command(paths: list[str] | None = None, out: str | None = None, json: bool = False) -> int:
    """Show runs and worlds side by side: settings that differ, figures with intervals, learning curves.

    They are read from their folders; nothing is trained or measured.

    Args:
        paths: run folders, worlds, names, or folders with runs in them (default: all in lightning_logs).
        out: folder for the page, the table and the curves (default: lightning_logs/comparison).
        json: print JSON for programs instead; files are written with --out only.

    Raises:
        MissingFileError: nothing of that name is there.
        StorageError: `out` cannot be written.
    """
    from tinyworlds.evaluation.run_facts import distinct_names, facts_of
    from tinyworlds.evaluation.side_by_side import (
        as_json,
        default_out,
        side_by_side_lines,
        write_side_by_side,
    )

    found = _found(paths or [])
    runs = [facts_of(path, name) for path, name in zip(found, distinct_names(found), strict=True)]
    if json:
        print(as_json(runs))
    else:
        print("\n".join(side_by_side_lines(runs)))
    if out is not None or not json:
        page = write_side_by_side(Path(out) if out else default_out(), runs)
        if not json:
            print(f"Side by side, with learning curves: {page}")
    return 0


def _found(paths: list[str]) -> list[Path]:
    """The runs and worlds that are meant, each once."""
    from tinyworlds.checkpoints.titles import named_world
    from tinyworlds.evaluation.run_facts import find_runs, is_run

    if not paths:
        if not (runs := find_runs(LOGS)):
            raise MissingFileError(f"there are no runs in {LOGS}: train one with 'tinyworlds train GAME'")
        return runs
    found: list[Path] = []
    for named in paths:
        path = Path(named)
        if path.is_dir() and not is_run(path):
            if not (inner := find_runs(path)):
                raise MissingFileError(f"{path} is no run and holds none: name a run folder or a world")
            found += inner
        elif not path.exists() and is_run(LOGS / named):
            found.append(LOGS / named)
        else:
            found.append(Path(named_world(named, say=lambda line: None)))
    return [*dict.fromkeys(found)]
