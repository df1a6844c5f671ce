"""Measures a world on held-out clips: ``tinyworlds evaluate zelda.world``.

Everything is counted on frames the world had to make: context frames that were given never count. One value
a clip goes into each mean, so that the 95 % intervals are over clips.
:mod:`tinyworlds.evaluation.report` writes the figures down, :mod:`tinyworlds.evaluation.pictures` draws them.

What the figures are:

- one step: PSNR of the predicted next frame against that of repeating the last true frame, per frame, then
  averaged. "Pooled" averages the squared errors first, so that still frames, which repeating gets right to
  the last bit, do not outweigh all others.
- delta-t (Genie, arXiv 2402.15391, section 3): rollouts of t frames from one context, once with the actions
  inferred from the truth, once with random ones of those in use; the difference of the PSNR of frame t.
- horizon: PSNR of the 1st, 2nd, ... frame of a free rollout with inferred actions.
- NMI: normalised (arithmetic mean) mutual information of the latent actions with the true ones of the data.

Shapes: B batch, N clips, T frames, C channels, H W pixels.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from tinyworlds.data.held_out import Clips
from tinyworlds.errors import DataError
from tinyworlds.evaluation.report import Report
from tinyworlds.metrics import frames as metrics
from tinyworlds.metrics import usage
from tinyworlds.metrics.estimate import Estimate
from tinyworlds.models.maskgit import Sampling
from tinyworlds.nn.motion import motion_mask, temporal_median
from tinyworlds.world.action_source import true_actions
from tinyworlds.world.core import WorldCore
from tinyworlds.world.rollout import RolloutOptions, RolloutResult, join_results, open_loop

DELTA_T = 4  # as Genie reports it
ONE_STEP_FRAMES = 3  # places of each clip where the next frame is predicted from true ones


@dataclass(frozen=True)
class Evaluation:
    """A report, and the frames it was measured on, for whoever draws them."""

    report: Report
    clips: Clips
    reconstruction: Tensor  # [N, T', C, H, W] what the tokenizer makes of the clips, clamped
    rollout: RolloutResult  # free, with the clips' own actions


def evaluate_world(
    world: WorldCore,
    clips: Clips,
    *,
    horizon: int = 8,
    num_steps: int | None = None,
    batch_size: int = 16,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Evaluation:
    """Measure a world on clips it was not trained on.

    Args:
        world: a :class:`tinyworlds.world.core.WorldCore`.
        clips: held-out clips of context and horizon together, or longer.
        horizon: frames of the free rollouts.
        num_steps: decoding steps a frame; default as the world plays.
        batch_size: clips at a time.
        seed: of the random actions and of the bootstrap.
        progress: told the share done, 0 to 1.

    Raises:
        DataError: the clips are too few or too short.
    """
    needed = world.context_frames + horizon
    if clips.num_frames < needed or len(clips) < 2:
        raise DataError(
            f"An evaluation needs at least 2 held-out clips of {needed} frames; {clips.source} gave "
            f"{len(clips)} of {clips.num_frames}: use a longer file or a larger data.test_fraction."
        )
    started = time.perf_counter()
    sampling = replace(world.sampling, num_steps=num_steps or world.sampling.num_steps)
    judge = _Judge(world, horizon, sampling, seed)
    parts = []
    for start in range(0, len(clips), batch_size):
        parts.append(judge.batch(*clips.batch(start, batch_size, world.device)))
        if progress is not None:
            progress(min(start + batch_size, len(clips)) / len(clips))
    values = {name: torch.cat([part.values[name] for part in parts]) for name in parts[0].values}
    actions = judge.action_figures(clips, seed)
    report = Report(
        figures={**_figures(values), **actions.pop("figures")},
        horizon_psnr=values["rollout"].mean(0).tolist(),
        repeat_psnr=values["repeat"].mean(0).tolist(),
        horizon_gain=[metrics.estimate(step) for step in (values["rollout"] - values["repeat"]).unbind(1)],
        game=world.game,
        data=clips.source,
        settings={
            "num_clips": len(clips),
            "context_frames": world.context_frames,
            "horizon": horizon,
            "num_steps": sampling.num_steps,
            "schedule": sampling.schedule,
            "fps": clips.fps,
            "seed": seed,
            "actions": world.info.actions,
            "precision": "bf16" if world.bf16 else "32",
            "num_actions": world.num_actions,
        },
        seconds=time.perf_counter() - started,
        **actions,
    )
    return Evaluation(
        report,
        clips,
        torch.cat([p.reconstruction for p in parts]),
        join_results([part.rollout for part in parts]),
    )


@dataclass(frozen=True)
class _Part:
    values: dict[str, Tensor]  # per clip: [B] or [B, horizon]
    reconstruction: Tensor
    rollout: RolloutResult


class _Judge:
    """Runs one world over batches of clips and keeps the counts that need all of them."""

    def __init__(self, world: WorldCore, horizon: int, sampling: Sampling, seed: int) -> None:
        self.world, self.horizon = world, horizon
        self.kind = world.info.actions
        self.options = RolloutOptions(
            actions="none" if self.kind == "none" else "inferred",
            horizon=horizon,
            context_frames=world.context_frames,
            feedback=world.feedback,
            **asdict(sampling),
        )
        self.generator = torch.Generator(world.device).manual_seed(seed)
        self.codes = usage.CodePerplexity(world.tokenizer.num_codes).to(world.device)
        self.latent: list[Tensor] = []

    @torch.no_grad()
    def batch(self, frames: Tensor, labels: Tensor | None) -> _Part:
        """Measure clips [B, T, C, H, W] in [-1, 1] with their true actions [B, T], if there are any."""
        world, context, horizon = self.world, self.world.context_frames, self.horizon
        between = true_actions(
            world.latent_actions if self.kind == "latent" else None,
            frames,
            labels if self.kind == "labels" else None,
            world.dynamics.context_frames,
        )
        if self.kind == "latent":
            assert between is not None
            self.latent.append(between.cpu())
        rebuilt = self._reconstruct(frames)
        free = self._rollout(frames, between, self.options)
        one_step = self._one_step(frames, between, free)  # [B, n, C, H, W]
        span = slice(context, context + one_step.shape[1])
        before = frames[:, span.start - 1 : span.stop - 1]  # the true frame before each
        values = {
            "tokenizer_psnr": metrics.psnr(rebuilt, frames[:, : rebuilt.shape[1]]).mean(1),
            "tokenizer_ssim": metrics.ssim(rebuilt, frames[:, : rebuilt.shape[1]]).mean(1),
            "one_step_psnr": metrics.psnr(one_step, frames[:, span]).mean(1),
            "one_step_repeat": metrics.psnr(before, frames[:, span]).mean(1),
            "rollout": metrics.psnr(free.prediction, free.truth),
            "repeat": metrics.psnr(free.repeated, free.truth),
            "rollout_ssim": metrics.ssim(free.prediction, free.truth).mean(1),
            "one_step_errors": _errors(one_step, before, frames[:, span]),
            "last_step_errors": _errors(free.prediction[:, -1:], free.repeated[:, -1:], free.truth[:, -1:]),
            **self._motion(frames, rebuilt, one_step, free.prediction),
        }
        if between is not None and horizon >= DELTA_T:
            shorter = replace(self.options, horizon=DELTA_T)
            random = self._rollout(frames, self._other_actions(between), shorter).prediction[:, -1]
            truth = free.truth[:, DELTA_T - 1]
            inferred = free.prediction[:, DELTA_T - 1]
            values["delta_t_psnr"] = metrics.psnr(inferred, truth) - metrics.psnr(random, truth)
        values = {name: value.cpu() for name, value in values.items()}
        return _Part(values, rebuilt.cpu(), free.to("cpu"))

    def _rollout(self, frames: Tensor, between: Tensor | None, options: RolloutOptions) -> RolloutResult:
        world = self.world
        return open_loop(
            world.tokenizer,
            None,
            world.dynamics,
            frames,
            options,
            between,
            generator=self.generator,
            bf16=world.bf16,
        )

    def _other_actions(self, between: Tensor) -> Tensor:
        """The true actions [B, T-1] with those after the context drawn anew, uniformly from the ones in use.

        An action that never occurs leads to noise, and noise is no proof that the world listens.
        """
        used = between.unique()
        later = between[:, self.world.context_frames - 1 :]
        drawn = torch.randint(len(used), later.shape, generator=self.generator, device=self.generator.device)
        return torch.cat([between[:, : self.world.context_frames - 1], used[drawn.to(used.device)]], dim=1)

    def _one_step(self, frames: Tensor, between: Tensor | None, free: RolloutResult) -> Tensor:
        """Frames predicted from true ones, [B, n, C, H, W]; the first is that of the free rollout."""
        count = min(ONE_STEP_FRAMES, self.horizon) - 1
        if not count:
            return free.prediction[:, :1]
        later = None if between is None else between[:, 1:]
        options = replace(self.options, horizon=count, teacher_forced=True)
        forced = self._rollout(frames[:, 1:], later, options)
        return torch.cat([free.prediction[:, :1], forced.prediction], dim=1)

    def _reconstruct(self, frames: Tensor) -> Tensor:
        """Through the tokenizer and back; one that looks over time gets windows as long as in training."""
        tokenizer, length = self.world.tokenizer, frames.shape[1]
        window = 1 if tokenizer.per_frame else min(self.world.dynamics.context_frames, length)
        whole = frames[:, : length - length % window]
        ids = tokenizer.encode(rearrange(whole, "b (n t) c h w -> (b n) t c h w", t=window))
        self.codes.update(ids)
        return tokenizer.decode(ids).clamp(-1, 1).reshape_as(whole)  # [B, T', C, H, W]

    def _motion(self, frames: Tensor, rebuilt: Tensor, one_step: Tensor, free: Tensor) -> dict[str, Tensor]:
        """PSNR of what moves, and how far above the temporal median's; NaN where nothing moves."""
        mask, still = motion_mask(frames), temporal_median(frames)
        context = self.world.context_frames

        def gain(prediction: Tensor, start: int) -> tuple[Tensor, Tensor]:
            span = slice(start, start + prediction.shape[1])
            truth, moving = frames[:, span], mask[:, span]
            value = metrics.motion_psnr(prediction, truth, moving)
            return value, value - metrics.motion_psnr(still.expand_as(truth), truth, moving)

        values = {}
        for name, prediction, start in (
            ("tokenizer", rebuilt, 0),
            ("one_step", one_step, context),
            ("rollout", free, context),
        ):
            values[f"{name}_motion_psnr"], values[f"{name}_motion_gain"] = gain(prediction, start)
        return values

    def action_figures(self, clips: Clips, seed: int) -> dict[str, Any]:
        """What is known of codes and actions once all clips were seen."""
        figures = {"code_perplexity": _exact(float(self.codes.compute()))}
        if not self.latent:
            return {"figures": figures}
        latent, num_latent = torch.cat(self.latent), self.world.dynamics.num_actions
        used = usage.ActionUsage(num_latent)
        used.update(latent)
        figures["actions_used"] = _exact(float(used.compute()))
        told: dict[str, Any] = {"figures": figures, "action_shares": used.shares.tolist()}
        if clips.actions is None:
            return told
        true = clips.actions[:, : latent.shape[1]]
        num_true = max(int(true.max()) + 1, len(clips.action_names))
        tables = torch.stack(
            [usage.contingency(a, b, num_latent, num_true) for a, b in zip(latent, true, strict=True)]
        )
        figures["action_nmi"] = usage.bootstrap_nmi(tables, seed)
        told["confusion"] = tables.sum(0).long().tolist()
        names = [str(name) for name in clips.action_names]
        told["true_action_names"] = names + [f"action {i}" for i in range(len(names), num_true)]
        return told


def _figures(values: dict[str, Tensor]) -> dict[str, Estimate]:
    """One figure for each value a clip has; gains are differences within the clip."""
    gain = values["rollout"] - values["repeat"]
    one_value_a_clip = {
        **{name: value for name, value in values.items() if value.ndim == 1},
        "one_step_gain": values["one_step_psnr"] - values["one_step_repeat"],
        "rollout_psnr": values["rollout"].mean(1),
        "rollout_gain": gain.mean(1),
        "last_step_gain": gain[:, -1],
    }
    pooled = {
        f"{name}_gain_pooled": metrics.pooled_gain(*values[f"{name}_errors"].unbind(1))
        for name in ("one_step", "last_step")
    }
    return {**{name: metrics.estimate(value) for name, value in one_value_a_clip.items()}, **pooled}


def _errors(prediction: Tensor, baseline: Tensor, truth: Tensor) -> Tensor:
    """Squared errors of a prediction and of a baseline [B, n, C, H, W], a mean a clip: [B, 2]."""
    return torch.stack([metrics.mse(prediction, truth).mean(1), metrics.mse(baseline, truth).mean(1)], dim=1)


def _exact(value: float) -> Estimate:
    return Estimate(value, value, value, 0)
