"""Which checkpoints make a world: out of a run, a folder of anything, several files, or a `.world` file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tinyworlds.checkpoints.formats import holds_world, read_checkpoint
from tinyworlds.checkpoints.load import find_checkpoint, fingerprint, info_of, load_network
from tinyworlds.checkpoints.run_folder import versions
from tinyworlds.checkpoints.safetensors_file import read_safetensors
from tinyworlds.checkpoints.search import find_stages, holds_runs
from tinyworlds.checkpoints.v1_files import holds_several
from tinyworlds.errors import CheckpointError, ConfigError, MissingFileError, TinyWorldsError
from tinyworlds.models.registry import STAGES

PathLike = str | os.PathLike[str]


def checkpoints_of(
    source: PathLike | Sequence[PathLike] | Mapping[str, PathLike], say: Callable[[str], None] = print
) -> dict[str, Path]:
    """Return the checkpoints in `source` by stage; a `.world` file counts as one for each stage in it.

    Args:
        source: a run folder, a folder with checkpoints of any format, a checkpoint, a `.world` file; several
            of these, each with other stages; or checkpoints by stage.
        say: called with one line for each checkpoint that was skipped.

    Raises:
        MissingFileError: nothing is there.
        CheckpointError: a checkpoint is unreadable, or two are of the same stage.
    """
    if isinstance(source, Mapping):
        return {stage: Path(path) for stage, path in source.items()}
    if isinstance(source, str | os.PathLike):
        return _of_path(Path(source), say)
    found: dict[str, Path] = {}
    for path in source:
        for stage, checkpoint in _of_path(Path(path), say).items():
            if stage in found:
                raise CheckpointError(
                    f"{found[stage]} and {checkpoint} are both of stage {stage}; name one of each stage"
                )
            found[stage] = checkpoint
    return found


def newest_checkpoints(run: PathLike, say: Callable[[str], None] = print) -> dict[str, Path]:
    """Return the newest valid dynamics of a run and the partners they were trained with, by stage.

    A folder that is no run of ours is searched for checkpoints of any format, see `find_stages`.

    Raises:
        MissingFileError: there is no such folder.
        CheckpointError: a stage has no valid checkpoint.
    """
    run = Path(run)
    if not run.is_dir():
        raise MissingFileError(f"there is no run folder {run}: train one with 'tinyworlds train GAME'")
    if not any(versions(run, stage) for stage in STAGES):
        return _of_other_folder(run, say)
    dynamics = find_checkpoint(run, "dynamics", say)
    if dynamics is None:
        raise CheckpointError(f"{run} holds no valid checkpoint of dynamics: train it to the end first")
    info = info_of(read_checkpoint(dynamics), dynamics)
    found = {"dynamics": dynamics}
    for stage in STAGES["dynamics"].partners:
        partner = info.meta.get("partners", {}).get(STAGES[stage].part)
        if partner is not None:
            found[stage] = _partner(run, stage, partner, dynamics, say)
    return found


def _of_path(path: Path, say: Callable[[str], None]) -> dict[str, Path]:
    if not path.exists():
        raise MissingFileError(
            f"there is no {path}: name a .world file, a run folder, or the checkpoints of the stages"
        )
    if holds_several(path):
        return newest_checkpoints(path, say)
    if holds_world(path):
        configs = read_safetensors(path, header_only=True)[0]["configs"]
        return {name: path for name, stage in STAGES.items() if stage.part in configs}
    return {info_of(read_checkpoint(path), path).stage: path}


def _of_other_folder(folder: Path, say: Callable[[str], None]) -> dict[str, Path]:
    runs = holds_runs(folder)
    if len(runs) > 1:
        names = ", ".join(run.name for run in runs)
        raise ConfigError(f"{folder} holds several runs ({names}); name one, such as {runs[-1]}")
    if runs:
        return newest_checkpoints(runs[0], say)
    return find_stages(folder, say)


def _partner(
    run: Path, stage: str, partner: Mapping[str, str], dynamics: Path, say: Callable[[str], None]
) -> Path:
    """Return the checkpoint of `stage` that the dynamics were trained with: where it was, or in the run."""
    noted, wanted = Path(partner["path"]), partner["fingerprint"]
    try:
        if noted.exists() and fingerprint(load_network(noted, stage=stage)) == wanted:
            return noted
    except TinyWorldsError:
        pass  # damaged since; another file of the run may hold the same weights
    found = find_checkpoint(run, stage, say, wanted_fingerprint=wanted)
    if found is None:
        raise CheckpointError(
            f"{dynamics} was trained with {stage} {noted}, which is gone or changed (fingerprint {wanted}): "
            f"bring it back, or train the dynamics again"
        )
    return found
