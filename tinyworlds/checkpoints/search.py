"""Finding the stages of a world in any folder: downloads, runs of the original program, files put together.

The newest run comes first, then the highest step. What is truncated, unreadable, NaN, misnamed or unlike the
rest is skipped, and said so. Stages of different runs are merged when they fit.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyworlds.checkpoints.load import CheckpointInfo, load_stage
from tinyworlds.checkpoints.run_folder import version_of, versions
from tinyworlds.checkpoints.v1_files import is_v1_folder
from tinyworlds.checkpoints.v1_keys import STAGE_NAMES
from tinyworlds.errors import CheckpointError, TinyWorldsError
from tinyworlds.models.fit import check_fit
from tinyworlds.models.registry import STAGES

_ENDINGS = (".pth", ".pt", ".ckpt", ".safetensors")
_STAMP = re.compile(r"(\d{4})_?(\d\d)_?(\d\d)[_T-]?(\d\d)_?(\d\d)_?(\d\d)")
_STEP = re.compile(r"step[_=]?(\d{1,12})")
_NAMED = re.compile(
    rf"(?:^|_)({'|'.join(sorted(STAGE_NAMES, key=len, reverse=True))})(?=_step|_checkpoint|\.|$)"
)
_ORDER = ("dynamics", *STAGES["dynamics"].partners)  # the dynamics decide what the others must be


@dataclass(frozen=True)
class Candidate:
    """Something that looks like a checkpoint.

    Attributes:
        path: file or folder.
        run: the folder of the run it belongs to, relative to where the search began.
        stage: the stage that its name or folder tells; None if they tell nothing.
        when: when the run was made, as text that sorts by time.
        step: optimizer steps by its name; ``last`` counts as the highest.
    """

    path: Path
    run: str
    stage: str | None
    when: str
    step: float


def holds_runs(folder: Path) -> list[Path]:
    """Return the run folders of ours directly in `folder`."""
    inside = sorted(path for path in folder.iterdir() if path.is_dir())
    return [path for path in inside if any(versions(path, stage) for stage in STAGES)]


def find_stages(folder: str | Path, say: Callable[[str], None] = print) -> dict[str, Path]:
    """Return the newest checkpoints in a folder that make a world, by stage.

    Args:
        folder: searched with all folders in it.
        say: called with one line for each checkpoint that is skipped, and why.

    Raises:
        CheckpointError: there is no valid checkpoint of dynamics or of a tokenizer that fits them.
    """
    folder = Path(folder)
    search = _Search(list_candidates(folder), say)
    for stage in _ORDER:
        if search.needs(stage) and not search.take(stage):
            raise _nothing_found(folder, stage, search)
    return {stage: search.found[stage].path for stage in STAGES if stage in search.found}


def find_newest(folder: str | Path, stage: str, say: Callable[[str], None] = print) -> Path:
    """Return the newest valid checkpoint of one stage in a folder, whatever else is there.

    Args:
        folder: searched with all folders in it.
        stage: one of the three stages.
        say: called with one line for each checkpoint that is skipped, and why.

    Raises:
        CheckpointError: there is none.
    """
    search = _Search(list_candidates(Path(folder)), say)
    if not search.take(stage):
        raise _nothing_found(Path(folder), stage, search)
    return search.found[stage].path


def _nothing_found(folder: Path, stage: str, search: _Search) -> CheckpointError:
    why = f"; the last one skipped: {search.skipped[-1]}" if search.skipped else ""
    return CheckpointError(f"{folder} holds no valid checkpoint of {stage}{why}")


class _Search:
    """Takes one checkpoint after another, each fitting those before it."""

    def __init__(self, candidates: list[Candidate], say: Callable[[str], None]) -> None:
        self.candidates, self._say = candidates, say
        self.found: dict[str, Candidate] = {}
        self.skipped: list[str] = []
        self._loaded: dict[Path, tuple[CheckpointInfo, Any] | None] = {}

    def needs(self, stage: str) -> bool:
        """Whether a world of the dynamics found needs this stage."""
        if not STAGES[stage].optional or "dynamics" not in self.found:
            return True
        return self._get("dynamics")[0].meta.get("actions", "latent") == "latent"

    def take(self, stage: str) -> bool:
        """Look for a stage, first in the run of the dynamics; return whether there is a good one."""
        run = self.found["dynamics"].run if "dynamics" in self.found else None
        for candidate in sorted(self.candidates, key=lambda c: c.run != run):  # stable: newest first within
            if candidate.stage in (None, stage) and self._is_good(candidate, stage):
                self.found[stage] = candidate
                return True
        return False

    def _is_good(self, candidate: Candidate, stage: str) -> bool:
        try:
            if candidate.path not in self._loaded:
                self._loaded[candidate.path] = None
                self._loaded[candidate.path] = load_stage(candidate.path, candidate.stage)
            loaded = self._loaded[candidate.path]
            if loaded is None or loaded[0].stage != stage:
                return False
            networks = {STAGES[name].part: self._get(name)[1] for name in self.found}
            if networks:
                check_fit(**networks, **{STAGES[stage].part: loaded[1]})
        except TinyWorldsError as failure:
            line = str(failure)
            line = line if str(candidate.path) in line else f"{candidate.path}: {line}"
            self.skipped.append(line)
            self._say(f"skipped: {line}")
            return False
        return True

    def _get(self, stage: str) -> tuple[CheckpointInfo, Any]:
        loaded = self._loaded[self.found[stage].path]
        assert loaded is not None
        return loaded


def list_candidates(folder: Path) -> list[Candidate]:
    """Return everything that looks like a checkpoint, newest run first, then the highest step."""
    found = [_candidate(path, folder) for path in _walk(folder)]
    newest: dict[str, str] = {}
    for candidate in found:
        newest[candidate.run] = max(newest.get(candidate.run, ""), candidate.when)
    # files that stand in one folder but carry times of their own are their own runs
    return sorted(
        found,
        key=lambda c: (newest[c.run] if c.run else c.when, c.run, c.step, c.path.name),
        reverse=True,
    )


def _walk(folder: Path) -> Iterator[Path]:
    for where, folders, files in os.walk(folder):
        here = Path(where)
        if is_v1_folder(here):
            folders.clear()
            yield here
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (here / name for name in files if name.endswith(_ENDINGS) and not name.startswith("."))


def _candidate(path: Path, folder: Path) -> Candidate:
    above = [part for part in path.relative_to(folder).parts[:-1] if part != "checkpoints"]
    named = [STAGE_NAMES[part] for part in above if part in STAGE_NAMES]
    in_name = _NAMED.search(path.name)
    stage = STAGE_NAMES[in_name.group(1)] if in_name else (named[-1] if named else None)
    run = "/".join(part for part in above if part not in STAGE_NAMES and version_of(Path(part)) is None)
    step = _STEP.search(path.name)
    steps = float(step.group(1)) if step else float("inf") if path.stem == "last" else -1.0
    return Candidate(path, run, stage, _when(path, run), steps)


def _when(path: Path, run: str) -> str:
    """The time stamp in the run's name, else in the file's, else when it was written."""
    for text in (run, path.name):
        if stamp := _STAMP.search(text):
            return "_".join(stamp.groups())
    return time.strftime("%Y_%m_%d_%H_%M_%S", time.gmtime(path.stat().st_mtime))
