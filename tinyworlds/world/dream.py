"""Clips that go on: true frames in, then one generated frame after another, for any number of clips at once.

`World` plays one (or many) of these; rollouts and reports measure them. Codes are fed back, not pixels, so a
step neither encodes nor decodes what is not shown.

Shapes: B clips, T frames of context, P patches, C channels, H W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from tinyworlds.errors import ConfigError
from tinyworlds.models import maskgit
from tinyworlds.models.continuation import Guesser
from tinyworlds.models.maskgit import Sampling
from tinyworlds.world.cuda_graph import RecordedStep

Feedback = Literal["codes", "memory", "pixels"]
"""What a generated frame becomes for those after it."""


def check_feedback(feedback: str) -> None:
    """Raise ConfigError unless it is a `Feedback`."""
    if feedback not in get_args(Feedback):
        raise ConfigError(f"feedback is one of {', '.join(get_args(Feedback))}; got '{feedback}'")


@dataclass(frozen=True)
class DreamState:
    """What a dream goes on from; tensors are never written to, so it stays as it was.

    Attributes:
        ids: codes of the last frames, ``[B, T, P]``.
        actions: ``[B, T-1]`` between them, or None.
        frames: ``[B, T, C, H, W]``; None where codes are fed back.
        random: state of the sampling's generator, or None.
    """

    ids: Tensor
    actions: Tensor | None
    frames: Tensor | None
    random: Tensor | None


class Dream:
    """Clips being continued: the codes and actions of their last frames, batched.

    Args:
        tokenizer: Frames to codes and back.
        dynamics: Guesses the codes of the next frame.
        sampling: How a frame is decoded.
        context_frames: Most past frames to go on from; by default as many as `start` is given.
        feedback: ``"codes"`` goes on from the generated codes of the last frames, ``"pixels"`` encodes each
            generated frame. ``"memory"`` (v2) also keeps what those codes knew of frames that have left the
            window: the fastest, but no network has seen that in training, and dreams soon stand still.
        bf16: Compute in bfloat16; not for encoding, where rounding would change the codes.
        generator: Of the sampling, on the networks' device.
        cuda_graphs: Record the step on a GPU and replay it, where codes are fed back and the window is full.
    """

    def __init__(
        self,
        tokenizer: nn.Module,
        dynamics: nn.Module,
        sampling: Sampling,
        context_frames: int | None = None,
        feedback: Feedback = "codes",
        bf16: bool = False,
        generator: torch.Generator | None = None,
        cuda_graphs: bool = True,
    ) -> None:
        check_feedback(feedback)
        self.tokenizer, self.dynamics, self.sampling = tokenizer, dynamics, sampling
        self.context_frames = context_frames
        self.feedback, self.bf16, self.generator = feedback, bf16, generator
        self.ids: Tensor | None = None  # [B, T, P] once started
        self.actions: Tensor | None = None  # [B, T-1]
        self._guess: Guesser | None = None
        self.recorded = RecordedStep(self._step, generator) if cuda_graphs and self._can_record() else None

    def start(self, frames: Tensor, actions: Tensor | None) -> None:
        """Begin with true frames ``[B, T, C, H, W]`` in [-1, 1].

        Args:
            frames: The context.
            actions: ``[B, T-1]`` int64, between them; None for a dream without actions.
        """
        self._limit = self.context_frames or frames.shape[1]
        self.actions = None if actions is None else actions[:, max(actions.shape[1] - (self._limit - 1), 0) :]
        self._restart(frames[:, -self._limit :])

    def _restart(self, frames: Tensor) -> None:
        self.frames = frames if self.feedback == "pixels" else None
        self.ids = self.tokenizer.encode(frames)  # [B, T, P]
        self.remember_anew()

    def remember_anew(self) -> None:
        """Run the past again, as is needed when the number format changes; nothing before `start`."""
        if self.ids is not None:
            with self._autocast():
                self._guess = self._begin(self.ids, self.actions)

    def _begin(self, ids: Tensor, actions: Tensor | None) -> Guesser:
        return maskgit.begin(self.dynamics, ids, actions, self._limit, slides=self.feedback == "memory")

    def state(self) -> DreamState:
        """What `restore` goes back to."""
        random = None if self.generator is None else self.generator.get_state()
        return DreamState(self.ids, self.actions, self.frames, random)

    def restore(self, state: DreamState) -> None:
        """Go on from an earlier state; the past is run again."""
        self.ids, self.actions, self.frames = state.ids, state.actions, state.frames
        if self.generator is not None and state.random is not None:
            self.generator.set_state(state.random)
        self.remember_anew()

    def advance(self, action: Tensor | None) -> Tensor:
        """Generate the frame after `action` [B] (None: unconditioned): ``[B, C, H, W]``, not clamped."""
        taken = None if action is None else action[:, None]
        if self.recorded is not None and self.ids.shape[1] == self._limit:
            self._guess = None  # what it remembers is a frame behind from now on
            new, frame = self.recorded((self.sampling, self.bf16), self.ids, self.actions, taken)
        else:
            if self._guess is None:
                self.remember_anew()
            new, frame = self._go_on(self._guess, self.ids, taken)
        self.ids = torch.cat([self.ids, new], dim=1)[:, -self._limit :]
        if self.actions is not None and taken is not None:
            surplus = self.actions.shape[1] + 1 - (self.ids.shape[1] - 1)
            self.actions = torch.cat([self.actions, taken], dim=1)[:, surplus:]
        if self.frames is not None:
            self._restart(torch.cat([self.frames, frame[:, None].clamp(-1, 1)], dim=1)[:, -self._limit :])
        return frame

    def _step(self, ids: Tensor, actions: Tensor | None, taken: Tensor | None) -> tuple[Tensor, Tensor]:
        """Codes ``[B, 1, P]`` and picture of the frame after a window: of nothing but what is given."""
        with self._autocast():
            guess = self._begin(ids, actions)
        return self._go_on(guess, ids, taken)

    def _go_on(self, guess: Guesser, ids: Tensor, taken: Tensor | None) -> tuple[Tensor, Tensor]:
        blank = torch.full_like(ids[:, :1], self.dynamics.mask_id)
        with self._autocast():
            guess.expect(taken)
            new = maskgit.fill(guess, blank, self.sampling, self.generator)  # [B, 1, P]
            guess.accept(new)
        return new, self.picture(torch.cat([ids, new], dim=1))

    def _can_record(self) -> bool:
        """Whether a step runs on a GPU and is a function of its window."""
        return next(self.dynamics.parameters()).device.type == "cuda" and self.feedback == "codes"

    def picture(self, ids: Tensor) -> Tensor:
        """The last frame of codes ``[B, T, P]`` as float32 ``[B, C, H, W]``, not clamped."""
        with self._autocast():
            return self.tokenizer.decode(ids[:, -1:] if self.tokenizer.per_frame else ids)[:, -1].float()

    def _autocast(self) -> torch.autocast:
        device = next(self.dynamics.parameters()).device
        return torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.bf16)
