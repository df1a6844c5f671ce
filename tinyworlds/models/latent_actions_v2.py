"""Parts of the v2 latent action model: a mixture of possible changes, one per action.

The decoder says, for every action, how the earlier frame would change. Which action did it is decided by
these predictions themselves: each pair of frames goes to the action that comes closest, all actions getting
as many (balanced expectation-maximisation). The encoder learns to name that action from the pair. So no
action starves, and no gradient has to find its way through a choice.

A change is a displacement, chosen cell by cell, plus repainted pixels; it is looked for in frames shrunk to
`motion_size`, where a turn of the camera is a shift of a few pixels and texture does not distract. Errors
count relative to how much a frame changes, so that small things that move are heard.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from einops import rearrange, repeat
from torch import Tensor, nn
from torch.nn import functional as F

from tinyworlds.errors import ConfigError
from tinyworlds.models.latent_actions_v1 import ActionParts
from tinyworlds.nn.assignment import balanced_assignment
from tinyworlds.nn.motion import blend_copies, match_costs, num_shifts, shifted_copies

CELL = 2
"""Side of the cells that move as one, in pixels of the shrunk frame."""

QUIET_SHARE = 0.25
"""A frame that hardly changes counts as if it changed by this share of the batch's mean change."""

COPY_LOGIT = 8.0
"""Logit of "no move" in a fresh decoder, 97 % of the mixture of 81 shifts. Most of a frame stands still: a
decoder that starts with a blur learns for its first hundred updates only to repeat the frame."""


class Shrink(nn.Module):
    """Frames ``[B, T, C, H, W]`` to pairs of small pictures, two times ``[B * (T-1), C, h, w]``."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Average over blocks of pixels; return the earlier and the later pictures."""
        small = F.avg_pool2d(rearrange(frames, "b t c h w -> (b t) c h w"), self.factor)
        small = rearrange(small, "(b t) c h w -> b t c h w", b=len(frames))
        return small[:, :-1].flatten(0, 1), small[:, 1:].flatten(0, 1)


class ConvBlock(nn.Module):
    """Residual block; a condition scales and shifts its normed input."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(math.gcd(channels, 8), channels)
        self.inner = nn.Conv2d(channels, hidden, 3, padding=1)
        self.out = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Step ``[N, channels, h, w]`` given ``[N, 2 * channels]`` or nothing."""
        normed = self.norm(x)
        if condition is not None:
            scale, shift = rearrange(condition, "n (both c) -> both n c 1 1", both=2)
            normed = torch.addcmul(shift, normed, 1 + scale)
        return x + self.out(F.silu(self.inner(normed)))


class ChangeEncoder(nn.Module):
    """Reads the action off the difference of two frames and off which displacements explain it."""

    def __init__(
        self, shrink: Shrink, radius: int, sizes: tuple[int, int, int], num_actions: int, channels: int
    ) -> None:
        super().__init__()
        width, hidden, num_blocks = sizes
        self.shrink = shrink
        self.radius = radius
        self.enter = nn.Conv2d(num_shifts(radius) + channels * CELL**2, width, 1)
        self.blocks = nn.Sequential(*(ConvBlock(width, hidden) for _ in range(num_blocks)))
        self.head = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, num_actions))

    def forward(self, frames: Tensor) -> Tensor:
        """Logits of the actions ``[B, T-1, num_actions]`` of ``[B, T, C, H, W]``."""
        before, after = self.shrink(frames)
        costs = match_costs(shifted_copies(before, self.radius), after, CELL)
        change = F.pixel_unshuffle(2 * (after - before), CELL)
        x = self.blocks(self.enter(torch.cat([costs, change], dim=1)))
        pooled = torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)
        return self.head(pooled).float().unflatten(0, (frames.shape[0], -1))


class OneHot(nn.Module):
    """Quantiser of logits: the likeliest action as a one-hot vector, with the softmax's gradient."""

    def __init__(self, num_actions: int) -> None:
        super().__init__()
        self.num_actions = num_actions

    def forward(self, vectors: Tensor) -> Tensor:
        """``[..., num_actions]`` logits to one-hot vectors of the same shape."""
        soft = vectors.softmax(dim=-1)
        return self.latents(vectors.argmax(dim=-1)) + soft - soft.detach()

    def ids(self, latents: Tensor) -> Tensor:
        """Actions of one-hot vectors."""
        return latents.argmax(dim=-1)

    def latents(self, ids: Tensor) -> Tensor:
        """One-hot vectors of actions."""
        return F.one_hot(ids, self.num_actions).float()


