"""What looks like a checkpoint, by names and places alone: nothing is opened here.

The one order in which checkpoints are tried: the newest run first, in it the highest version, then ``last``,
then the highest step. Runs of ours count versions, which copying a run elsewhere does not change; of others
the time stamp in their name counts, else when they were written.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tinyworlds.checkpoints.run_folder import version_of, versions
from tinyworlds.checkpoints.v1_files import is_v1_folder
from tinyworlds.checkpoints.v1_keys import STAGE_NAMES
from tinyworlds.models.registry import STAGES

_ENDINGS = (".pth", ".pt", ".ckpt", ".safetensors")
_STAMP = re.compile(r"(\d{4})_?(\d\d)_?(\d\d)[_T-]?(\d\d)_?(\d\d)_?(\d\d)")
_STEP = re.compile(r"step[_=]?(\d{1,12})")
_NAMED = re.compile(
    rf"(?:^|_)({'|'.join(sorted(STAGE_NAMES, key=len, reverse=True))})(?=_step|_checkpoint|\.|$)"
)


@dataclass(frozen=True)
class Candidate:
    """Something that looks like a checkpoint.

    Attributes:
        path: file or folder.
        run: the folder of the run it belongs to, relative to where the search began.
        stage: the stage that its name or folder tells; None if they tell nothing.
        version: N where it lies in ``version_N``, else -1.
        when: when the run was made, as text that sorts by time.
        step: optimizer steps by its name; ``last`` counts as the highest.
    """

    path: Path
    run: str
    stage: str | None
    version: int
    when: str
    step: float


def holds_several(path: str | Path) -> bool:
    """Whether a path is a folder that may hold checkpoints, rather than being one."""
    return Path(path).is_dir() and not is_v1_folder(Path(path))


def has_versions(folder: Path) -> bool:
    """Whether a folder is a run of ours in which a stage was begun."""
    return any(versions(folder, stage) for stage in STAGES)


def runs_in(folder: Path) -> list[Path]:
    """Return the run folders of ours directly in `folder`."""
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and has_versions(path)]


def list_candidates(folder: Path, stage: str | None = None) -> list[Candidate]:
    """Return what may be a checkpoint, of one stage or any, in the order in which they are to be tried.

    Args:
        folder: searched with all folders in it.
        stage: leave out what is of another by its name; of a run of ours, take what that stage wrote only.
    """
    of_run = [path for version in versions(folder, stage) for path in _written(version)] if stage else []
    found = [_candidate(path, folder) for path in of_run or _walk(folder)]
    newest: dict[str, str] = {}
    for candidate in found:
        newest[candidate.run] = max(newest.get(candidate.run, ""), candidate.when)

    def age(candidate: Candidate) -> tuple[str, str, int, float, str]:
        # files that stand in one folder but carry times of their own are their own runs
        one_run = candidate.run or candidate.version >= 0
        when = newest[candidate.run] if one_run else candidate.when
        return when, candidate.run, candidate.version, candidate.step, candidate.path.name

    return [each for each in sorted(found, key=age, reverse=True) if stage in (None, each.stage or stage)]


def _written(version: Path) -> Iterator[Path]:
    return (path for path in (version / "checkpoints").glob("*.ckpt") if not path.name.startswith("."))


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
    by_folder = [STAGE_NAMES[part] for part in above if part in STAGE_NAMES]
    by_name = _NAMED.search(path.name)
    stage = STAGE_NAMES[by_name.group(1)] if by_name else (by_folder[-1] if by_folder else None)
    numbers = [version_of(Path(part)) for part in above]
    around = zip(above, numbers, strict=True)
    run = "/".join(part for part, number in around if part not in STAGE_NAMES and number is None)
    version = max((number for number in numbers if number is not None), default=-1)
    step = _STEP.search(path.name)
    steps = float(step.group(1)) if step else float("inf") if path.stem == "last" else -1.0
    return Candidate(path, run, stage, version, _when(path, run), steps)


def _when(path: Path, run: str) -> str:
    """The time stamp in the run's name, else in the file's, else when it was written."""
    for text in (run, path.name):
        if stamp := _STAMP.search(text):
            return "_".join(stamp.groups())
    return time.strftime("%Y_%m_%d_%H_%M_%S", time.gmtime(path.stat().st_mtime))
