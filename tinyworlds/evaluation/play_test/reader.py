"""A network that tells from neighbouring frames which key was pressed: an inverse-dynamics model.

After "Video PreTraining" (Baker et al. 2022, https://arxiv.org/abs/2206.11795, section 4.1), at a size that a
CPU trains in a minute. It learns from true frames only, never from a world's, so that one reader judges all
worlds of a recording. It is no part of any world.

Shapes: N triples, C channels, H W pixels. A triple holds the frame before a key was pressed, the frame at
which it was, and the one after: what is read is the action taken at the middle one.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from tinyworlds.media.pixels import frames_to_input
from tinyworlds.nn.devices import has_fast_bf16

TRIPLE = 3
"""Frames that an action is read from."""

LARGEST = 64
"""Side in pixels to which larger frames are shrunk before they are read."""

_WIDTHS = (32, 64, 96, 128)
_NUM_FEATURES = 64
_UPDATES, _BATCH = 500, 128
_MOST_VIEWS = 20  # of an example; few of them are not worth more
_LEARNING_RATE, _WEIGHT_DECAY, _WARM_UP = 3e-3, 0.05, 0.15
_BRIGHTNESS = 0.1  # pictures of a world are a little darker, brighter or flatter than true ones
_AT_A_TIME = 512


class KeyReader(nn.Module):
    """Actions from triples of frames.

    Args:
        num_actions: how many there are to tell apart.
        num_channels: C.
    """

    def __init__(self, num_actions: int, num_channels: int = 3) -> None:
        super().__init__()
        widths = (num_channels * (2 * TRIPLE - 1), *_WIDTHS)
        self.num_actions = num_actions
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(before, after, 3, 2, 1), nn.GroupNorm(8, after), nn.SiLU())
                for before, after in pairwise(widths)
            )
        )
        self.to_features = nn.Linear(2 * _WIDTHS[-1], _NUM_FEATURES)
        self.head = nn.Linear(_NUM_FEATURES, num_actions)

    def features(self, triples: Tensor) -> Tensor:
        """What is read from, float ``[N, 64]``, of triples ``[N, 3, C, H, W]`` in [-1, 1]."""
        side = min(LARGEST, triples.shape[-1])
        if triples.shape[-1] != side:
            small = F.interpolate(triples.flatten(0, 1), (side, side), mode="area")
            triples = small.unflatten(0, triples.shape[:2])
        change = 2 * (triples[:, 1:] - triples[:, :-1])
        seen = rearrange(torch.cat([triples, change], dim=1), "n t c h w -> n (t c) h w")
        seen = self.blocks(seen.contiguous(memory_format=torch.channels_last))
        pooled = torch.cat([seen.mean(dim=(2, 3)), seen.amax(dim=(2, 3))], dim=1)
        return F.silu(self.to_features(pooled)).float()

    def forward(self, triples: Tensor) -> Tensor:
        """Logits ``[N, num_actions]`` of triples ``[N, 3, C, H, W]`` in [-1, 1]."""
        return self.head(self.features(triples))

    @torch.inference_mode()
    def read(self, triples: Tensor) -> Tensor:
        """The likeliest actions, int64 ``[N]``, of triples uint8 ``[N, 3, H, W, C]``; on the CPU."""
        return _in_parts(triples, self, lambda part: self(part).argmax(dim=1))

    @torch.inference_mode()
    def look(self, triples: Tensor) -> Tensor:
        """Features, float ``[N, 64]``, of triples uint8 ``[N, 3, H, W, C]``; on the CPU."""
        return _in_parts(triples, self, self.features)


def triples_of(frames: Tensor) -> Tensor:
    """Every three neighbouring frames of clips ``[n, T, ...]``: ``[n, T - 2, 3, ...]``, without a copy."""
    return frames.unfold(1, TRIPLE, 1).movedim(-1, 2)


@torch.inference_mode(False)
@torch.enable_grad()
def train_reader(
    frames: Tensor,
    actions: Tensor,
    num_actions: int,
    device: torch.device | str = "cpu",
    num_updates: int = _UPDATES,
    progress: Callable[[float], None] | None = None,
) -> KeyReader:
    """Train a reader on clips of gameplay; all actions are shown equally often.

    Args:
        frames: uint8 ``[n, T, H, W, C]``, T of 3 or more.
        actions: int64 ``[n, T]``, the action taken at each frame; below 0 where it is unknown.
        num_actions: how many there are; ids of more are not read.
        device: where to train.
        num_updates: at most; fewer where there are few examples.
        progress: told the share done, 0 to 1.
    """
    triples, taken = triples_of(frames), actions[:, 1:-1]
    places = [(taken == action).nonzero() for action in range(num_actions)]
    places = [found for found in places if len(found)]
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        reader = KeyReader(num_actions, frames.shape[-1])
    reader.to(device)
    optimizer = torch.optim.AdamW(reader.parameters(), _LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    num_updates = min(num_updates, 1 + _MOST_VIEWS * taken.numel() // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, _LEARNING_RATE, total_steps=num_updates, pct_start=_WARM_UP
    )
    each = -(-_BATCH // len(places))
    for update in range(num_updates):
        drawn = [found[torch.randint(len(found), (each,), generator=generator)] for found in places]
        clip, place = torch.cat(drawn).unbind(1)
        seen = _jittered(frames_to_input(triples[clip, place].to(device)), generator)
        with torch.autocast(seen.device.type, torch.bfloat16, enabled=has_fast_bf16(seen.device)):
            logits = reader(seen)
        loss = F.cross_entropy(logits.float(), taken[clip, place].to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if progress is not None:
            progress((update + 1) / num_updates)
    return reader.eval()


def _jittered(triples: Tensor, generator: torch.Generator) -> Tensor:
    """Each triple a little brighter or darker and of other contrast."""
    shape = (2, len(triples), 1, 1, 1, 1)
    contrast, brightness = _BRIGHTNESS * torch.randn(shape, generator=generator).to(triples)
    return triples * (1 + contrast) + brightness


def _in_parts(triples: Tensor, reader: KeyReader, function: Callable[[Tensor], Tensor]) -> Tensor:
    device = reader.head.weight.device
    return torch.cat([function(frames_to_input(part.to(device))).cpu() for part in triples.split(_AT_A_TIME)])
