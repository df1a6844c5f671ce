"""Threads that follow what the cores give while training on a CPU."""

from __future__ import annotations

import time
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from tinyworlds.training.thread_choice import ThreadChoice


class FollowCores(Callback):
    """Sets PyTorch's threads to as many as train fastest beside other programs, at most those at the start.

    On a GPU, and where several processes train together, it does nothing. Other numbers of threads add up
    floats in another order; nothing else depends on them.
    """

    def __init__(self) -> None:
        self._choice: ThreadChoice | None = None
        self._began = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin with the threads there are."""
        alone = pl_module.device.type == "cpu" and trainer.world_size == 1
        most = torch.get_num_threads()
        self._choice = ThreadChoice(most) if alone and most > 1 else None

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Set the threads."""
        if self._choice is None:
            return
        if torch.get_num_threads() != self._choice.num_threads:
            torch.set_num_threads(self._choice.num_threads)
        self._began = time.perf_counter()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Note what the batch took."""
        if self._choice is not None:
            self._choice.note(time.perf_counter() - self._began)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the threads as they were."""
        self._leave()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leave the threads as they were."""
        self._leave()

    def _leave(self) -> None:
        if self._choice is not None:
            torch.set_num_threads(self._choice.most)
            self._choice = None
