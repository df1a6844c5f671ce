"""Updates of a stage as a config of ``tinyworlds fit`` asks for them, on clips that are made up.

An update is losses and gradients of its batches, clipping at norm 1 and an optimizer step, without reading,
logging and validation. Dynamics are given codes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from callbacks.find_batch_size import give_back, is_full_memory, largest, limited
from tinyworlds.bench.sizes import Size, clips
from tinyworlds.bench.training import MAX_NORM
from tinyworlds.fit.config_reading import build_stage, read_settings
from tinyworlds.nn.kernels.loading import without_kernels
from tinyworlds.training.optim import build_optimizer
from tinyworlds.training.stages import Stage

MOST_CLIPS = 4096
"""No larger batch is looked for."""


@dataclass(frozen=True)
class Plan:
    """What a config asks for: `updates`, each of `accumulate` batches of `batch` clips."""

    updates: int
    batch: int
    accumulate: int
    num_frames: int
    frame_size: int

    @property
    def clips(self) -> int:
        """Clips of an update."""
        return self.batch * self.accumulate


def planned(words: Sequence[str]) -> tuple[Plan, Stage]:
    """The plan and the fresh stage, on the CPU, of ``tinyworlds fit WORDS``."""
    settings = read_settings(words)
    trainer, data = settings.trainer, settings.data
    plan = Plan(
        trainer.max_steps, data.batch_size, trainer.accumulate_grad_batches, data.num_frames, data.frame_size
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return plan, build_stage(settings).train()


def batch_of(stage: Stage, plan: Plan, count: int) -> tuple[Tensor, ...]:
    """What the stage's loss takes: moving frames, or for dynamics random codes and actions."""
    if stage.name != "dynamics":
        size = Size("plan", plan.frame_size, context_frames=plan.num_frames)
        return (clips(size, count).to(stage.device),)
    network: Any = stage.network
    length = plan.num_frames
    ids = torch.randint(network.mask_id, (count, length, network.num_patches))
    return ids.to(stage.device), torch.randint(network.num_actions, (count, length - 1)).to(stage.device)


def update_of(
    stage: Stage, plan: Plan, batch: int, accumulate: int = 1, bf16: bool = False
) -> Callable[[], None]:
    """One update of `accumulate` batches of `batch` clips; the optimizer is the config's."""
    network: Any = stage.network
    given, parameters = batch_of(stage, plan, batch), list(network.parameters())
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


def flops_of(stage: Stage, plan: Plan) -> int:
    """Multiplications and additions in matrix products of one clip's loss and its gradient."""
    written_out = sdpa_kernel(SDPBackend.MATH)  # the CPU's fused attention is not counted
    with without_kernels(), written_out, FlopCounterMode(display=False) as counter:
        network: Any = deepcopy(stage.network).to(stage.device)  # moved: it chooses kernels anew
        network.loss(*batch_of(stage, plan, 1))["loss"].backward()
    return int(counter.get_total_flops())


def affordable(stage: Stage, plan: Plan, seconds: float) -> tuple[int, int]:
    """Batch and accumulation that take at most `seconds`, judged by one clip; the plan's if they do."""
    update = update_of(stage, plan, 1)
    update()
    begun = time.perf_counter()
    update()
    in_time = int(seconds / max(time.perf_counter() - begun, 1e-9))
    if in_time >= plan.batch:
        return plan.batch, min(plan.accumulate, in_time // plan.batch)
    return max(1, in_time), 1


def largest_batch(stage: Stage, plan: Plan, bf16: bool) -> int:
    """The most clips, up to `MOST_CLIPS`, whose update fits into the memory of the device."""

    def fits(count: int) -> bool:
        try:
            update = update_of(stage, plan, count, bf16=bf16)
            update()
            update()
            return True
        except RuntimeError as error:
            if not is_full_memory(error):
                raise
        finally:
            stage.network.zero_grad()
        give_back(stage.device)
        return False

    with limited(stage.device):
        return max(1, largest(fits, plan.batch, MOST_CLIPS))
