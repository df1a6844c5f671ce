"""Open-loop rollouts: true context frames in, generated frames out, batched over clips.

Used by ``tinyworlds predict``, the pictures while training and the report. It knows networks and tensors;
files, windows and metrics are others' business. :class:`RolloutResult` keeps generated frames apart from the
context frames that were given, so that these never count.

Action t leads from frame t to frame t+1. The context's own actions are always the true ones (inferred or
labelled); `actions` says where those of the generated frames come from.

Shapes: B batch, T frames, P patches, C channels, H W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tinyworlds.errors import ConfigError
from tinyworlds.models.maskgit import Sampling
from tinyworlds.world.action_source import ActionSource, Prompt, listed_actions, true_actions
from tinyworlds.world.dream import Dream, Feedback, check_feedback
from tinyworlds.world.rollout_result import RolloutResult, join_results

__all__ = ["RolloutOptions", "RolloutResult", "join_results", "open_loop"]

DEFAULT_SAMPLING = Sampling()


@dataclass(frozen=True)
class RolloutOptions:
    """What ``tinyworlds predict`` generates.

    Args:
        actions: ``inferred`` from the true clip (or its labels, for a world trained on labels), ``random``,
            ``none`` (unconditioned), ``ask`` (typed, one step at a time), or a list such as ``0,1,1`` whose
            last entry is held.
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

    def num_frames(self, dynamics: nn.Module) -> int:
        """Frames a clip must have for every generated frame to have its truth."""
        return (self.context_frames or default_context(dynamics)) + self.horizon

    def run(
        self,
        tokenizer: nn.Module,
        action_model: nn.Module | None,
        dynamics: nn.Module,
        frames: Tensor,
        action_ids: Tensor | None = None,
        generator: torch.Generator | None = None,
        prompt: Prompt = input,
    ) -> RolloutResult:
        """:func:`open_loop` with these options on the first `num_clips` of clips [B, T, C, H, W].

        `action_ids` are the true ones of a world trained on labels; `generator` overrides the seed.
        """
        frames = frames[: self.num_clips]
        action_ids = None if action_ids is None else action_ids[: self.num_clips]
        return open_loop(
            tokenizer,
            action_model,
            dynamics,
            frames,
            self.actions,
            self.horizon,
            self.context_frames,
            self.sampling,
            self.teacher_forced,
            generator or torch.Generator(frames.device).manual_seed(self.seed),
            action_ids=action_ids,
            feedback=self.feedback,
            prompt=prompt,
        )


def default_context(dynamics: nn.Module) -> int:
    """Frames given before the first generated one; the windows of training hold the predicted one too."""
    return max(dynamics.context_frames - 1, 1)


@torch.no_grad()
def open_loop(
    tokenizer: nn.Module,
    action_model: nn.Module | None,
    dynamics: nn.Module,
    frames: Tensor,
    actions_mode: str = "inferred",
    horizon: int = 8,
    context_frames: int | None = None,
    sampling: Sampling = DEFAULT_SAMPLING,
    teacher_forced: bool = False,
    generator: torch.Generator | None = None,
    *,
    action_ids: Tensor | None = None,
    feedback: Feedback = "codes",
    bf16: bool = False,
    prompt: Prompt = input,
) -> RolloutResult:
    """Generate `horizon` frames after the first `context_frames` of every clip.

    Args:
        tokenizer: a VideoTokenizer in eval mode.
        action_model: a LatentActionModel, or None for a world without latent actions.
        dynamics: a DynamicsModel in eval mode.
        frames: [B, T, C, H, W] in [-1, 1]; T may be shorter than context and horizon together, unless actions
            are inferred or the rollout is teacher-forced.
        actions_mode: where actions come from; see :class:`RolloutOptions`, as for the other settings.
        horizon: frames to generate.
        context_frames: frames given; default as in the dynamics' training.
        sampling: how a frame is decoded.
        teacher_forced: every generated frame follows true frames.
        generator: of the sampling and of random actions, on the device of `frames`.
        action_ids: true actions [B, T] or [B, T - 1] of a world trained on labels.
        feedback: what a generated frame becomes for the next ones, ``codes``, ``pixels``
            or ``memory``.
        bf16: compute in bfloat16 where rounding does no harm.
        prompt: asks for an action; for tests.

    Raises:
        ConfigError: fewer frames than the settings need, or actions the world does not have.
    """
    context = context_frames or default_context(dynamics)
    needed = context + (horizon if teacher_forced else 0)
    if frames.shape[1] < needed:
        raise ConfigError(
            f"A rollout of {context} context frames and {horizon} more, teacher_forced={teacher_forced}, "
            f"needs clips of {needed} frames, got {frames.shape[1]}: raise data.num_frames."
        )
    conditioned = actions_mode != "none"
    known = true_actions(action_model, frames, action_ids, dynamics.context_frames) if conditioned else None
    source = ActionSource(actions_mode, known, dynamics.num_actions, context, prompt)
    dream = Dream(tokenizer, dynamics, sampling, None, feedback, bf16, generator)
    actions, raw = [], []
    for step in range(horizon):
        if step == 0 or teacher_forced:
            between = None if known is None else known[:, step : step + context - 1]
            dream.start(frames[:, step : step + context], between)
        actions.append(source.to_frame(step, frames, generator) if conditioned else None)
        raw.append(dream.advance(actions[-1]))
    generated = torch.stack(raw, dim=1).float()  # [B, horizon, C, H, W]
    low, high = generated.amin(dim=(0, 2, 3, 4)), generated.amax(dim=(0, 2, 3, 4))
    raw_range = torch.stack([low, high], dim=1).cpu()
    return RolloutResult(
        context=frames[:, :context],
        prediction=generated.clamp(-1, 1),
        truth=frames[:, context : context + horizon],
        action_ids=torch.stack(actions, dim=1) if conditioned else None,
        raw_range=raw_range,
        clamped_range=raw_range.clamp(-1, 1),
    )
