"""Stage 2: find the actions nobody labelled, as what best explains the next frame."""

from __future__ import annotations

from typing import Any

import torch

from tinyworlds.models import LatentActionModel
from tinyworlds.training.stages.base import Batch, Losses, Stage


class LatentActionsStage(Stage):
    """Trains a :class:`~tinyworlds.models.LatentActionModel`.

    Args:
        learning_rate: peak learning rate.
        weight_decay: on weight matrices; biases and norms have none.
        warmup_fraction: share of training in which the learning rate rises from 0.
        final_fraction: learning rate at the end, as a share of the peak.
        optimizer: "adamw" or "muon".
        beta2: AdamW's decay of squared gradients; 0.95 learns faster in runs of a few hundred updates.
        ema_decay: decay of the averaged weights that are validated and saved; 0 switches averaging off.
        compile: compile the parts of the network with torch.compile.
        network: arguments of the network.
    """

    name = "latent_actions"

    def __init__(
        self,
        learning_rate: float = 1e-4,
        weight_decay: float = 0.01,
        warmup_fraction: float = 0.05,
        final_fraction: float = 0.01,
        optimizer: str = "adamw",
        beta2: float = 0.999,
        ema_decay: float = 0.0,
        compile: bool = False,
        **network: Any,
    ) -> None:
        super().__init__(
            LatentActionModel(**network),
            learning_rate,
            weight_decay,
            warmup_fraction,
            final_fraction,
            optimizer,
            beta2,
            ema_decay,
            compile,
        )
        self.save_hyperparameters()

    def losses(self, batch: Batch) -> Losses:
        """Return the action model's losses on ``frames``."""
        return self.network.loss(batch["frames"])

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, torch.Tensor]:
        """Return the latent actions [B, T-1] between the frames of each clip."""
        return {"action_ids": self.network.encode(batch["frames"])}
