"""Playing as v1 is played: all frames through all networks, at every decoding step of every frame.

Shapes: B batch, T context frames, h new frames, P patches per frame, L code width, A action width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tinyworlds.bench.reference_networks import ReferenceDynamics, ReferenceTokenizer
from tinyworlds.bench.reference_tokens import code_vectors


def revealed_after(step: int, num_steps: int, total: int, k: float = 5.0) -> int:
    """How many of `total` tokens should be known after a step: few at first, all at the last.

    Steps count from 0. The formula alone would give the total at ``step == num_steps`` only, hence the rule
    for the last one.
    """
    if step == num_steps - 1:
        return total
    return math.ceil(total * (math.exp(k * step / num_steps) - 1) / (math.exp(k) - 1))


def reveal_count(step: int, num_steps: int, total: int, masked: int) -> int:
    """How many of the `masked` tokens to reveal in this step; never fewer than a sixteenth of all."""
    missing = max(revealed_after(step, num_steps, total) - (total - masked), 0)
    return min(max(max(total // 16, 1), min(missing, masked)), masked)


@torch.no_grad()
def decode(
    dynamics: ReferenceDynamics,
    past: Tensor,
    actions: Tensor | None,
    horizon: int = 1,
    num_steps: int = 10,
    temperature: float = 0.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """New code ids [B, h, P] after `past` [B, T, P], by MaskGIT.

    Args:
        dynamics: In eval mode.
        past: Code ids of the context.
        actions: Vectors [B, T+h-1, A], or [B, T+h, A] where one leads to the first frame too.
        horizon: h, frames to decode together.
        num_steps: Steps they take.
        temperature: 0 takes the likeliest code, above 0 samples.
        generator: Of the sampling.
    """
    batch, _, patches = past.shape
    total = horizon * patches
    context = dynamics.vectors(past)
    ids = torch.zeros(batch, total, dtype=torch.int64, device=past.device)
    masked = torch.ones_like(ids, dtype=torch.bool)
    for step in range(num_steps + 1):
        left = int(masked[0].sum())
        if left == 0:
            break
        fill = step == num_steps  # one more pass for what is left over
        tokens, confidence = _propose(
            dynamics, context, ids, masked, actions, 0.0 if fill else temperature, generator
        )
        count = left if fill else reveal_count(step, num_steps, total, left)
        for row in range(batch):
            chosen = confidence[row].masked_fill(~masked[row], -1).topk(count).indices
            ids[row, chosen] = tokens[row, chosen]
            masked[row, chosen] = False
    return ids.reshape(batch, horizon, patches)


def _propose(
    dynamics: ReferenceDynamics,
    context: Tensor,
    ids: Tensor,
    masked: Tensor,
    actions: Tensor | None,
    temperature: float,
    generator: torch.Generator | None,
) -> tuple[Tensor, Tensor]:
    """A code for every new position, and how sure the network is: twice [B, N] with N = h * P."""
    batch, _, patches, width = context.shape
    mask_token = dynamics.mask_token.reshape(1, 1, width)
    new = torch.where(masked[..., None], mask_token, dynamics.vectors(ids))
    latents = torch.cat([context, new.reshape(batch, -1, patches, width)], dim=1)
    logits = dynamics(latents, actions)[:, context.shape[1] :].reshape(batch, ids.shape[1], -1)
    probabilities = torch.softmax(logits / temperature if temperature else logits, dim=-1)
    confidence, tokens = probabilities.max(dim=-1)
    if temperature:
        tokens = torch.multinomial(probabilities.flatten(0, 1), 1, generator=generator).reshape(ids.shape)
    return tokens, confidence


class ReferenceWorld:
    """A game played one frame at a time.

    Args:
        tokenizer: Frames to codes and back.
        dynamics: Predicts the codes of the next frame.
        context: Past frames it sees.
        num_steps: Decoding steps a frame; the likeliest code is taken (temperature 0).
        feedback: ``"pixels"`` encodes the shown frames anew at every step, as the original does; ``"codes"``
            goes on from the predicted codes.
    """

    def __init__(
        self,
        tokenizer: ReferenceTokenizer,
        dynamics: ReferenceDynamics,
        context: int = 2,
        num_steps: int = 10,
        feedback: str = "pixels",
    ) -> None:
        if feedback not in ("pixels", "codes"):
            raise ValueError(f"feedback is 'pixels' or 'codes', not '{feedback}'")
        self.tokenizer, self.dynamics = tokenizer.eval(), dynamics.eval()
        self.context, self.num_steps, self.feedback = context, num_steps, feedback

    @torch.no_grad()
    def reset(self, frames: np.ndarray, action_ids: Sequence[int] | np.ndarray | None = None) -> None:
        """Start from frames uint8 [T, H, W, 3] and the T-1 actions between them (all 0 when not given)."""
        device = next(self.dynamics.parameters()).device
        given = torch.as_tensor(np.array(frames[-self.context :]), device=device)
        self.pixels = given.permute(0, 3, 1, 2)[None].float() / 127.5 - 1
        self.ids = self.tokenizer.encode(self.pixels)
        wanted = self.ids.shape[1] - 1
        past = [0] * wanted if action_ids is None else list(action_ids)[len(action_ids) - wanted :]
        self.actions = torch.tensor([past], dtype=torch.int64, device=device)

    @torch.no_grad()
    def step(self, action_id: int) -> np.ndarray:
        """The frame the action leads to, uint8 [H, W, 3]."""
        actions = torch.cat([self.actions, self.actions.new_tensor([[action_id]])], dim=1)  # [1, T]
        vectors = code_vectors(actions, 2, self.dynamics.cond_dim) if self.dynamics.cond_dim else None
        past = self.tokenizer.encode(self.pixels) if self.feedback == "pixels" else self.ids
        new = decode(self.dynamics, past, vectors, num_steps=self.num_steps)
        ids = torch.cat([past, new], dim=1)
        frame = self.tokenizer.decode(ids).clamp(-1, 1)[:, -1:]
        self.pixels = torch.cat([self.pixels, frame], dim=1)[:, -self.context :]
        self.ids = ids[:, -self.context :]
        self.actions = actions[:, actions.shape[1] - (self.ids.shape[1] - 1) :]
        return ((frame[0, 0].permute(1, 2, 0) + 1) * 127.5).round().to(torch.uint8).cpu().numpy()
