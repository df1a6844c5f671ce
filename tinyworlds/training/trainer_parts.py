"""What Lightning's connectors put on a Trainer: its class declares none of it, so no type checker sees it."""

from __future__ import annotations

from typing import Protocol, cast

from lightning.pytorch import Callback, Trainer

from tinyworlds.data.module import H5DataModule


class TrainerParts(Protocol):
    """The parts we use; the datamodule is ours in every run of a stage."""

    callbacks: list[Callback]
    datamodule: H5DataModule
    fast_dev_run: bool | int
    log_every_n_steps: int


def parts_of(trainer: Trainer) -> TrainerParts:
    """Return the very trainer, seen as its parts."""
    return cast(TrainerParts, trainer)
