"""Parts of an anchored action model: a few recorded true actions say what its actions are.

The encoder reads an action off three frames, the one before it was taken, the one at which it was, and the
one after: what a key starts may show a frame later. It is the small convolutional reader of "Video
PreTraining" (https://arxiv.org/abs/2206.11795, section 4.1), which also sees which displacements explain the
change and where in the picture it is. Two kinds of frames teach it:

- **Anchors**, some hundred places whose true action was recorded. They are seen anew each time: brighter,
  darker, moved by some pixels.
- **All others**, by what it says of them itself. It reads them as they are, and learns to say the same of
  them altered (FixMatch, https://arxiv.org/abs/2001.07685). A key is held for several frames, so what it says
  of one place is weighed with what it says of those before and after: the forward-backward pass of a hidden
  Markov model in which an action stays, or is drawn anew, as often as among the anchors.

Its logits are log likelihoods: anchors are drawn evenly over the actions, and how often each occurs comes in
where other places are judged. Nothing predicts frames here: the changes that explain most are not always
those that keys make.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from tinyworlds.models.latent_actions_v1 import ActionParts
from tinyworlds.models.latent_actions_v2 import CELL, OneHot
from tinyworlds.nn.motion import match_costs, num_shifts, shifted_copies
from tinyworlds.nn.smoothing import smoothed

TRIPLE = 3
"""Frames that an action is read from: the one before it was taken, the one at which it was, the one after."""

LARGEST = 64
"""Side in pixels to which larger frames are shrunk before they are read."""

_GRID_PX = 8  # of a place that displacements are looked for in, after three blocks of stride 2
_WIDTHS = (32, 64, 96, 128)
_COST_WIDTH, _NUM_FEATURES = 32, 64
_JITTER, _STRONG_JITTER = 0.1, 0.2  # of contrast and brightness
_SHIFT_SHARE = 1 / 16  # of a frame's side, by which altered frames are moved at most
_NEWS = 0.05  # of what a batch says, in what is said lately
_ALONE = 0.15  # share of anchors seen without the frame before, as at the start of a clip


class ActionReader(nn.Module):
    """Reads actions off triples of frames, shrunk to `LARGEST` pixels if they are larger."""

    places: Tensor

    def __init__(self, frame_size: int, radius: int, num_actions: int, num_channels: int) -> None:
        super().__init__()
        self.side = max(min(frame_size, LARGEST) // _GRID_PX * _GRID_PX, _GRID_PX)
        self.radius = radius
        place = torch.linspace(-1, 1, self.side)
        places = torch.stack(torch.meshgrid(place, place, indexing="ij"))
        self.register_buffer("places", places, persistent=False)  # [2, side, side]
        widths = (num_channels * (2 * TRIPLE - 1) + len(places), *_WIDTHS)
        self.blocks = nn.Sequential(*(_block(before, after) for before, after in pairwise(widths[:-1])))
        self.from_costs = nn.Conv2d(num_shifts(radius), _COST_WIDTH, 1)
        self.last = _block(widths[-2] + _COST_WIDTH, widths[-1])
        self.to_features = nn.Linear(2 * widths[-1], _NUM_FEATURES)
        self.head = nn.Linear(_NUM_FEATURES, num_actions)

    def forward(self, frames: Tensor) -> Tensor:
        """Logits of the actions ``[B, T-1, num_actions]`` between frames ``[B, T, C, H, W]``.

        Before the first frame of a clip nothing is known: it is taken to have stood still.
        """
        batch = len(frames)
        frames = self.shrunk(frames)
        triples = torch.cat([frames[:, :1], frames], dim=1).unfold(1, TRIPLE, 1).movedim(-1, 2)
        return self.read(triples.flatten(0, 1)).unflatten(0, (batch, -1))

    def read(self, triples: Tensor) -> Tensor:
        """Logits ``[N, num_actions]`` of triples ``[N, 3, C, side, side]``."""
        change = 2 * (triples[:, 1:] - triples[:, :-1])
        seen = rearrange(torch.cat([triples, change], dim=1), "n t c h w -> n (t c) h w")
        places = self.places.expand(len(seen), -1, -1, -1).to(seen.dtype)
        x = self.blocks(torch.cat([seen, places], dim=1).contiguous(memory_format=torch.channels_last))
        x = self.last(torch.cat([x, self.from_costs(self._costs(triples))], dim=1))
        pooled = torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)
        return self.head(F.silu(self.to_features(pooled))).float()

    def shrunk(self, frames: Tensor) -> Tensor:
        """Frames ``[B, T, C, H, W]`` as they are read, ``[B, T, C, side, side]``."""
        if frames.shape[-1] == self.side:
            return frames
        small = F.interpolate(frames.flatten(0, 1), (self.side, self.side), mode="area")
        return small.unflatten(0, frames.shape[:2])

    @torch.no_grad()
    def _costs(self, triples: Tensor) -> Tensor:
        """How badly each displacement explains the last change, ``[N, S, side / 8, side / 8]``."""
        small = F.avg_pool2d(triples[:, 1:].flatten(0, 1), _GRID_PX // CELL)
        before, after = small.unflatten(0, (-1, 2)).unbind(dim=1)
        return match_costs(shifted_copies(before, self.radius), after, CELL)


def _block(before: int, after: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(before, after, 3, 2, 1), nn.GroupNorm(8, after), nn.SiLU())


class AnchoredObjective(nn.Module):
    """What the encoder says of anchors, and whether it says the same of other frames when they are altered.

    What it says itself teaches it only as far as anchors are read already, and no action may take over: one
    that is said more often than it is anchored counts less (the alignment of ReMixMatch,
    https://arxiv.org/abs/1911.09785).

    Attributes:
        shares: how often each action is among the anchors, ``[num_actions]``.
        staying: how often an action is followed by itself there.
        said: how often each was said of other frames lately, ``[num_actions]``.
    """

    shares: Tensor
    staying: Tensor
    said: Tensor

    def __init__(self, num_actions: int) -> None:
        super().__init__()
        self.register_buffer("shares", torch.full((num_actions,), 1 / num_actions))
        self.register_buffer("staying", torch.tensor(1 / num_actions))
        self.register_buffer("said", torch.full((num_actions,), 1 / num_actions))

    def likely(self, logits: Tensor) -> Tensor:
        """Probabilities of the actions of clips, ``[B, T-1, num_actions]``, from the encoder's logits."""
        return smoothed(logits, self.shares, self.staying)

    def forward(
        self,
        encoder: ActionReader,
        quantizer: OneHot,
        decoder: nn.Module,
        frames: Tensor,
        anchors: tuple[Tensor, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Return `loss`; `consistency`, and `anchored` where there are anchors, in nats a place.

        Args:
            encoder: reads.
            quantizer: not used, like the decoder.
            decoder: not used.
            frames: ``[B, T, C, H, W]`` of which nothing is known.
            anchors: triples ``[M, 3, C, H, W]`` and the actions ``[M]`` that were taken at the middle ones.
        """
        with torch.no_grad():
            likely = self._aligned(self.likely(encoder(frames)))
        logits = encoder(altered(frames, _STRONG_JITTER)) + self.shares.clamp(min=1e-4).log()
        consistency = -(likely * logits.log_softmax(dim=-1)).sum(dim=-1).mean()
        if anchors is None:
            return {"loss": consistency, "consistency": consistency}
        triples, actions = anchors
        alone = torch.rand(len(triples), device=triples.device) < _ALONE
        first = torch.where(alone[:, None, None, None], triples[:, 1], triples[:, 0])
        triples = altered(torch.cat([first[:, None], triples[:, 1:]], dim=1), _JITTER)
        named = F.cross_entropy(encoder.read(encoder.shrunk(triples)), actions)
        trust = (1 - named.detach() / math.log(len(self.shares))).clamp(min=0)
        return {"loss": named + trust * consistency, "consistency": consistency, "anchored": named}

    def _aligned(self, likely: Tensor) -> Tensor:
        if self.training:
            self.said.lerp_(likely.mean(dim=(0, 1)), _NEWS)
        likely = likely * (self.shares / self.said.clamp(min=1e-4))
        return likely / likely.sum(dim=-1, keepdim=True).clamp(min=1e-30)


def altered(clips: Tensor, jitter: float) -> Tensor:
    """Clips ``[B, T, C, H, W]`` of other contrast and brightness, moved by up to `_SHIFT_SHARE` of a side."""
    shape = (len(clips), 1, 1, 1, 1)
    contrast, brightness = (jitter * torch.randn(shape, device=clips.device) for _ in range(2))
    most = max(1, round(_SHIFT_SHARE * clips.shape[-1]))
    height, width = clips.shape[-2:]
    padded = F.pad((clips * (1 + contrast) + brightness).flatten(1, 2), (most,) * 4, mode="replicate")
    places = torch.randint(2 * most + 1, (len(clips), 2)).tolist()
    moved = [clip[:, y : y + height, x : x + width] for clip, (y, x) in zip(padded, places, strict=True)]
    return torch.stack(moved).view_as(clips)


def build(frame_size: int, num_actions: int, num_channels: int, motion_radius: int, **_: Any) -> ActionParts:
    """Build the parts from the network's settings; its sizes are fixed."""
    return ActionParts(
        ActionReader(frame_size, motion_radius, num_actions, num_channels),
        OneHot(num_actions),
        nn.Identity(),  # nothing predicts frames
        AnchoredObjective(num_actions),
    )
