"""How like the truth predicted frames are, clip by clip, and the figures made of it.

Shapes: N clips, n predicted frames of each, C channels, H W pixels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tinyworlds.metrics import frames as metrics
from tinyworlds.metrics.episodes import averaged, correlation, gain, over_episodes, pooled_psnr
from tinyworlds.metrics.estimate import Estimate

DELTA_T = 4  # as Genie reports it


@dataclass(frozen=True)
class Likeness:
    """Errors of predicted frames beside those of a baseline, in units of [0, 1]; on the CPU."""

    error: Tensor  # [N, n] mean squared error of each frame
    baseline: Tensor  # [N, n] that of repeating the last true frame that was given
    moving: Tensor  # [N, 3] summed over the pixels that move: error, baseline's error, how many they are
    sureness: Tensor  # [N, n] how sure the world was of each frame, see `tinyworlds.world.sureness`

    @classmethod
    def of(
        cls, prediction: Tensor, repeated: Tensor, truth: Tensor, mask: Tensor, sureness: Tensor
    ) -> Likeness:
        """Compare frames [N, n, C, H, W] in [-1, 1]; `mask` says which pixels [N, n, H, W] move."""
        moving = metrics.motion_errors(prediction, truth, mask)
        still = metrics.motion_errors(repeated, truth, mask)
        return cls(
            metrics.mse(prediction, truth).cpu(),
            metrics.mse(repeated, truth).cpu(),
            torch.stack([moving[:, 0], still[:, 0], moving[:, 1]], dim=1).cpu(),
            sureness.cpu(),
        )

    @classmethod
    def join(cls, parts: Sequence[Likeness]) -> Likeness:
        """Those of several batches as one."""
        names = ("error", "baseline", "moving", "sureness")
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


def likeness_figures(
    one_step: Mapping[str, Likeness], rollout: Mapping[str, Likeness], episodes: Tensor
) -> dict[str, Estimate]:
    """The figures of :data:`tinyworlds.evaluation.rows.PREDICTIONS`, by ``row_source``.

    Args:
        one_step: by where the actions come from, frames predicted each from true ones.
        rollout: likewise, frames of free rollouts.
        episodes: which episode each clip is from, integers [N].
    """
    found: dict[str, Estimate] = {}
    for source, step in one_step.items():
        free = rollout[source]
        repeated = _pooled(step.baseline, episodes)
        found |= {
            "one_step_psnr_repeat": repeated,
            f"one_step_psnr_{source}": _pooled(step.error, episodes),
            f"one_step_gain_pooled_{source}": _gain(step.error, step.baseline, episodes),
            f"one_step_gain_{source}": averaged(_frame_gain(step).mean(1), episodes),
            f"one_step_motion_gain_{source}": over_episodes(step.moving, episodes, gain),
            f"rollout_gain_pooled_{source}": _gain(free.error, free.baseline, episodes),
            f"rollout_motion_gain_{source}": over_episodes(free.moving, episodes, gain),
            f"last_step_gain_pooled_{source}": _gain(free.error[:, -1:], free.baseline[:, -1:], episodes),
        }
    return found | _above_random(one_step, rollout, episodes) | _sureness(one_step, rollout, episodes)


def _sureness(
    one_step: Mapping[str, Likeness], rollout: Mapping[str, Likeness], episodes: Tensor
) -> dict[str, Estimate]:
    """Whether less sureness goes with more error; nothing of a world that is equally sure of all frames."""
    found = {
        f"{row}_sureness_{source}": _rank_correlation(each.sureness, each.error, episodes)
        for row, likeness in (("one_step", one_step), ("rollout", rollout))
        for source, each in likeness.items()
    }
    return {row: figure for row, figure in found.items() if not math.isnan(figure.value)}


def _above_random(
    one_step: Mapping[str, Likeness], rollout: Mapping[str, Likeness], episodes: Tensor
) -> dict[str, Estimate]:
    """What it brings to be told the action: nothing, if the world does not listen."""
    found: dict[str, Estimate] = {}
    for source in one_step.keys() - {"random"} if "random" in one_step else ():
        free, chance = rollout[source].error, rollout["random"].error
        step, step_chance = one_step[source].error, one_step["random"].error
        found[f"one_step_above_random_{source}"] = _gain(step, step_chance, episodes)
        found[f"last_step_above_random_{source}"] = _gain(free[:, -1:], chance[:, -1:], episodes)
        if free.shape[1] >= DELTA_T:
            told, untold = (metrics.mse_to_psnr(error[:, DELTA_T - 1]) for error in (free, chance))
            found[f"delta_t_psnr_{source}"] = averaged(told - untold, episodes)
    return found


def by_frame(rollout: Likeness, episodes: Tensor) -> tuple[list[float], list[Estimate]]:
    """Pooled PSNR of the 1st, 2nd, ... frame of a rollout, and how far above repeating."""
    columns = list(zip(rollout.error.split(1, dim=1), rollout.baseline.split(1, dim=1), strict=True))
    values = [_pooled(error, episodes).value for error, _ in columns]
    return values, [_gain(error, baseline, episodes) for error, baseline in columns]


def _frame_gain(found: Likeness) -> Tensor:
    return metrics.mse_to_psnr(found.error) - metrics.mse_to_psnr(found.baseline)  # [N, n]


def _pooled(error: Tensor, episodes: Tensor) -> Estimate:
    return over_episodes(_summed(error), episodes, pooled_psnr)


def _gain(error: Tensor, baseline: Tensor, episodes: Tensor) -> Estimate:
    return over_episodes(_summed(error, baseline), episodes, gain)


def _rank_correlation(one: Tensor, other: Tensor, episodes: Tensor) -> Estimate:
    """Spearman's, over all frames [N, n] together."""
    x, y = (_ranks(values.flatten()).view_as(values) for values in (one, other))
    return over_episodes(_summed(x, y, x * x, y * y, x * y), episodes, correlation)


def _ranks(values: Tensor) -> Tensor:
    """Ranks [N] of values, around 0; equal ones share theirs."""
    _, group, counts = values.unique(return_inverse=True, return_counts=True)
    ends = counts.cumsum(0).double()
    return ((ends - (counts - 1) / 2)[group] - (len(values) + 1) / 2) / len(values)


def _summed(*errors: Tensor) -> Tensor:
    """Sums over the frames of each clip, and their number: [N, n] each -> [N, k + 1]."""
    counts = errors[0].new_full((len(errors[0]),), float(errors[0].shape[1]))
    return torch.stack([*(error.sum(1) for error in errors), counts], dim=1)
