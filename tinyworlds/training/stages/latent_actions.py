"""Stage 2: find the actions nobody labelled, as what best explains the next frame."""

from __future__ import annotations

from typing import Any

import torch

from tinyworlds.data.dataset import Batch
from tinyworlds.models import LatentActionModel
from tinyworlds.training.settings import TrainingSettings, flat_training
from tinyworlds.training.stages.base import Losses, Stage


class LatentActionsStage(Stage):
    """Trains a :class:`~tinyworlds.models.LatentActionModel`.

    Args:
        training: see :class:`~tinyworlds.training.settings.TrainingSettings`, given one by one.
        network: arguments of the network.
    """

    name = "latent_actions"
    network: LatentActionModel

    @flat_training(learning_rate=1e-4)
    def __init__(self, training: TrainingSettings, **network: Any) -> None:
        super().__init__(LatentActionModel(**network), training)

    def losses(self, batch: Batch) -> Losses:
        """Return the action model's losses on ``frames``."""
        return self.network.loss(batch["frames"])

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, torch.Tensor]:
        """Return the latent actions [B, T-1] between the frames of each clip."""
        return {"action_ids": self.network.encode(batch["frames"])}
