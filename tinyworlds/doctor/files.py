"""Files: gameplay, runs, weights from elsewhere and worlds, each opened as the program opens it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tinyworlds.checkpoints.run_folder import versions
from tinyworlds.doctor.report import Finding, failure, ok, warning
from tinyworlds.errors import TinyWorldsError
from tinyworlds.models.registry import AGENT, ALL_STAGES, STAGES
from tinyworlds.system.documents import read_json
from tinyworlds.system.shell import shown_command

if TYPE_CHECKING:
    from tinyworlds.checkpoints.search import Located

_H5 = (".h5", ".hdf5")
_VIDEOS = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v")
_BUSY_S = 60.0  # a recorder writes more often than this
_RUN_FILE = "run.json"
_WORLDS = ("*.world", "*/*.world")


def check_data(folder: str) -> Iterator[Finding]:
    """All files under the folder; those in hidden folders (the cache) are left out."""
    root = Path(folder)
    if not root.is_dir():
        yield ok(f"no folder {folder} yet", "record a game: tinyworlds record ALE/Pong-v5")
        return
    paths = [path for path in sorted(root.rglob("*")) if path.is_file() and not _is_hidden(path, root)]
    num_found = 0
    for path in paths:
        finding = _judge(path)
        if finding is not None:
            num_found += 1
            yield finding
    if not num_found:
        yield ok(f"no gameplay files in {folder} yet", "record a game: tinyworlds record ALE/Pong-v5")


def _judge(path: Path) -> Finding | None:
    """Judge one file; None for those that are nobody's business here, such as notes and pictures."""
    kind = path.suffix.lower()
    if kind in _H5:
        return judge_gameplay(path)
    if kind == ".part":
        return judge_part(path)
    if kind in _VIDEOS:
        return ok(f"{path}: a video, not yet a gameplay file", f"{shown_command('ingest', path)} --game NAME")
    return None


def judge_gameplay(path: Path) -> Finding:
    """Say whether a file can be trained on; frames are read in samples across it."""
    from tinyworlds.data.inspect import inspect_file

    try:
        found = inspect_file(str(path))
    except TinyWorldsError as error:
        return failure(str(error))
    count, height, width, _ = found.shape
    rate = f"{found.fps:g} fps" if found.fps else "no rate stored, taken as 60 fps"
    actions = "true actions" if found.actions is not None else "no actions"
    text = f"{path}: {count:,} frames of {width}x{height}, {rate}, {actions}"
    if found.notes:
        return warning(f"{text}; {'; '.join(found.notes)}", f"see {shown_command('inspect', path)}")
    return ok(text)


def judge_part(path: Path) -> Finding:
    """Say what an unfinished file is: being written, or left over."""
    age_s = time.time() - path.stat().st_mtime
    if age_s < _BUSY_S:
        return ok(f"{path}: is being written")
    size_mb = path.stat().st_size / 1e6
    return warning(
        f"{path}: left over by something that was stopped ({size_mb:.1f} MB, {age_s / 3600:.1f} h old)",
        "the command that wrote it may go on with it; if you do not want that, delete it",
    )


def _is_hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


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
    stages = [path / stage for stage in ALL_STAGES if (path / stage).is_dir()]
    foreign = any((stage / "checkpoints").is_dir() for stage in stages)  # the original's, without versions
    return path.is_dir() and ((path / _RUN_FILE).is_file() or (bool(stages) and not foreign))


def judge_run(run: Path) -> Iterator[Finding]:
    """One line for each damaged checkpoint, and one for the run."""
    from tinyworlds.checkpoints.search import find_newest

    trained: dict[str, Located] = {}
    for stage in ALL_STAGES:
        skipped: list[str] = []
        checkpoint = find_newest(run, stage, skipped.append)
        if checkpoint is not None:
            trained[stage] = checkpoint
        finding = failure if checkpoint is None else warning  # an older one stands in for the damaged
        yield from (finding(line.removeprefix("skipped: ")) for line in skipped)
    yield from _judge_state(run)
    if versions(run, AGENT.name):
        yield judge_agent(run, trained.pop(AGENT.name, None))
    if (run / _RUN_FILE).is_file() or any(versions(run, stage) for stage in STAGES):
        yield judge_playable(run, tuple(trained))


def judge_agent(run: Path, newest: Located | None) -> Finding:
    """Say how far an agent has come."""
    if newest is None:
        return warning(f"{run}: an agent without a valid checkpoint", "train it: tinyworlds fit --config ...")
    task = newest.info.meta.get("task")
    text = f"{run}: an agent for {task}, {newest.info.step:,} updates ({_within(newest.path, run)})"
    return ok(text, f"{shown_command('episodes', '--checkpoint', run)} --out videos/")


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
            f"go on training: {shown_command('train', run.name)}",
        )
    try:
        world = locate_run(run)
        check_fit(**networks_of(world.values()))
    except TinyWorldsError as error:
        return failure(
            f"{run}: not playable: {' '.join(str(error).split())}", shown_command("train", run.name)
        )
    parts = ", ".join(str(_within(found.path, run)) for found in world.values())
    return ok(f"{run}: playable ({parts})", shown_command("play", run))


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
        stages = read_json(path)["stages"]
        bad = {stage: state["status"] for stage, state in stages.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        yield failure(f"{path} is damaged", "delete it; the stages' checkpoints stay")
        return
    for stage, status in bad.items():
        if status in ("failed", "interrupted"):
            yield warning(f"{run}: {stage} was {status}", f"go on: {shown_command('train', run.name)}")


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
            f"{folder}: makes a world ({names})",
            f"{shown_command('convert', folder)} OUT.world --data FILE.h5",
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


def check_worlds(folder: str) -> Iterator[Finding]:
    """The world files in `folder` and the folders in it, hidden folders left out."""
    root = Path(folder)
    paths = sorted({path for pattern in _WORLDS for path in root.glob(pattern) if path.is_file()})
    paths = [path for path in paths if not _is_hidden(path, root)]
    if not paths:
        yield ok("no .world files here yet", "make one of a run: tinyworlds export RUN OUT.world")
    for path in paths:
        yield judge_world(path)


def judge_world(path: Path) -> Finding:
    """Say whether a file can be played."""
    from tinyworlds.world.file import load_world

    try:
        world = load_world(path)
    except TinyWorldsError as error:
        return failure(str(error))
    text = f"{path}: {world.num_actions} actions at {world.fps:g} fps, {path.stat().st_size / 2**20:.1f} MB"
    if not world.start_clips:
        return warning(f"{text}, without clips to start from", "export it again with --data FILE")
    return ok(text, shown_command("play", path))
