"""Which checkpoint somebody means who names a file, a folder, a run or a world: found once, then passed on.

In a folder the newest valid one is meant, in the order of :mod:`tinyworlds.checkpoints.candidates`. What is
truncated, unreadable, NaN or misnamed is skipped, and said so. Which checkpoints make a world together is the
question of :mod:`tinyworlds.checkpoints.world_search`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tinyworlds.checkpoints.candidates import Candidate, holds_several, list_candidates
from tinyworlds.checkpoints.load import CheckpointInfo, build_network, fingerprint, read_stage
from tinyworlds.checkpoints.own_networks import CLASS_KEY
from tinyworlds.checkpoints.run_folder import version_dir_of_checkpoint
from tinyworlds.data.gameplay import data_settings, noted_settings
from tinyworlds.data.held_out import networks_trained_on
from tinyworlds.data.splits import as_dealt_before
from tinyworlds.data.trained_on import TRAINED_ON_KEY
from tinyworlds.errors import CheckpointError, TinyWorldsError
from tinyworlds.models.base import Network
from tinyworlds.models.registry import ALL_STAGES

PathLike = str | os.PathLike[str]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Located:
    """The checkpoint of one stage that somebody meant, as it was read.

    Attributes:
        info: what it says about itself.
        weights: of the network, by its own names.
    """

    info: CheckpointInfo
    weights: dict[str, torch.Tensor] = field(repr=False, compare=False)

    @property
    def path(self) -> Path:
        """The file, or the folder of the original program."""
        return self.info.path

    @property
    def stage(self) -> str:
        """One of the stages."""
        return self.info.stage

    @property
    def version(self) -> Path | None:
        """The version folder it lies in; None where no run of ours is around it."""
        return version_dir_of_checkpoint(self.path)

    @property
    def run(self) -> Path | None:
        """The run folder it lies in, if it does."""
        return self.version.parent.parent if self.version is not None else None

    @cached_property
    def network(self) -> Network:
        """The network on the CPU, in eval mode; built on first use.

        Raises:
            CheckpointError: weights are NaN, missing, or do not fit the configuration.
        """
        info = self.info
        return build_network(self.path, self.stage, info.config, self.weights, info.meta.get(CLASS_KEY))


def locate(source: PathLike, stage: str | None = None, say: Say = print) -> Located:
    """Return the checkpoint that is meant.

    Args:
        source: a checkpoint of any format; or, with `stage`, a ``.world`` file or a folder, of which the
            newest valid one is taken.
        stage: the stage it must be of; None takes any.
        say: called with one line for each checkpoint that is skipped, and why.

    Raises:
        MissingFileError: nothing is there.
        CheckpointError: it is unreadable, of another stage, or the folder holds no valid one.
    """
    path = Path(source)
    if stage is None or not holds_several(path):
        return Located(*read_stage(path, stage))
    search = Search(say)
    found = search.first(list_candidates(path, stage), stage)
    if found is None:
        raise search.failure(path, stage)
    return found


def find_newest(
    folder: PathLike, stage: str, say: Say = print, *, weights: str | None = None, name: str | None = None
) -> Located | None:
    """Return the newest valid checkpoint of one stage in a folder, or None; see :func:`locate`.

    Args:
        folder: a run, or searched with all folders in it; it need not exist.
        stage: one of the stages.
        say: called with one line for each checkpoint that is skipped, and why.
        weights: take only the network with this :func:`fingerprint`.
        name: take only files of this name, such as "best".
    """
    if stage not in ALL_STAGES:
        raise CheckpointError(f"'{stage}' is no stage; use one of {', '.join(ALL_STAGES)}")
    candidates = list_candidates(Path(folder), stage)
    of_name = (candidate for candidate in candidates if name in (None, candidate.path.stem))
    return Search(say).first(of_name, stage, lambda found: weights in (None, fingerprint(found.network)))


def load_network(path: PathLike, device: str | torch.device = "cpu", stage: str | None = None) -> nn.Module:
    """Return the network in a checkpoint of any format, in eval mode on `device`.

    Args:
        path: a ``.ckpt`` of ours, a ``.pth`` file or a folder of the original program, a ``.safetensors``
            file; or, with `stage`, a ``.world`` file or a folder that is searched for the newest.
        device: where the network goes.
        stage: the stage it must be of; None takes any.

    Raises:
        MissingFileError: no such file.
        CheckpointError: unreadable, of another stage, with NaN weights, or not fitting its own configuration.
    """
    return locate(path, stage).network.to(device)


class Search:
    """Opens one candidate after another, and says which it skips and why."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._skipped: list[str] = []
        self._opened: dict[Path, Located | None] = {}

    def first(
        self, candidates: Iterable[Candidate], stage: str, accepts: Callable[[Located], bool] = lambda _: True
    ) -> Located | None:
        """Return the first valid checkpoint of a stage.

        Args:
            candidates: what to open, in this order.
            stage: what is of another is left alone.
            accepts: whether one is taken; skipped, too, is what it raises a TinyWorldsError for.
        """
        for candidate in candidates:
            found = self._open(candidate) if candidate.stage in (None, stage) else None
            if found is None or found.stage != stage:
                continue
            try:
                if accepts(found):
                    return found
            except TinyWorldsError as failure:
                self._skip(candidate.path, failure)
        return None

    def failure(self, folder: Path, stage: str) -> CheckpointError:
        """Return what to raise when there was none."""
        why = f"; the last one skipped: {self._skipped[-1]}" if self._skipped else ""
        return CheckpointError(f"{folder} holds no valid checkpoint of {stage}{why}")

    def _open(self, candidate: Candidate) -> Located | None:
        path = candidate.path
        if path in self._opened:
            return self._opened[path]
        found = None
        try:
            found = Located(*read_stage(path, candidate.stage))
            found.network.eval()  # builds it: only what can be loaded is valid
        except TinyWorldsError as failure:
            found = None
            self._skip(path, failure)
        if candidate.stage is None:  # its turn comes again, for another stage; others need not stay in memory
            self._opened[path] = found
        return found

    def _skip(self, path: Path, failure: TinyWorldsError) -> None:
        line = str(failure)
        line = line if str(path) in line else f"{path}: {line}"
        self._skipped.append(line)
        self._say(f"skipped: {line}")


def trained_settings(found: Located) -> dict[str, Any]:
    """Return the data settings that a checkpoint was trained with: it notes them itself.

    Those of earlier versions lie in the `config.yaml` of the version folder; what is held out has another
    name now.

    Raises:
        ConfigError: they are damaged.
    """
    noted = found.info.meta.get(TRAINED_ON_KEY)
    if isinstance(noted, dict):
        return noted_settings(noted.get("settings"), found.path)
    return _as_before(data_settings(found.version)) if found.version else {}


def data_settings_of(path: Path, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data settings a world was trained with: from its run folder, or from what its file tells.

    Raises:
        ConfigError: they are damaged.
    """
    if path.is_dir():
        return trained_settings(locate(path, "dynamics", say=lambda skipped: None))  # told when it was loaded
    settings = noted_settings(provenance.get("data_settings") or {}, path)
    known = networks_trained_on(provenance).get("dynamics") is not None
    return settings if known else _as_before(settings)


def _as_before(settings: dict[str, Any]) -> dict[str, Any]:
    """Name the deal that a version meant that noted none."""
    return {**settings, "split": as_dealt_before(settings.get("split", "time"))} if settings else {}
