"""What a rollout gives back: generated frames beside the truth, apart from the frames that were given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class RolloutResult:
    """Generated frames beside the truth; context frames are kept apart and never count in a metric."""

    context: Tensor  # [B, context_frames, C, H, W] in [-1, 1], given
    prediction: Tensor  # [B, horizon, C, H, W] in [-1, 1], generated and clamped
    truth: Tensor  # [B, <= horizon, C, H, W]; shorter where the clip ended
    action_ids: Tensor | None  # [B, horizon] int64: the action that led to each generated frame
    raw_range: Tensor  # [horizon, 2] smallest and largest value before the clamp
    clamped_range: Tensor  # [horizon, 2] the same after it

    @property
    def repeated(self) -> Tensor:
        """The baseline of every comparison: the last given frame, repeated; shaped like `truth`."""
        return self.context[:, -1:].expand_as(self.truth)

    @property
    def counted(self) -> Tensor:
        """The generated frames that have a truth; shaped like `truth`."""
        return self.prediction[:, : self.truth.shape[1]]

    def first(self, count: int) -> RolloutResult:
        """The first `count` clips."""
        parts = {name: getattr(self, name) for name in ("context", "prediction", "truth", "action_ids")}
        return replace(self, **{name: None if part is None else part[:count] for name, part in parts.items()})

    def to(self, device: torch.device | str) -> RolloutResult:
        """The same on another device."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return RolloutResult(
            **{name: None if part is None else part.to(device) for name, part in parts.items()}
        )


def join_results(results: Sequence[RolloutResult]) -> RolloutResult:
    """The rollouts of several batches as one."""
    ranges = torch.stack([result.raw_range for result in results])  # [batches, horizon, 2]
    raw_range = torch.stack([ranges[..., 0].amin(0), ranges[..., 1].amax(0)], dim=1)
    actions = [result.action_ids for result in results if result.action_ids is not None]
    return RolloutResult(
        context=torch.cat([result.context for result in results]),
        prediction=torch.cat([result.prediction for result in results]),
        truth=torch.cat([result.truth for result in results]),
        action_ids=torch.cat(actions) if actions else None,
        raw_range=raw_range,
        clamped_range=raw_range.clamp(-1, 1),
    )
