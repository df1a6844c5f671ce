"""Which checkpoints make a world: out of a run, a folder of anything, several files, or a ``.world`` file.

Of a run, the newest valid dynamics and the very networks they were trained with. In any other folder, stages
of different runs are merged when they fit.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tinyworlds.checkpoints.candidates import has_versions, holds_several, list_candidates, runs_in
from tinyworlds.checkpoints.formats import holds_world
from tinyworlds.checkpoints.load import fingerprint
from tinyworlds.checkpoints.safetensors_file import read_safetensors
from tinyworlds.checkpoints.search import Located, PathLike, Say, Search, find_newest, locate
from tinyworlds.errors import CheckpointError, ConfigError, MissingFileError, TinyWorldsError
from tinyworlds.models.fit import check_fit
from tinyworlds.models.registry import INFERRED, STAGES
from tinyworlds.system.known_paths import is_known, is_within

_LEADING = "dynamics"  # they decide what the others must be


def locate_world(
    source: PathLike | Sequence[PathLike] | Mapping[str, PathLike], say: Say = print
) -> dict[str, Located]:
    """Return the checkpoints in `source` by stage; a `.world` file counts as one for each stage in it.

    Args:
        source: a run folder, a folder with checkpoints of any format, a checkpoint, a `.world` file; several
            of these, each with other stages; or checkpoints by stage.
        say: called with one line for each checkpoint that was skipped.

    Raises:
        MissingFileError: nothing is there.
        ConfigError: stages given by name are not those of a world, or a folder holds several runs.
        CheckpointError: a checkpoint is unreadable, two are of the same stage, or a stage has no valid one.
    """
    if isinstance(source, Mapping):
        check_complete(source)
        return {stage: locate(path, stage, say) for stage, path in source.items()}
    if isinstance(source, str | os.PathLike):
        return _of_path(Path(source), say)
    world: dict[str, Located] = {}
    for path in source:
        for stage, found in _of_path(Path(path), say).items():
            if stage in world:
                raise CheckpointError(
                    f"{world[stage].path} and {found.path} are both of stage {stage}; name one of each stage"
                )
            world[stage] = found
    return world


def locate_run(run: PathLike, say: Say = print) -> dict[str, Located]:
    """Return the newest valid dynamics of a run and the partners they were trained with, by stage.

    A folder that is no run of ours is searched for checkpoints of any format.

    Raises:
        MissingFileError: there is no such folder.
        ConfigError: it holds several runs.
        CheckpointError: a stage has no valid checkpoint.
    """
    run = Path(run)
    if not run.is_dir():
        raise MissingFileError(f"there is no run folder {run}: train one with 'tinyworlds train GAME'")
    if not has_versions(run):
        return _of_other_folder(run, say)
    dynamics = find_newest(run, _LEADING, say)
    if dynamics is None:
        raise CheckpointError(f"{run} holds no valid checkpoint of dynamics: train it to the end first")
    world = {_LEADING: dynamics}
    for stage in STAGES[_LEADING].partners:
        noted = dynamics.info.meta.get("partners", {}).get(STAGES[stage].part)
        if noted is not None:
            world[stage] = _partner(run, stage, noted, dynamics, say)
    return world


def check_complete(stages: Iterable[str]) -> None:
    """Raise a ConfigError unless these stages make a world."""
    needed = {name for name, stage in STAGES.items() if not stage.optional}
    if not needed <= {*stages} <= {*STAGES}:
        raise ConfigError(
            f"a world needs checkpoints of {', '.join(STAGES)}; got {', '.join(stages) or 'none'}"
        )


def networks_of(checkpoints: Iterable[Located]) -> dict[str, Any]:
    """Return the networks by their names in a world, which are also arguments of :func:`check_fit`."""
    return {STAGES[found.stage].part: found.network for found in checkpoints}


def _of_path(path: Path, say: Say) -> dict[str, Located]:
    if not path.exists():
        raise MissingFileError(
            f"there is no {path}: name a .world file, a run folder, or the checkpoints of the stages"
        )
    if holds_several(path):
        return locate_run(path, say)
    if holds_world(path):
        configs = read_safetensors(path, header_only=True)[0]["configs"]
        return {name: locate(path, name, say) for name, stage in STAGES.items() if stage.part in configs}
    found = locate(path)
    return {found.stage: found}


def _of_other_folder(folder: Path, say: Say) -> dict[str, Located]:
    runs = runs_in(folder)
    if len(runs) > 1:
        names = ", ".join(run.name for run in runs)
        raise ConfigError(f"{folder} holds several runs ({names}); name one, such as {runs[-1]}")
    return locate_run(runs[0], say) if runs else _merged(folder, say)


def _partner(run: Path, stage: str, noted: Mapping[str, str], dynamics: Located, say: Say) -> Located:
    """Return the checkpoint of `stage` that the dynamics were trained with: where it was, or in the run."""
    path, weights = Path(noted["path"]), noted["fingerprint"]
    # whoever wrote the checkpoint chose the name: not every one is followed
    inside = Path(os.path.abspath(path)).is_relative_to(os.path.abspath(run))
    ours = inside or is_known(noted["path"]) or is_within(noted["path"], Path())
    try:
        if ours and path.exists() and fingerprint((found := locate(path, stage, say)).network) == weights:
            return found
    except TinyWorldsError:
        pass  # damaged since; another file of the run may hold the same weights
    other = find_newest(run, stage, say, weights=weights)
    if other is None:
        raise CheckpointError(
            f"{dynamics.path} was trained with {stage} {path}, which is gone or changed, or lies where names "
            f"in files are not followed (fingerprint {weights}): bring it into the run, name the checkpoints "
            "of all stages, or train the dynamics again"
        )
    return other


def _merged(folder: Path, say: Say) -> dict[str, Located]:
    """Return the newest checkpoints that fit each other, preferably of the run of the dynamics."""
    search, candidates = Search(say), list_candidates(folder)
    run_of = {candidate.path: candidate.run for candidate in candidates}
    world: dict[str, Located] = {}

    def fits(found: Located) -> bool:
        if world:
            check_fit(**networks_of([*world.values(), found]))
        return True

    for stage in (_LEADING, *STAGES[_LEADING].partners):
        if STAGES[stage].optional and world[_LEADING].info.meta.get("actions", "latent") not in INFERRED:
            continue
        found = search.first(candidates, stage, fits)
        if found is None:
            raise search.failure(folder, stage)
        world[stage] = found
        if stage == _LEADING:  # stable: newest first within
            candidates.sort(key=lambda candidate: candidate.run != run_of[found.path])
    return {stage: world[stage] for stage in STAGES if stage in world}
