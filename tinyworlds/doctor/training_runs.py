"""Runs: which checkpoints are valid, which are not and why, and whether the run can be played."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from tinyworlds.checkpoints.run_folder import versions
from tinyworlds.doctor.findings import Finding, failure, ok, warning
from tinyworlds.errors import TinyWorldsError
from tinyworlds.models.registry import STAGES

_RUN_FILE = "run.json"


def check_runs(folder: str) -> Iterator[Finding]:
    """Every run folder in `folder`."""
    root = Path(folder)
    runs = [path for path in sorted(root.iterdir()) if is_run(path)] if root.is_dir() else []
    if not runs:
        yield ok(f"no runs in {folder} yet", "train one: tinyworlds quickstart, or tinyworlds train GAME")
    for run in runs:
        yield from judge_run(run)


def is_run(path: Path) -> bool:
    """Whether a folder looks like a run of ours: it holds a stage or the pipeline's state."""
    stages = [path / stage for stage in STAGES if (path / stage).is_dir()]
    foreign = any((stage / "checkpoints").is_dir() for stage in stages)  # the original's, without versions
    return path.is_dir() and ((path / _RUN_FILE).is_file() or (bool(stages) and not foreign))


def judge_run(run: Path) -> Iterator[Finding]:
    """One line for each damaged checkpoint, and one for the run."""
    from tinyworlds.checkpoints.search import find_newest

    trained = []
    for stage in STAGES:
        skipped: list[str] = []
        checkpoint = find_newest(run, stage, skipped.append)
        if checkpoint is not None:
            trained.append(stage)
        finding = failure if checkpoint is None else warning  # an older one stands in for the damaged
        yield from (finding(line.removeprefix("skipped: ")) for line in skipped)
    yield from _judge_state(run)
    yield judge_playable(run, trained)


def judge_playable(run: Path, trained: Sequence[str]) -> Finding:
    """Say whether the stages that have a valid checkpoint make a world; if not, what is missing."""
    from tinyworlds.checkpoints.world_search import locate_run, networks_of
    from tinyworlds.models.fit import check_fit

    missing = [stage for stage in STAGES if stage not in trained]
    if not all(STAGES[stage].optional for stage in missing):
        names = ", ".join(missing)
        started = ", ".join(stage for stage in STAGES if versions(run, stage)) or "nothing"
        return warning(
            f"{run}: not playable, {names} {'has' if len(missing) == 1 else 'have'} no valid checkpoint "
            f"(started: {started})",
            f"go on training: tinyworlds train {run.name}",
        )
    try:
        world = locate_run(run)
        check_fit(**networks_of(world.values()))
    except TinyWorldsError as error:
        return failure(f"{run}: not playable: {' '.join(str(error).split())}", f"tinyworlds train {run.name}")
    parts = ", ".join(str(_within(found.path, run)) for found in world.values())
    return ok(f"{run}: playable ({parts})", f"tinyworlds play {run}")


def _within(path: Path, run: Path) -> Path:
    """Return `path` seen from the run folder, or as it is where it lies elsewhere."""
    resolved, root = path.resolve(), run.resolve()
    return resolved.relative_to(root) if resolved.is_relative_to(root) else path


def _judge_state(run: Path) -> Iterator[Finding]:
    """What the pipeline noted about itself, where that needs attention."""
    path = run / _RUN_FILE
    if not path.is_file():
        return
    try:
        stages = json.loads(path.read_text(encoding="utf-8"))["stages"]
        bad = {stage: state["status"] for stage, state in stages.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        yield failure(f"{path} is damaged", "delete it; the stages' checkpoints stay")
        return
    for stage, status in bad.items():
        if status in ("failed", "interrupted"):
            yield warning(f"{run}: {stage} was {status}", f"go on: tinyworlds train {run.name}")
