"""Updates of a stage as settings of ``tinyworlds fit`` ask for them, on clips that are made up.

An update is losses and gradients of its batches, clipping at norm 1 and an optimizer step, without reading,
logging and validation. Dynamics are given codes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from jsonargparse import Namespace
from torch import Tensor, nn

from tinyworlds.fit.config_reading import build_stage, read_settings
from tinyworlds.training.optim import build_optimizer
from tinyworlds.training.stages import Stage

MAX_NORM = 1.0
"""Gradients are clipped at this norm."""


@dataclass(frozen=True)
class Work:
    """What settings ask for: `updates`, each of `accumulate` batches of `batch` clips."""

    updates: int
    batch: int
    accumulate: int
    num_frames: int
    frame_size: int

    @property
    def clips(self) -> int:
        """Clips of an update."""
        return self.batch * self.accumulate


def planned(words: Sequence[str]) -> tuple[Work, Stage]:
    """The work and the fresh stage, on the CPU, of ``tinyworlds fit WORDS``."""
    return built(read_settings(words))


def built(settings: Namespace) -> tuple[Work, Stage]:
    """The work that settings ask for, and the fresh stage, on the CPU."""
    trainer, data = settings.trainer, settings.data
    work = Work(
        trainer.max_steps, data.batch_size, trainer.accumulate_grad_batches, data.num_frames, data.frame_size
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return work, build_stage(settings).train()


def batch_of(stage: Stage, work: Work, count: int) -> tuple[Tensor, ...]:
    """What the stage's loss takes: frames of noise, or for dynamics random codes and actions."""
    network: Any = stage.network
    length = work.num_frames
    if stage.name != "dynamics":
        size = work.frame_size
        return (torch.rand(count, length, 3, size, size).mul_(2).sub_(1).to(stage.device),)
    ids = torch.randint(network.mask_id, (count, length, network.num_patches))
    return ids.to(stage.device), torch.randint(network.num_actions, (count, length - 1)).to(stage.device)


def update_of(
    stage: Stage, work: Work, batch: int, accumulate: int = 1, bf16: bool = False
) -> Callable[[], None]:
    """One update of `accumulate` batches of `batch` clips; the optimizer is the settings'."""
    network: Any = stage.network
    given, parameters = batch_of(stage, work, batch), list(network.parameters())
    own = stage.settings
    optimizer = build_optimizer(network, own.optimizer, own.learning_rate, own.weight_decay, own.beta2)

    def update() -> None:
        optimizer.zero_grad()
        for _ in range(accumulate):
            with torch.autocast(stage.device.type, torch.bfloat16) if bf16 else nullcontext():
                loss = network.loss(*given)["loss"] / accumulate
            loss.backward()
        nn.utils.clip_grad_norm_(parameters, MAX_NORM)
        optimizer.step()

    return update


def affordable(stage: Stage, work: Work, seconds: float) -> tuple[int, int]:
    """Batch and accumulation that take at most `seconds`, judged by one clip; the settings' if they do."""
    update = update_of(stage, work, 1)
    update()
    begun = time.perf_counter()
    update()
    in_time = int(seconds / max(time.perf_counter() - begun, 1e-9))
    if in_time >= work.batch:
        return work.batch, min(work.accumulate, in_time // work.batch)
    return max(1, in_time), 1
