"""Where a run keeps its things, and nothing else: no torch, so that the command line can ask too.

``<run>/<stage>/version_N/{config.yaml,metrics.csv,checkpoints/{best,last,step_N}.ckpt,pictures/}``, with
the run folder ``lightning_logs/<game>`` unless the user names another.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path

from tinyworlds.errors import TinyWorldsError
from tinyworlds.system.files import portable_name, why_unsafe

LOGS = Path("lightning_logs")
_VERSION = re.compile(r"version_(\d+)$")


def game_of(game: str | None, files: str | Sequence[str] | None) -> str:
    """Return the name a run is filed under: the game, or the stem of its first file without ``_frames``.

    A pattern stands for the first file that it finds; of a name that is no folder's name on every system,
    what is portable is kept.
    """
    if game:
        return game
    first = files if isinstance(files, str) else (files[0] if files else None)
    if not first:
        return "unnamed"
    if glob.has_magic(first) and not os.path.exists(first):
        first = min(glob.iglob(first, recursive=True), default=first)
    name = (Path(first) if "://" in first else Path(os.path.abspath(first))).stem.removesuffix("_frames")
    return portable_name(name, "unnamed") if why_unsafe(name) else name


def default_run(game: str) -> Path:
    """Return the run folder of `game` when none was named."""
    return LOGS / game


def version_of(folder: Path) -> int | None:
    """Return N for a folder named ``version_N``, else None."""
    found = _VERSION.match(folder.name)
    return int(found.group(1)) if found else None


def versions(run: str | Path, stage: str) -> list[Path]:
    """Return the version folders of one stage, oldest first."""
    folder = Path(run) / stage
    found = [path for path in folder.iterdir() if version_of(path) is not None] if folder.is_dir() else []
    return sorted(found, key=lambda path: version_of(path) or 0)


def lock_file(run: Path, stage: str) -> Path:
    """Return the file that whoever trains a stage in a run holds locked."""
    return run / f".{stage}.lock"


def has_checkpoint(run: str | Path, stage: str) -> bool:
    """Whether a run holds a file that should be a checkpoint of a stage."""
    return any(any((version / "checkpoints").glob("*.ckpt")) for version in versions(run, stage))


def version_dir_of_checkpoint(path: str | Path) -> Path | None:
    """Return the version folder a checkpoint lies in (``.../version_N/checkpoints/x.ckpt``), if it does."""
    folder = Path(path).resolve().parent
    if folder.name != "checkpoints" or version_of(folder.parent) is None:
        return None
    return folder.parent


def is_of_stage(path: str | Path, stage: str) -> bool:
    """Whether a path is a run or a checkpoint of a stage; a checkpoint outside a run is opened for it."""
    path = Path(path)
    if path.is_dir():
        return has_checkpoint(path, stage) or path.name == stage
    folder = version_dir_of_checkpoint(path)
    if folder is not None or path.suffix != ".ckpt" or not path.is_file():
        return folder is not None and folder.parent.name == stage
    from tinyworlds.checkpoints.load import read_stage  # imports torch

    with contextlib.suppress(TinyWorldsError):  # whoever opens it next says what is wrong with it
        return read_stage(path)[0].stage == stage
    return False
