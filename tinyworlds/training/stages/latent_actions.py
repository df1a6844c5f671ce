"""Stage 2: find the actions nobody labelled, as what best explains the next frame.

Where some true actions were recorded, a share of them can anchor the latent ones: these then are the true
ones, by number and name.
"""

from __future__ import annotations

from typing import Any

import torch

from tinyworlds.data.anchors import ANCHORS_KEY, Anchors, find_anchors
from tinyworlds.data.dataset import Batch
from tinyworlds.errors import ConfigError
from tinyworlds.media.pixels import frames_to_input
from tinyworlds.models import LatentActionModel
from tinyworlds.training.settings import TrainingSettings, flat_training
from tinyworlds.training.stages.base import Losses, Stage
from tinyworlds.training.trainer_parts import parts_of

NUM_ANCHORS = 32
"""Anchors that each batch sees."""
ANCHORED_FRAMES = 10
"""Frames of a window, at least: an anchored model learns from for how long a key is held."""


class LatentActionsStage(Stage):
    """Trains a :class:`~tinyworlds.models.LatentActionModel`.

    Args:
        label_share: share of the recorded true actions that anchor the latent ones, such as 0.025; 0 leaves
            them to be found. None: 1 where some of the files hold actions and others none, else 0.
        training: see :class:`~tinyworlds.training.settings.TrainingSettings`, given one by one.
        network: arguments of the network.

    Raises:
        ConfigError: the share is below 0 or above 1.
    """

    name = "latent_actions"
    network: LatentActionModel

    @flat_training(learning_rate=1e-4)
    def __init__(
        self, label_share: float | None = None, *, training: TrainingSettings, **network: Any
    ) -> None:
        check_share(label_share)
        network["anchored"] = bool(network.get("anchored") or label_share)
        super().__init__(self.build_network(**network), training)
        self.label_share = label_share or 0.0
        self._anchors: Anchors | None = None

    def build_network(self, **network: Any) -> LatentActionModel:
        """Return the network; its arguments are settings of the stage. Called before all else."""
        return LatentActionModel(**network)

    def setup(self, stage: str) -> None:
        """Choose the anchors, and tell the network how often each action is among them."""
        super().setup(stage)
        if stage != "fit" or not self.network.anchored:
            return
        if not self.label_share:
            raise ConfigError("--model.anchored true needs labels: set --model.label_share, such as 0.025")
        self._anchors = find_anchors(parts_of(self.trainer).datamodule, self.label_share)
        self.network.anchor(self._anchors.counts, self._anchors.staying)
        if self.trainer.is_global_zero:
            print(f"latent_actions: anchored on {_told(self._anchors)}")

    def losses(self, batch: Batch) -> Losses:
        """Return the action model's losses on ``frames``."""
        return self.network.loss(batch["frames"], self._drawn() if self.training else None)

    def _drawn(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        if self._anchors is None:
            return None
        frames, actions = self._anchors.draw(NUM_ANCHORS)
        return frames_to_input(frames.to(self.device)), actions.to(self.device)

    def evaluation(self, batch: Batch) -> Losses:
        """Return the losses; of an anchored model also how often it reads true actions rightly."""
        losses = self.losses(batch)
        if self.network.anchored and "actions" in batch:
            true = batch["actions"][:, :-1]
            right = self.network.encode(batch["frames"])[true >= 0] == true[true >= 0]
            losses["accuracy"] = right.float().mean() if len(right) else losses["loss"].new_zeros(())
        return losses

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, torch.Tensor]:
        """Return the latent actions [B, T-1] between the frames of each clip."""
        return {"action_ids": self.network.encode(batch["frames"])}

    def checkpoint_meta(self) -> dict[str, Any]:
        """Add which recorded actions anchored it."""
        anchors = {} if self._anchors is None else {ANCHORS_KEY: self._anchors.to_plain()}
        return {**super().checkpoint_meta(), **anchors}


def check_share(share: float | None) -> None:
    """Raise a ConfigError unless a share of labels is None or from 0 to 1."""
    if share is not None and not 0 <= share <= 1:
        raise ConfigError(f"label_share is the share of recorded actions to know, 0 to 1, got {share:g}")


def _told(anchors: Anchors) -> str:
    counts = ", ".join(f"{name} {count}" for name, count in zip(anchors.names, anchors.counts, strict=True))
    stretches = sum(map(len, anchors.stretches.values()))
    return f"{anchors.counts.sum():,} recorded actions in {stretches} stretches of play ({counts})"