class ChangeDecoder(nn.Module):
    """Says how a frame would change under each action."""

    def __init__(
        self,
        shrink: Shrink,
        radius: int,
        sizes: tuple[int, int, int],
        num_actions: int,
        channels: int,
        grid: int,
    ) -> None:
        super().__init__()
        width, hidden, num_blocks = sizes
        self.shrink = shrink
        self.radius = radius
        self.num_actions = num_actions
        self.enter = nn.Conv2d(channels * CELL**2, width, 1)
        self.place = nn.Parameter(torch.zeros(1, width, grid, grid))
        self.common = ConvBlock(width, hidden)
        self.actions = nn.Parameter(0.7 * torch.randn(num_actions, 2 * width))
        self.blocks = nn.ModuleList(ConvBlock(width, hidden) for _ in range(num_blocks))
        self.to_shift = nn.Conv2d(width, num_shifts(radius), 1)
        self.shift_bias = nn.Parameter(0.3 * torch.randn(num_actions, num_shifts(radius)))
        self.to_paint = nn.Conv2d(width, channels * CELL**2, 1)
        self._start_near_copy()

    def _start_near_copy(self) -> None:
        """A fresh decoder nearly repeats the frame, each action leaning to another displacement."""
        shift_bias, paint_bias = self.to_shift.bias, self.to_paint.bias
        assert shift_bias is not None
        assert paint_bias is not None
        with torch.no_grad():
            self.to_shift.weight.mul_(0.1)
            for silent in (shift_bias, self.to_paint.weight, paint_bias):
                silent.zero_()
            shift_bias[num_shifts(self.radius) // 2] = COPY_LOGIT

    def every_change(self, before: Tensor) -> Tensor:
        """Pictures ``[N, C, h, w]`` after each action: ``[N, num_actions, C, h, w]``."""
        copies = shifted_copies(before, self.radius)
        x = self.common(self.enter(F.pixel_unshuffle(before, CELL)) + self.place)
        x = repeat(x, "n c h w -> (n action) c h w", action=self.num_actions)
        condition = repeat(self.actions, "action c -> (n action) c", n=len(before))
        for block in self.blocks:
            x = block(x, condition)
        logits = (
            self.to_shift(x).float().unflatten(0, (-1, self.num_actions)) + self.shift_bias[..., None, None]
        )
        moved = blend_copies(copies, logits.softmax(dim=2), CELL)
        return moved + F.pixel_shuffle(self.to_paint(x), CELL).unflatten(0, (-1, self.num_actions))

    def forward(self, frames: Tensor, latents: Tensor) -> Tensor:
        """Predict frames 1..T-1 ``[B, T-1, C, H, W]``: each earlier frame plus its change, enlarged."""
        before, _ = self.shrink(frames)
        weights = rearrange(latents, "b t action -> (b t) action 1 1 1")
        change = (self.every_change(before) * weights).sum(dim=1) - before
        change = F.interpolate(change.float(), size=frames.shape[-2:], mode="bilinear", align_corners=False)
        return frames[:, :-1] + change.unflatten(0, (frames.shape[0], -1))


class BalancedObjective(nn.Module):
    """Error of the assigned actions, relative to the change, and how well the encoder names them."""

    def forward(
        self, encoder: ChangeEncoder, quantizer: OneHot, decoder: ChangeDecoder, frames: Tensor
    ) -> dict[str, Tensor]:
        """Return `loss`; `reconstruction`, the unexplained share of change; `naming`, in nats a pair."""
        before, after = encoder.shrink(frames)
        error = (decoder.every_change(before).float() - after[:, None]).square().mean(dim=(2, 3, 4))
        change = (after - before).square().mean(dim=(1, 2, 3))
        scale = change + QUIET_SHARE * change.mean() + 1e-6  # 1e-6: a clip may stand still
        relative = error / scale[:, None]  # [N, num_actions]
        assigned = balanced_assignment(relative)
        reconstruction = (assigned * relative).sum(dim=1).mean()
        naming = -(assigned * encoder(frames).flatten(0, 1).log_softmax(dim=-1)).sum(dim=1).mean()
        return {"loss": reconstruction + naming, "reconstruction": reconstruction, "naming": naming}


def build(
    frame_size: int,
    embed_dim: int,
    hidden_dim: int,
    num_blocks: int,
    num_actions: int,
    num_channels: int,
    motion_size: int | None,
    motion_radius: int,
    **_: Any,
) -> ActionParts:
    """Build the parts from the network's settings."""
    motion_size = motion_size or max(frame_size // 4, CELL)
    if frame_size % motion_size or motion_size % CELL:
        raise ConfigError(
            f"motion_size {motion_size} must be even and divide frame_size {frame_size}:"
            f" take {frame_size // 4}."
        )
    shrink = Shrink(frame_size // motion_size)
    sizes = (embed_dim, hidden_dim, num_blocks)
    return ActionParts(
        ChangeEncoder(shrink, motion_radius, sizes, num_actions, num_channels),
        OneHot(num_actions),
        ChangeDecoder(shrink, motion_radius, sizes, num_actions, num_channels, motion_size // CELL),
        BalancedObjective(),
    )
