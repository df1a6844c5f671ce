"""How fast training runs, and how much GPU memory it takes."""

from __future__ import annotations

import time
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from tinyworlds.training.trainer_parts import parts_of


class Throughput(Callback):
    """Logs samples and updates a second and, on a GPU, the peak of its memory, as ``throughput/*``.

    Counted between two logged steps over all processes; time spent in validation is left out.
    """

    def __init__(self) -> None:
        self._since = self._paused_at = 0.0
        self._samples, self._first_step = 0, 0

    def _restart(self, trainer: Trainer) -> None:
        self._since, self._samples, self._first_step = time.perf_counter(), 0, trainer.global_step

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._restart(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock."""
        self._paused_at = time.perf_counter()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on with the clock."""
        self._since += time.perf_counter() - self._paused_at

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count, and log when the trainer logs."""
        self._samples += len(next(iter(batch.values()))) * trainer.world_size
        updates = trainer.global_step - self._first_step
        if updates < 1 or trainer.global_step % parts_of(trainer).log_every_n_steps:
            return
        seconds = max(time.perf_counter() - self._since, 1e-9)
        values = {
            "throughput/samples_per_s": self._samples / seconds,
            "throughput/updates_per_s": updates / seconds,
        }
        if pl_module.device.type == "cuda":
            values["throughput/gpu_memory_gb"] = torch.cuda.max_memory_allocated(pl_module.device) / 2**30
        pl_module.log_dict({name: float(value) for name, value in values.items()}, batch_size=1)
        self._restart(trainer)
