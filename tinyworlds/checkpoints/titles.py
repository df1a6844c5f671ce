"""Which world a person means who names a file, a run folder or a title."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tinyworlds.checkpoints.run_folder import default_run, has_checkpoint
from tinyworlds.errors import DataError, MissingFileError, did_you_mean
from tinyworlds.models.registry import STAGES
from tinyworlds.system.shell import shown_command

if TYPE_CHECKING:
    from games.spec import GameSpec


def named_world(named: str) -> str | Path:
    """Return the newest world of a title that is named, else the path.

    Raises:
        MissingFileError: there is neither.
        DataError: it is a gameplay file.
    """
    from games.registry import get, titles

    path = Path(named)
    if path.suffix in (".h5", ".hdf5") and path.is_file():
        raise DataError(
            f"{named} is gameplay, not a world: train one with 'tinyworlds train', then play that"
        )
    if path.exists() or path.suffix == ".world":
        return named
    if named in titles():
        return newest_world(get(named))
    hint = did_you_mean(named, titles())
    raise MissingFileError(f"there is no {named}: name a .world file, a run folder or a title.{hint}")


def newest_world(spec: GameSpec) -> Path:
    """Return the newest world of a game in the usual places: this folder, ``worlds/``, its run folder.

    Raises:
        MissingFileError: there is none; the message says how to get one.
    """
    run = default_run(spec.name)
    files = [Path(f"{spec.name}.world"), Path("worlds") / f"{spec.name}.world", *run.glob("*.world")]
    if found := [path for path in files if path.is_file()]:
        return max(found, key=lambda path: path.stat().st_mtime)
    if all(has_checkpoint(run, stage) for stage in STAGES):
        return run
    fetch = (
        f"fetch one with `{shown_command('download', 'models', '--suite', spec.name)}`, "
        if spec.public_file
        else ""
    )
    raise MissingFileError(
        f"{spec.title} has no trained world in {files[0]}, {files[1]} or {run}: {fetch}run "
        f"`{shown_command('train', spec.name)}` and `{shown_command('export', run, files[0])}`, or give "
        "one with --world FILE"
    )
