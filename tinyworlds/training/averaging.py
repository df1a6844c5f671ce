"""Averaged weights, kept where the network is trained."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import EMAWeightAveraging


class AveragedWeights(EMAWeightAveraging):
    """Lightning's average of weights, validated and saved in place of the trained ones, without its waits.

    Lightning builds the average before the network is on its device, so with a GPU every update would copy
    all weights to main memory, and asks a tensor on the device how many it has averaged. It averages buffers
    too and rounds whole numbers down: powers of 3, the digits of codes, came out wrong. Here buffers are
    copied. Checkpoints are the same.

    Args:
        decay: share of the average that stays at an update.
        device: where the network is trained.
    """

    def __init__(self, decay: float, device: torch.device) -> None:
        super().__init__(device=device, use_buffers=False, decay=decay)
        self.decay = decay

    @property
    def state_key(self) -> str:
        """Lightning's, whose checkpoints go on."""
        return EMAWeightAveraging.__qualname__

    @torch.no_grad()
    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Average after each optimizer step; the first one replaces what the network began with."""
        average, step = self._average_model, trainer.global_step
        if average is None or step <= self._latest_update_step:
            return
        weight = 1 - self.decay if self._latest_update_step else 1.0
        torch._foreach_lerp_([*average.module.parameters()], [*pl_module.parameters()], weight)
        for kept, current in zip(average.module.buffers(), pl_module.buffers(), strict=True):
            kept.copy_(current)
        average.n_averaged += 1
        self._latest_update_step = step
