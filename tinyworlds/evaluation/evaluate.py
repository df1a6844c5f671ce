"""Measures a world on held-out clips: ``tinyworlds evaluate zelda.world``.

Everything is counted on frames the world had to make: context frames that were given never count. What each
figure is stands in docs/evaluation.md. :mod:`tinyworlds.evaluation.sources` says where actions come from,
:mod:`tinyworlds.evaluation.likeness` makes figures of errors, :mod:`tinyworlds.evaluation.report` writes them
down, :mod:`tinyworlds.evaluation.pictures` draws.

Shapes: B batch, N clips, T frames, C channels, H W pixels.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from tinyworlds.data.held_out import Clips
from tinyworlds.errors import DataError
from tinyworlds.evaluation.likeness import Likeness, by_frame, likeness_figures
from tinyworlds.evaluation.report import Report
from tinyworlds.evaluation.sources import Actions, actions_of, true_names
from tinyworlds.metrics import frames as metrics
from tinyworlds.metrics import usage
from tinyworlds.metrics.episodes import averaged, over_episodes, pooled_psnr
from tinyworlds.metrics.estimate import Estimate
from tinyworlds.models.maskgit import Sampling
from tinyworlds.models.registry import INFERRED
from tinyworlds.nn.motion import motion_mask
from tinyworlds.world.core import WorldCore
from tinyworlds.world.rollout import RolloutOptions, RolloutResult, join_results, open_loop

ONE_STEP_FRAMES = 3  # places of each clip where the next frame is predicted from true ones


@dataclass(frozen=True)
class Evaluation:
    """A report, and the frames it was measured on, for whoever draws them."""

    report: Report
    clips: Clips = field(repr=False)
    reconstruction: Tensor = field(repr=False)  # [N, T', C, H, W] the clips through the tokenizer, clamped
    rollout: RolloutResult = field(repr=False)  # free, with the actions of `report.headline`


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
        seed: of the random actions.
        progress: told the share done, 0 to 1.

    Raises:
        DataError: the clips are too few or too short, or lack the actions that the world plays by.
    """
    needed = world.context_frames + horizon
    if clips.num_frames < needed or len(clips) < 2:
        raise DataError(
            f"An evaluation needs at least 2 held-out clips of {needed} frames; {clips.source} gave "
            f"{len(clips)} of {clips.num_frames}: use a longer file or a larger data.test_fraction."
        )
    started = time.perf_counter()
    sampling = replace(world.sampling, num_steps=num_steps or world.sampling.num_steps)
    actions = actions_of(world, clips, batch_size, seed)
    judge = _Judge(world, actions, horizon, sampling, seed)
    parts = []
    for start in range(0, len(clips), batch_size):
        frames, _ = clips.batch(start, batch_size, world.device)
        parts.append(judge.batch(frames, slice(start, start + batch_size)))
        if progress is not None:
            progress(min(start + batch_size, len(clips)) / len(clips))
    one_step, rollout = ({source: Likeness.join([getattr(part, name)[source] for part in parts])
                          for source in actions.by_source} for name in ("one_step", "rollout"))  # fmt: skip
    curves = {source: by_frame(found, clips.episodes) for source, found in rollout.items()}
    of_actions = _action_figures(world, actions, clips)
    ssim = {
        source: torch.cat([part.rollout_ssim[source] for part in parts]) for source in parts[0].rollout_ssim
    }
    figures = {
        **_tokenizer_figures(parts, clips.episodes),
        "code_perplexity": Estimate.exact(float(judge.codes.compute())),
        **of_actions.pop("figures"),
        **likeness_figures(one_step, rollout, clips.episodes),
        **{f"rollout_ssim_{source}": averaged(values, clips.episodes) for source, values in ssim.items()},
    }
    report = Report(
        figures=figures,
        headline=actions.headline,
        num_clips=len(clips),
        num_episodes=len(clips.episodes.unique()),
        repeat_psnr=metrics.mse_to_psnr(rollout[actions.headline].baseline.mean(0)).tolist(),
        horizon_psnr={source: values for source, (values, _) in curves.items()},
        horizon_gain={source: gains for source, (_, gains) in curves.items()},
        game=world.game,
        data=clips.source,
        settings={
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
        **of_actions,
        pressed_as=dict(actions.pressed_as),
    )
    return Evaluation(
        report,
        clips,
        torch.cat([p.reconstruction for p in parts]),
        join_results([part.shown for part in parts]),
    )


@dataclass(frozen=True)
class _Part:
    tokenizer: Tensor  # [B, 5] a clip's PSNR, SSIM (means over frames); moving pixels: error, number
    reconstruction: Tensor
    one_step: dict[str, Likeness]  # by source of actions
    rollout: dict[str, Likeness]
    rollout_ssim: dict[str, Tensor]  # [B] a clip's mean over frames; "repeat" is the baseline
    shown: RolloutResult


class _Judge:
    """Runs one world over batches of clips, with actions from every source, and counts its codes."""

    def __init__(
        self, world: WorldCore, actions: Actions, horizon: int, sampling: Sampling, seed: int
    ) -> None:
        self.world, self.actions, self.horizon = world, actions, horizon
        self.options = RolloutOptions(
            actions="none" if actions.given is None else "inferred",  # that is, those it is handed
            horizon=horizon,
            context_frames=world.context_frames,
            feedback=world.feedback,
            **asdict(sampling),
        )
        self.generator = torch.Generator(world.device).manual_seed(seed)
        self.codes = usage.CodePerplexity(world.tokenizer.num_codes).to(world.device)

    @torch.no_grad()
    def batch(self, frames: Tensor, clips: slice) -> _Part:
        """Measure the clips of numbers `clips`, whose frames are [B, T, C, H, W] in [-1, 1]."""
        context, mask = self.world.context_frames, motion_mask(frames)
        rebuilt = self._reconstruct(frames)
        whole, moves = frames[:, : rebuilt.shape[1]], mask[:, : rebuilt.shape[1]]
        kept = [metrics.psnr(rebuilt, whole).mean(1), metrics.ssim(rebuilt, whole).mean(1)]
        one_step, rollout, likeness, free = {}, {}, {}, {}
        for source in self.actions.by_source:
            free[source] = self._rollout(frames, source, clips, 0, self.horizon)
            predicted, sure = self._one_step(frames, source, clips, free[source])
            span = slice(context, context + predicted.shape[1])
            before = frames[:, span.start - 1 : span.stop - 1]  # the true frame before each
            one_step[source] = Likeness.of(predicted, before, frames[:, span], mask[:, span], sure)
            span = slice(context, context + self.horizon)
            dreamt, held, sure = free[source].prediction, free[source].repeated, free[source].sureness
            rollout[source] = Likeness.of(dreamt, held, free[source].truth, mask[:, span], sure)
            likeness[source] = metrics.ssim(dreamt, free[source].truth).mean(1).cpu()
        likeness["repeat"] = metrics.ssim(held, free[source].truth).mean(1).cpu()
        return _Part(
            torch.cat([torch.stack(kept, dim=1), metrics.motion_errors(rebuilt, whole, moves)], dim=1).cpu(),
            rebuilt.cpu(),
            one_step,
            rollout,
            likeness,
            free[self.actions.headline].to("cpu"),
        )

    def _rollout(
        self, frames: Tensor, source: str, clips: slice, skipped: int, horizon: int
    ) -> RolloutResult:
        """Dream on after the context that begins at frame `skipped`, with the actions of one source."""
        world = self.world
        first = skipped + world.context_frames - 1  # the action that leads to the first predicted frame
        between = self.actions.leading_to(source, first, clips)
        return open_loop(
            world.tokenizer,
            None,
            world.dynamics,
            frames[:, skipped:],
            replace(self.options, horizon=horizon),
            None if between is None else between[:, skipped:].to(frames.device),
            generator=self.generator,
            bf16=world.bf16,
        )

    def _one_step(
        self, frames: Tensor, source: str, clips: slice, free: RolloutResult
    ) -> tuple[Tensor, Tensor]:
        """Frames predicted each from true ones, [B, n, C, H, W], and how surely, [B, n].

        The first is that of the free rollout.
        """
        places = range(1, min(ONE_STEP_FRAMES, self.horizon))
        found = [free, *(self._rollout(frames, source, clips, place, 1) for place in places)]
        predicted = torch.cat([each.prediction[:, :1] for each in found], dim=1)
        return predicted, torch.cat([each.sureness[:, :1] for each in found], dim=1)

    def _reconstruct(self, frames: Tensor) -> Tensor:
        """Through the tokenizer and back; one that looks over time gets windows as long as in training."""
        tokenizer, length = self.world.tokenizer, frames.shape[1]
        window = 1 if tokenizer.per_frame else min(self.world.dynamics.context_frames, length)
        whole = frames[:, : length - length % window]
        ids = tokenizer.encode(rearrange(whole, "b (n t) c h w -> (b n) t c h w", t=window))
        self.codes.update(ids)
        return tokenizer.decode(ids).clamp(-1, 1).reshape_as(whole)  # [B, T', C, H, W]


def _tokenizer_figures(parts: Sequence[_Part], episodes: Tensor) -> dict[str, Estimate]:
    found = torch.cat([part.tokenizer for part in parts])
    return {
        "tokenizer_psnr": averaged(found[:, 0], episodes),
        "tokenizer_ssim": averaged(found[:, 1], episodes),
        "tokenizer_motion_psnr": over_episodes(found[:, 2:], episodes, pooled_psnr),
    }


def _action_figures(world: WorldCore, actions: Actions, clips: Clips) -> dict[str, Any]:
    """What inferred actions are used, and what they tell of the true ones; arguments of the report."""
    if world.info.actions not in INFERRED:
        return {"figures": {}}
    latent, num_latent = actions.by_source["inferred"], world.dynamics.num_actions
    assert latent is not None
    used = usage.ActionUsage(num_latent)
    used.update(latent)
    figures = {"actions_used": Estimate.exact(float(used.compute()))}
    told: dict[str, Any] = {"figures": figures, "action_shares": used.shares.tolist()}
    if clips.actions is None:
        return told
    true = clips.actions[:, : latent.shape[1]]
    names = true_names(world, clips)
    tables = torch.stack(
        [usage.contingency(a, b, num_latent, len(names)) for a, b in zip(latent, true, strict=True)]
    )
    found = over_episodes(tables, clips.episodes, usage.table_nmi)
    if found.has_interval:
        found = replace(found, low=max(found.low, 0.0), high=min(found.high, 1.0))
    figures["action_nmi"] = found
    told["confusion"] = tables.sum(0).long().tolist()
    told["true_action_names"] = list(names)
    return told
