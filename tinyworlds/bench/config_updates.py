"""What `tinyworlds bench hours` asks of updates besides their time: operations, and the largest batch."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from callbacks.find_batch_size import give_back, is_full_memory, largest, limited
from tinyworlds.fit.updates import Work, batch_of, update_of
from tinyworlds.nn.kernels.loading import without_kernels
from tinyworlds.training.stages import Stage

MOST_CLIPS = 4096
"""No larger batch is looked for."""


def flops_of(stage: Stage, work: Work) -> int:
    """Multiplications and additions in matrix products of one clip's loss and its gradient."""
    written_out = sdpa_kernel(SDPBackend.MATH)  # the CPU's fused attention is not counted
    with without_kernels(), written_out, FlopCounterMode(display=False) as counter:
        network: Any = deepcopy(stage.network).to(stage.device)  # moved: it chooses kernels anew
        network.loss(*batch_of(stage, work, 1))["loss"].backward()
    return int(counter.get_total_flops())


def largest_batch(stage: Stage, work: Work, bf16: bool) -> int:
    """The most clips, up to `MOST_CLIPS`, whose update fits into the memory of the device."""

    def fits(count: int) -> bool:
        try:
            update = update_of(stage, work, count, bf16=bf16)
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
        return max(1, largest(fits, work.batch, MOST_CLIPS))
