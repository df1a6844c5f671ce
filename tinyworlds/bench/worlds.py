"""Worlds of a size to be timed and compared: the reference's, ours, and whether their codes are the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tinyworlds.bench.pattern import moving_frames
from tinyworlds.bench.reference import ReferenceWorld
from tinyworlds.bench.sizes import Networks, Size
from tinyworlds.world.core import WorldCore


@dataclass(frozen=True)
class CodeMatch:
    """Whether a world decoded the reference's codes.

    Attributes:
        shares: of each frame, the share of codes that are equal. One code that differs changes what follows.
        num_codes: how many different codes the reference decoded; agreeing on one says little.
    """

    shares: tuple[float, ...]
    num_codes: int

    @property
    def equal(self) -> bool:
        """Whether all codes of all frames are."""
        return all(share == 1 for share in self.shares)

    def __str__(self) -> str:
        right = next((i for i, share in enumerate(self.shares) if share < 1), len(self.shares))
        if self.equal:
            return f"equal, {right} of {len(self.shares)} frames"
        return f"DIFFERENT from frame {right + 1} on ({self.shares[right]:.1%} equal there)"


def our_world(networks: Networks, size: Size, device: torch.device, **settings: Any) -> WorldCore:
    """A world of `networks`, which stay as they are, with the settings of the reference's."""
    shared: dict[str, Any] = {"context_frames": size.play_context, "num_steps": size.num_steps}
    return WorldCore(*players(networks), device=device, **shared | {"precision": "32"} | settings)


def reference_codes(networks: Networks, size: Size, num_frames: int) -> list[Tensor]:
    """The codes [P] of the frames that the reference plays from its own codes."""
    world = reference_world(networks, size, feedback="codes")
    world.reset(*start(size))
    codes = []
    for action in actions_of(size, num_frames):
        world.step(action)
        codes.append(world.ids[0, -1])
    return codes


def compare_codes(world: WorldCore, truth: Sequence[Tensor], size: Size) -> CodeMatch:
    """Play the same actions and compare the codes of every frame with those of the reference."""
    world.reset(*start(size))
    shares = []
    for action, codes in zip(actions_of(size, len(truth)), truth, strict=True):
        world.step(action)
        shares.append(float((_last_codes(world) == codes).float().mean()))
    return CodeMatch(tuple(shares), len(torch.stack(list(truth)).unique()))


def _last_codes(world: WorldCore) -> Tensor:
    # a world shows pixels; only a comparison asks for the codes behind them
    assert world.codes is not None
    return world.codes[0, -1]


def reference_world(networks: Networks, size: Size, feedback: str = "pixels") -> ReferenceWorld:
    """The reference at play; from pixels, as the original does."""
    return ReferenceWorld(
        networks["video_tokenizer"],
        networks["dynamics"],
        size.play_context,
        size.num_steps,
        feedback,
    )


def players(networks: Networks) -> list[Any]:
    """The two networks that play."""
    return [networks[stage] for stage in ("video_tokenizer", "dynamics")]


def start(size: Size) -> tuple[np.ndarray, np.ndarray]:
    """Frames uint8 [T, H, W, 3] that fill a context, and the actions between them."""
    count = max(size.play_context, size.context_frames)
    return moving_frames(0, count, size.frame_size), np.array(actions_of(size, count - 1))


def actions_of(size: Size, count: int) -> list[int]:
    """Some actions, always the same."""
    return [int(action) for action in np.random.default_rng(1).integers(size.num_actions, size=count)]
