"""Which checkpoint a command begins with: the one ``--ckpt_path`` names, the newest of the run, or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tinyworlds.checkpoints.candidates import holds_several
from tinyworlds.checkpoints.formats import holds_world, network_weights, read_checkpoint
from tinyworlds.checkpoints.load import info_of
from tinyworlds.checkpoints.search import Located, Say, find_newest, locate
from tinyworlds.checkpoints.world_search import locate_world
from tinyworlds.errors import CheckpointError
from tinyworlds.models.registry import ALL_STAGES

FROM_RUN = ("last", "best")


@dataclass(frozen=True)
class Start:
    """The checkpoint that a command begins with.

    Attributes:
        checkpoint: None for a fresh start.
        others: checkpoints of other stages in the same file or folder, by stage.
        named: whether the user named it, rather than "last" or "best" or nothing.
    """

    checkpoint: Located | None = None
    others: Mapping[str, Located] = field(default_factory=dict)
    named: bool = False


def find_start(asked: str | None, run: Path, stage: str, subcommand: str, say: Say) -> Start:
    """Return the checkpoint that is meant by ``--ckpt_path``, or by leaving it out.

    Raises:
        CheckpointError: it is not there, unreadable, or of another stage.
    """
    if asked is not None and asked not in FROM_RUN:
        others = _stages_in(asked, stage, say)
        return Start(others[stage] if others else _named(asked, stage), others, named=True)
    if asked is None and subcommand == "fit":
        return Start()
    newest = find_newest(run, stage, say, name=asked if asked == "best" else None)
    if newest is not None:
        if subcommand != "fit":
            say(f"{stage}: using {newest.path}")
        return Start(newest)
    if asked is None:
        say(f"{stage}: no checkpoint in {run}, so an untrained network is measured")
        return Start()
    raise CheckpointError(
        f"--ckpt_path {asked}: {run / stage} holds no valid checkpoint; leave the option out to start anew"
    )


def _named(asked: str, stage: str) -> Located:
    checkpoint = read_checkpoint(asked, stage=stage)
    info = info_of(checkpoint, asked)
    if info.stage != stage:
        raise CheckpointError(
            f"--ckpt_path {asked} is a checkpoint of {info.stage}, this is {stage}; name another"
        )
    return Located(info, network_weights(checkpoint))


def _stages_in(asked: str, stage: str, say: Say) -> dict[str, Located]:
    """Return the checkpoints by stage of a `.world` file or a folder of several; {} for anything else."""
    path = Path(asked)
    if holds_several(path) and not ALL_STAGES[stage].partners:
        return {stage: locate(path, stage, say)}
    if not holds_several(path) and not holds_world(path):
        return {}
    checkpoints = locate_world(path, say)
    if stage not in checkpoints:
        raise CheckpointError(
            f"--ckpt_path {asked} holds {', '.join(checkpoints)}, this is {stage}; name another"
        )
    return checkpoints
