"""Open-loop rollouts: true context frames in, generated frames out, batched over clips.

Used by ``tinyworlds predict``, the pictures while training and the report. It knows networks and tensors;
files, windows and metrics are others' business. :class:`RolloutResult` keeps generated frames apart from the
context frames that were given, so that these never count.

Action t leads from frame t to frame t+1. The context's own actions are always the true ones (inferred or
labelled); `actions` says where those of the generated frames come from.

Shapes: B batch, T frames, P patches, C channels, H W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tinyworlds.errors import ConfigError
from tinyworlds.models.maskgit import Sampling
from tinyworlds.world.action_source import ActionSource, Prompt, listed_actions, true_actions
from tinyworlds.world.dream import Dream, Feedback, check_feedback
from tinyworlds.world.networks import ActionModel, Tokenizer, WorldDynamics


@dataclass(frozen=True)
class RolloutOptions:
    """What a rollout generates; ``tinyworlds predict`` takes each as an option.

    Args:
        actions: ``inferred`` from the true clip, that is from the frames that are predicted (or its labels,
            for a world trained on labels), ``random``, ``none`` (unconditioned), ``ask`` (typed, one step at
            a time), or a list such as ``0,1,1`` whose last entry is held.
        horizon: Frames to generate after the context.
        context_frames: True frames given before the first generated one; default as the dynamics was trained.
        num_steps: MaskGIT decoding steps for each frame.
        temperature: 0 takes the most likely code; higher samples.
        top_k: Sample among the k most likely codes only.
        top_p: Sample among the likeliest codes that hold this much probability only.
        schedule: How many codes each decoding step reveals: one of `models.maskgit.SCHEDULES`.
        teacher_forced: Give the true frames before each generated one instead of the generated ones.
        feedback: ``codes`` keeps the generated codes as context; ``pixels`` encodes the generated, clamped
            frames again at each step, as the original program did; ``memory`` is faster and drifts.
        num_clips: Clips to generate and to show.
        seed: Of the sampling and of random actions.
        out: Folder for the pictures, the clip and metrics.json; by default below the run's folder.
    """

    actions: str = "inferred"
    horizon: int = 8
    context_frames: int | None = None
    num_steps: int = 10
    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None
    schedule: str = "exponential"
    teacher_forced: bool = False
    feedback: Feedback = "codes"
    num_clips: int = 8
    seed: int = 0
    out: str | None = None

    def __post_init__(self) -> None:
        for name in ("horizon", "context_frames", "num_steps", "num_clips"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, got {value}.")
        _ = self.sampling  # checks its own
        check_feedback(self.feedback)
        listed_actions(self.actions)
        if self.teacher_forced and self.actions == "ask":
            raise ConfigError("actions='ask' types one step at a time; it excludes teacher_forced=True.")

    @property
    def sampling(self) -> Sampling:
        """How frames are decoded."""
        return Sampling(self.num_steps, self.temperature, self.top_k, self.top_p, self.schedule)

    def num_frames(self, dynamics: WorldDynamics) -> int:
        """Frames a clip must have for every generated frame to have its truth."""
        return self.num_given(dynamics) + self.horizon

    def num_given(self, dynamics: WorldDynamics) -> int:
        """True frames given before the first generated one."""
        return self.context_frames or dynamics.num_past


@dataclass(frozen=True)
class RolloutResult:
    """Generated frames beside the truth; context frames are kept apart and never count in a metric."""

    context: Tensor  # [B, context_frames, C, H, W] in [-1, 1], given
    prediction: Tensor  # [B, horizon, C, H, W] in [-1, 1], generated and clamped
    truth: Tensor  # [B, <= horizon, C, H, W]; shorter where the clip ended
    action_ids: Tensor | None  # [B, horizon] int64: the action that led to each generated frame
    sureness: Tensor  # [B, horizon] of each generated frame, see `tinyworlds.world.sureness`
    raw_range: Tensor  # [horizon, 2] smallest and largest value before the clamp
    clamped_range: Tensor  # [horizon, 2] the same after it

    def __repr__(self) -> str:
        batch, given = self.context.shape[:2]
        return f"RolloutResult of {batch} clips: {given} frames given, {self.prediction.shape[1]} generated"

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
        return replace(
            self,
            context=self.context[:count],
            prediction=self.prediction[:count],
            truth=self.truth[:count],
            action_ids=None if self.action_ids is None else self.action_ids[:count],
            sureness=self.sureness[:count],
        )

    def to(self, device: torch.device | str) -> RolloutResult:
        """The same on another device."""
        actions = None if self.action_ids is None else self.action_ids.to(device)
        names = ("context", "prediction", "truth", "sureness", "raw_range", "clamped_range")
        return replace(self, action_ids=actions, **{name: getattr(self, name).to(device) for name in names})


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
        sureness=torch.cat([result.sureness for result in results]),
        raw_range=raw_range,
        clamped_range=raw_range.clamp(-1, 1),
    )


@torch.no_grad()
def open_loop(
    tokenizer: Tokenizer,
    action_model: ActionModel | None,
    dynamics: WorldDynamics,
    frames: Tensor,
    options: RolloutOptions,
    action_ids: Tensor | None = None,
    *,
    generator: torch.Generator | None = None,
    bf16: bool = False,
    prompt: Prompt = input,
) -> RolloutResult:
    """Generate `options.horizon` frames after the first `options.context_frames` of every clip.

    Args:
        tokenizer: a VideoTokenizer in eval mode.
        action_model: a LatentActionModel, or None for a world without latent actions.
        dynamics: a DynamicsModel in eval mode.
        frames: [B, T, C, H, W] in [-1, 1]; T may be shorter than context and horizon together, unless actions
            are inferred or the rollout is teacher-forced.
        options: what to generate, of all the clips.
        action_ids: true actions [B, T] or [B, T - 1] of a world trained on labels.
        generator: of the sampling and of random actions, on the device of `frames`; overrides the seed.
        bf16: compute in bfloat16 where rounding does no harm.
        prompt: asks for an action; for tests.

    Raises:
        ConfigError: fewer frames than the options need, or actions the world does not have.
    """
    horizon, num_given = options.horizon, options.num_given(dynamics)
    needed = num_given + (horizon if options.teacher_forced else 0)
    if frames.shape[1] < needed:
        raise ConfigError(
            f"A rollout of {num_given} context frames and {horizon} more, "
            f"teacher_forced={options.teacher_forced}, "
            f"needs clips of {needed} frames, got {frames.shape[1]}: raise data.num_frames."
        )
    generator = generator or torch.Generator(frames.device).manual_seed(options.seed)
    conditioned = options.actions != "none"
    between = true_actions(action_model, frames, action_ids, dynamics.context_frames) if conditioned else None
    source = ActionSource(options.actions, between, dynamics.num_actions, num_given, prompt)
    dream = Dream(tokenizer, dynamics, options.sampling, None, options.feedback, bf16, generator)
    actions, raw, sureness = [], [], []
    for step in range(horizon):
        if step == 0 or options.teacher_forced:
            last = step + num_given
            dream.start(frames[:, step:last], None if between is None else between[:, step : last - 1])
        action = source.to_frame(step, frames, generator) if conditioned else None
        if action is not None:
            actions.append(action)
        raw.append(dream.advance(action))
        assert dream.sureness is not None  # it has advanced
        sureness.append(dream.sureness)
    generated = torch.stack(raw, dim=1).float()  # [B, horizon, C, H, W]
    low, high = generated.amin(dim=(0, 2, 3, 4)), generated.amax(dim=(0, 2, 3, 4))
    raw_range = torch.stack([low, high], dim=1).cpu()
    return RolloutResult(
        context=frames[:, :num_given],
        prediction=generated.clamp(-1, 1),
        truth=frames[:, num_given : num_given + horizon],
        action_ids=torch.stack(actions, dim=1) if actions else None,
        sureness=torch.stack(sureness, dim=1),
        raw_range=raw_range,
        clamped_range=raw_range.clamp(-1, 1),
    )
