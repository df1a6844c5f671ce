"""Stage 1: learn to write frames as few codes and to read them back."""

from __future__ import annotations

from typing import Any

import torch

from tinyworlds.data.dataset import Batch
from tinyworlds.metrics.frames import psnr
from tinyworlds.models import VideoTokenizer
from tinyworlds.training.settings import TrainingSettings, flat_training
from tinyworlds.training.stages.base import Losses, Stage


class VideoTokenizerStage(Stage):
    """Trains a :class:`~tinyworlds.models.VideoTokenizer`.

    Args:
        training: see :class:`~tinyworlds.training.settings.TrainingSettings`, given one by one.
        network: arguments of the network.
    """

    name = "video_tokenizer"
    network: VideoTokenizer
    picture_callbacks = ("ReconstructionAB",)

    @flat_training(learning_rate=1e-3)
    def __init__(self, training: TrainingSettings, **network: Any) -> None:
        super().__init__(self.build_network(**network), training)

    def build_network(self, **network: Any) -> VideoTokenizer:
        """Return the network; its arguments are settings of the stage. Called before all else."""
        return VideoTokenizer(**network)

    def losses(self, batch: Batch) -> Losses:
        """Return the tokenizer's losses on ``frames``."""
        return self.network.loss(batch["frames"])

    @torch.no_grad()
    def evaluation(self, batch: Batch) -> Losses:
        """Return the losses and the PSNR of the reconstruction in dB, a mean over frames as in the report."""
        frames = batch["frames"]
        rebuilt = self.network(frames).clamp(-1, 1)
        return {**self.losses(batch), "psnr": psnr(rebuilt, frames).mean()}

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, torch.Tensor]:
        """Return code ids [B, T, P] and reconstructed frames [B, T, C, H, W] in [-1, 1]."""
        ids = self.network.encode(batch["frames"])
        return {"ids": ids, "frames": self.network.decode(ids).clamp(-1, 1)}
