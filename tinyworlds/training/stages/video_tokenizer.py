"""Stage 1: learn to write frames as few codes and to read them back."""

from __future__ import annotations

from typing import Any

import torch

from tinyworlds.models import VideoTokenizer
from tinyworlds.training.stages.base import Batch, Losses, Stage


class VideoTokenizerStage(Stage):
    """Trains a :class:`~tinyworlds.models.VideoTokenizer`.

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

    name = "video_tokenizer"

    def __init__(
        self,
        learning_rate: float = 1e-3,
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
            VideoTokenizer(**network),
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
        """Return the tokenizer's losses on ``frames``."""
        return self.network.loss(batch["frames"])

    @torch.no_grad()
    def evaluation(self, batch: Batch) -> Losses:
        """Return the losses and the PSNR of the reconstruction in dB."""
        frames = batch["frames"]
        rebuilt = self.network(frames).float().clamp(-1, 1)
        error = (rebuilt - frames).square().flatten(1).mean(1).clamp_min(1e-10)
        return {**self.losses(batch), "psnr": (10 * torch.log10(4 / error)).mean()}

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, torch.Tensor]:
        """Return code ids [B, T, P] and reconstructed frames [B, T, C, H, W] in [-1, 1]."""
        ids = self.network.encode(batch["frames"])
        return {"ids": ids, "frames": self.network.decode(ids).clamp(-1, 1)}
