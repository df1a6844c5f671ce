"""Clips that go on: true frames in, then one generated frame after another, for any number of clips at once.

`World` plays one (or many) of these; rollouts and reports measure them. Codes are fed back, not pixels, so a
step neither encodes nor decodes what is not shown.

Shapes: B clips, T frames of context, P patches, C channels, H W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from tinyworlds.errors import ConfigError
from tinyworlds.models import maskgit
from tinyworlds.models.continuation import Guesser, Past
from tinyworlds.models.maskgit import Sampling
from tinyworlds.world.cuda_graph import CapturedStep
from tinyworlds.world.networks import Tokenizer, WorldDynamics

Feedback = Literal["codes", "memory", "pixels"]
"""What a generated frame becomes for those after it."""


def check_feedback(feedback: str) -> None:
    """Raise ConfigError unless it is a `Feedback`."""
    if feedback not in get_args(Feedback):
        raise ConfigError(f"feedback is one of {', '.join(get_args(Feedback))}; got '{feedback}'")


@dataclass(frozen=True)
class DreamState:
    """What a dream goes on from; nothing in it is ever changed.

    Attributes:
        past: codes and actions of the last frames; None before the dream began.
        frames: ``[B, T, C, H, W]``; None where codes are fed back.
        random: state of the sampling's generator, or None.
    """

    past: Past | None
    frames: Tensor | None
    random: Tensor | None


class Dream:
    """Clips being continued, batched.

    Args:
        tokenizer: Frames to codes and back.
        dynamics: Guesses the codes of the next frame.
        sampling: How a frame is decoded.
        num_past: Most past frames to go on from; by default as many as `start` is given.
        feedback: ``"codes"`` goes on from the generated codes of the last frames, ``"pixels"`` encodes each
            generated frame. ``"memory"`` (v2) also keeps what those codes knew of frames that have left the
            window: the fastest, but no network has seen that in training, and dreams soon stand still.
        bf16: Compute in bfloat16; not for encoding, where rounding would change the codes.
        generator: Of the sampling, on the networks' device.
        cuda_graphs: Capture the step on a GPU and replay it, where codes are fed back and the window is full.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        dynamics: WorldDynamics,
        sampling: Sampling,
        num_past: int | None = None,
        feedback: Feedback = "codes",
        bf16: bool = False,
        generator: torch.Generator | None = None,
        cuda_graphs: bool = True,
    ) -> None:
        check_feedback(feedback)
        self.tokenizer, self.dynamics, self.sampling = tokenizer, dynamics, sampling
        self.num_past = num_past
        self.feedback, self.bf16, self.generator = feedback, bf16, generator
        self._guess: Guesser | None = None  # holds the past
        self._frames: Tensor | None = None  # [B, T, C, H, W] of the past, where pixels are fed back
        self.sureness: Tensor | None = None  # [B] of the frames just generated, see `maskgit.fill`
        self.captured = CapturedStep(self._step, generator) if cuda_graphs and self._can_capture() else None

    @property
    def past(self) -> Past | None:
        """Codes and actions of the last frames; None before `start`."""
        return None if self._guess is None else self._guess.past

    def start(self, frames: Tensor, actions: Tensor | None) -> None:
        """Begin with true frames ``[B, T, C, H, W]`` in [-1, 1].

        Args:
            frames: The context.
            actions: ``[B, T-1]`` int64, between them; None for a dream without actions.
        """
        limit = self.num_past or frames.shape[1]
        surplus = max(frames.shape[1] - limit, 0)
        self.sureness = None
        self._encode(frames[:, surplus:], None if actions is None else actions[:, surplus:], limit)

    def _encode(self, frames: Tensor, actions: Tensor | None, limit: int) -> None:
        self._frames = frames if self.feedback == "pixels" else None
        self._guess = self._begin(Past(self.tokenizer.encode(frames), actions, limit))

    def _begin(self, past: Past) -> Guesser:
        slides = self.feedback == "memory"
        return maskgit.begin(self.dynamics, past.ids, past.action_ids, past.limit, slides=slides)

    def forget(self) -> None:
        """Have the past run again, as is needed when the number format changes; nothing before `start`."""
        if self._guess is not None:
            self._guess = self._begin(self._guess.past)

    def state(self) -> DreamState:
        """What `restore` goes back to."""
        random = None if self.generator is None else self.generator.get_state()
        return DreamState(self.past, self._frames, random)

    def restore(self, state: DreamState) -> None:
        """Go on from an earlier state; the past is run again."""
        self._guess = None if state.past is None else self._begin(state.past)
        self._frames, self.sureness = state.frames, None
        if self.generator is not None and state.random is not None:
            self.generator.set_state(state.random)

    def advance(self, action: Tensor | None) -> Tensor:
        """Generate the frame after `action` [B] (None: unconditioned): ``[B, C, H, W]``, not clamped."""
        assert self._guess is not None, "start() comes before advance()"
        past, taken = self._guess.past, None if action is None else action[:, None]
        if self.captured is not None and past.is_full:
            new, frame, self.sureness = self.captured(
                (self.sampling, self.bf16), past.ids, past.action_ids, taken
            )
            self._guess = self._begin(past.append(new, taken))
        else:
            _, frame, self.sureness = self._go_on(self._guess, taken)
        if self._frames is not None:
            frames = torch.cat([self._frames, frame[:, None].clamp(-1, 1)], dim=1)
            self._encode(frames[:, -past.limit :], self._guess.past.action_ids, past.limit)
        return frame

    def _step(self, ids: Tensor, actions: Tensor | None, taken: Tensor | None) -> tuple[Tensor, ...]:
        """What `_go_on` makes of a full window: of nothing but what is given."""
        return self._go_on(self._begin(Past(ids, actions, ids.shape[1])), taken)

    def _go_on(self, guess: Guesser, taken: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Codes ``[B, 1, P]`` and picture of the next frame, and how sure the dynamics was of it ``[B]``."""
        ids = guess.past.ids
        blank = torch.full_like(ids[:, :1], self.dynamics.mask_id)
        with self._autocast():
            guess.expect(taken)
            new, sureness = maskgit.fill(guess, blank, self.sampling, self.generator)  # [B, 1, P], [B]
            guess.accept(new)
        return new, self.picture(torch.cat([ids, new], dim=1)), sureness.float()

    def _can_capture(self) -> bool:
        """Whether a step runs on a GPU and is a function of its window."""
        return self._device.type == "cuda" and self.feedback == "codes"

    def picture(self, ids: Tensor) -> Tensor:
        """The last frame of codes ``[B, T, P]`` as float32 ``[B, C, H, W]``, not clamped."""
        with self._autocast():
            return self.tokenizer.decode(ids[:, -1:] if self.tokenizer.per_frame else ids)[:, -1].float()

    @property
    def _device(self) -> torch.device:
        return next(self.dynamics.parameters()).device

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self.bf16)
