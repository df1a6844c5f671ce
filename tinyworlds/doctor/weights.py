"""Weights from elsewhere: which of them are valid, which are not and why, and whether they make a world."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tinyworlds.doctor.findings import Finding, failure, ok, warning
from tinyworlds.doctor.training_runs import is_run
from tinyworlds.errors import TinyWorldsError


def check_weights(models: str, runs: str) -> Iterator[Finding]:
    """The folders of weights in `models`, where downloads go, and those among the runs in `runs`."""
    found = [folder for root in (Path(models), Path(runs)) for folder in _folders(root)]
    if not found:
        yield ok(f"no weights in {models} yet", "fetch some: tinyworlds download models --suite sonic")
    for folder in found:
        yield from judge_weights(folder)


def judge_weights(folder: Path) -> Iterator[Finding]:
    """One line for each checkpoint that is skipped, and one for the folder."""
    from tinyworlds.checkpoints.world_search import locate_world

    skipped: list[str] = []
    try:
        world = locate_world(folder, skipped.append)
    except TinyWorldsError as error:
        finding = failure if skipped else warning  # a stage may just not be there
        verdict = finding(str(error), "download or copy that stage again to play these")
    else:
        names = ", ".join(str(found.path.relative_to(folder)) for found in world.values())
        verdict = ok(
            f"{folder}: makes a world ({names})", f"tinyworlds convert {folder} OUT.world --data FILE.h5"
        )
    yield from (warning(line.removeprefix("skipped: ")) for line in skipped)
    yield verdict


def _folders(root: Path) -> list[Path]:
    """Return `root` if it holds checkpoints itself, else the folders in it that hold some and are no runs."""
    from tinyworlds.checkpoints.candidates import list_candidates

    if not root.is_dir():
        return []
    candidates = list_candidates(root)
    if any(candidate.path.parent == root for candidate in candidates):
        return [root]
    tops = sorted({candidate.path.relative_to(root).parts[0] for candidate in candidates})
    return [root / top for top in tops if not is_run(root / top)]
