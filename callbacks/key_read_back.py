"""Asks while dynamics train whether their keys do anything: a short play test at each validation."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from tinyworlds.data.module import H5DataModule
from tinyworlds.errors import DataError
from tinyworlds.evaluation.play_test.holding import Key, Starts, dream
from tinyworlds.evaluation.play_test.measure import Reads
from tinyworlds.evaluation.play_test.preparing import find_examples, find_starts
from tinyworlds.evaluation.play_test.reader import train_reader, triples_of
from tinyworlds.models.maskgit import AS_PLAYED, Sampling
from tinyworlds.training.trainer_parts import parts_of
from tinyworlds.world.core import WorldCore
from tinyworlds.world.info import WorldInfo

log = logging.getLogger(__name__)

_DEAF = 1.2
"""Keys that are read back less often than this many times chance do next to nothing."""


@dataclass(frozen=True)
class _Test:
    """What each validation asks: what is held, from where, and who reads it."""

    keys: tuple[Key, ...]
    starts: Starts
    reads: Reads


class KeyReadBack(Callback):
    """Holds every key for some frames from validation clips, reads it back, and warns when none is heard.

    Logs ``val/key_read_back``, the mean over keys of the share of frames that it is read from. Where dynamics
    learn recorded or anchored actions, a small network reads that is trained on the recorded ones once, in
    some seconds; else the action model reads the latent actions that were sent. `tinyworlds evaluate` has the
    whole play test.

    Args:
        num_starts: Places that each key is held from.
        num_frames: How long it is held.
        num_updates: Of the reader, at most.
        patience: Validations in a row before the alarm; young dynamics hear nothing.
    """

    def __init__(
        self, num_starts: int = 8, num_frames: int = 16, num_updates: int = 120, patience: int = 2
    ) -> None:
        self.num_starts, self.num_frames, self.num_updates = num_starts, num_frames, num_updates
        self.patience, self.deaf_for = patience, 0
        self._test: _Test | None = None
        self._given_up = False

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Hold, read, log, warn."""
        stage: Any = pl_module
        if trainer.sanity_checking or self._given_up or not trainer.is_global_zero or stage.actions == "none":
            return
        data = parts_of(trainer).datamodule
        world = _world_of(stage, data)
        if self._test is None:
            try:
                self._test = self._prepare(world, data)
            except DataError as error:
                log.warning("No keys are read back in this run: %s", error)
                self._given_up = True
                return
        with torch.autocast(stage.device.type, enabled=False):
            share = self._read_back(world, self._test)
        # nothing is exchanged, this process is alone here; without the last word Lightning would recommend it
        stage.log("val/key_read_back", share, rank_zero_only=True, batch_size=1, sync_dist=True)
        self._listen(share, len(self._test.keys))

    def _prepare(self, world: WorldCore, data: H5DataModule) -> _Test:
        own_actions = world.info.actions == "latent"
        examples = find_examples(world, data.settings, data, "val", own_actions)
        starts = find_starts(world, data, self.num_starts, "val")
        if examples.reads is not None:
            return _Test(examples.keys, starts, examples.reads)
        assert examples.train.actions is not None  # recorded, or there were none to learn
        reader = train_reader(
            examples.train.frames,
            examples.train.actions,
            len(examples.names),
            world.device,
            self.num_updates,
        )
        return _Test(examples.keys, starts, reader)

    def _read_back(self, world: WorldCore, test: _Test) -> float:
        right = []
        for key in test.keys:
            sent = world.idle_action if key.sent is None else key.sent
            shown = dream(world, test.starts, np.full((len(test.starts), self.num_frames), sent))
            read = test.reads.read(triples_of(shown).flatten(0, 1))
            right.append(float((read == key.action).float().mean()))
        return float(np.mean(right))

    def _listen(self, share: float, num_keys: int) -> None:
        self.deaf_for = self.deaf_for + 1 if share < _DEAF / num_keys else 0
        if self.deaf_for == self.patience:
            warnings.warn(
                f"keys hardly do anything yet: {share:.2f} of the frames show the one that is held, by "
                f"chance {1 / num_keys:.2f} would; train for longer, or see what `tinyworlds actions` "
                "says of the latent actions",
                stacklevel=2,
            )


def _world_of(stage: Any, data: H5DataModule) -> WorldCore:
    """The stage's networks as they stand, to be played."""
    kind = stage.action_kind
    names = data.action_names if kind in ("anchored", "labels") else ()
    info = WorldInfo(
        data.game or "",
        float(data.fps or 1.0),
        action_names=names,
        actions=kind,
        true_actions={name: action for action, name in enumerate(names)},
    )
    world = WorldCore(stage.tokenizer, stage.network, stage.action_model, info=info, device=stage.device)
    world.sampling = Sampling() if stage.network.joint_horizon else AS_PLAYED  # v1 plays as it always did
    return world
