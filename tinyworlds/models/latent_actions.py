"""Latent actions: which of a few actions led from each frame to the next, learned without labels.

After Genie (https://arxiv.org/abs/2402.15391, section 2.1). The network is four chosen parts, `ActionParts`:

- ``encoder(frames [B, T, C, H, W]) -> [B, T-1, A]``, one vector per pair of neighbouring frames;
- ``quantizer``: ``(vectors) -> latents [B, T-1, A]``, ``.ids(latents) -> [B, T-1]``, ``.latents(ids)``;
- ``decoder(frames, latents) -> [B, T-1, C, H, W]``, frames 1..T-1 from earlier frames and the actions;
- ``objective(encoder, quantizer, decoder, frames) -> dict`` of scalars, among them `loss`.

`latent_actions_v1`, `latent_actions_v2` and `latent_actions_anchored` build them. An anchored model is told
some true actions, so its actions are those; it reads actions only, and predicts no frames.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from tinyworlds.errors import ConfigError, DataError
from tinyworlds.models import latent_actions_anchored, latent_actions_v1, latent_actions_v2
from tinyworlds.models.base import Network, check_frames, check_grid, check_heads, check_positive, pick
from tinyworlds.models.latent_actions_anchored import AnchoredObjective
from tinyworlds.models.latent_actions_v1 import ActionParts

_ARCHITECTURES: dict[str, Callable[..., ActionParts]] = {
    "v1": latent_actions_v1.build,
    "v2": latent_actions_v2.build,
}


class LatentActionModel(Network):
    """Infers actions from frames, and predicts frames from them so that they have to mean something.

    Args:
        frame_size: Height and width of a frame, in pixels; a multiple of `patch_size`.
        patch_size: Side of a patch, in pixels.
        embed_dim: Width of the transformers; a multiple of twice `num_heads`.
        num_heads: Attention heads.
        hidden_dim: Width of the feed-forward layers, before SwiGLU takes two thirds of it.
        num_blocks: Blocks of the encoder, and of the decoder.
        num_actions: How many actions to tell apart; a power of two, or as many as are recorded if anchored.
        architecture: "v2", or "v1" for public weights.
        num_channels: Colour channels.
        motion_size: v2 looks for motion in frames shrunk to this side, in pixels; None for a quarter of
            `frame_size`. Smaller hears large motion, larger small things.
        motion_radius: v2 looks this far, in pixels of the shrunk frame.
        anchored: whether actions are those of recorded labels, see `anchor`.

    v2 is convolutional over pairs of frames: `embed_dim` and `hidden_dim` are its channels; it has no use for
    `patch_size` and `num_heads`. An anchored model is of one size, whatever these say.

    Raises:
        ConfigError: Sizes do not divide, `num_actions` is no power of two, the architecture is unknown, or is
            "v1" and anchored.
    """

    def __init__(
        self,
        frame_size: int = 64,
        patch_size: int = 4,
        embed_dim: int = 32,
        num_heads: int = 8,
        hidden_dim: int = 128,
        num_blocks: int = 2,
        num_actions: int = 16,
        architecture: str = "v2",
        num_channels: int = 3,
        motion_size: int | None = None,
        motion_radius: int = 4,
        anchored: bool = False,
    ) -> None:
        super().__init__(locals())
        check_heads(embed_dim, num_heads)
        check_grid(frame_size, patch_size)
        check_positive(hidden_dim=hidden_dim, num_blocks=num_blocks, num_channels=num_channels)
        check_positive(motion_radius=motion_radius, motion_size=1 if motion_size is None else motion_size)
        if anchored and architecture == "v1":
            raise ConfigError("architecture v1 cannot be anchored: leave label_share out, or use v2.")
        if num_actions < 2 or (num_actions & (num_actions - 1) and not anchored):
            nearest = 2 ** max(num_actions.bit_length(), 1)
            raise ConfigError(f"num_actions must be a power of two, got {num_actions}: take {nearest}.")
        build = pick("architecture", architecture, _ARCHITECTURES)
        parts = (latent_actions_anchored.build if anchored else build)(**self.config)
        self.encoder, self.quantizer, self.decoder, self.objective = parts
        self.num_actions = num_actions
        self.anchored = anchored

    def forward(self, frames: Tensor) -> Tensor:
        """Predict frames 1..T-1 ``[B, T-1, C, H, W]`` of ``[B, T, C, H, W]`` in [-1, 1]."""
        self._check(frames)
        if self.anchored:
            raise ConfigError("an anchored action model reads actions and predicts no frames: use encode.")
        return self.decoder(frames, self.quantizer(self.encoder(frames)))

    def encode(self, frames: Tensor) -> Tensor:
        """Actions ``[B, T-1]`` int64 between neighbouring frames of ``[B, T, C, H, W]`` in [-1, 1].

        An anchored model looks at the whole of each clip, since keys are held; the longer, the surer.
        """
        self._check(frames)
        if isinstance(self.objective, AnchoredObjective):
            return self.objective.likely(self.encoder(frames)).argmax(dim=-1)
        return self.quantizer.ids(self.quantizer(self.encoder(frames)))

    def latents(self, action_ids: Tensor) -> Tensor:
        """Action vectors ``[B, T-1, A]`` of actions ``[B, T-1]``."""
        return self.quantizer.latents(action_ids)

    def anchor(self, counts: Sequence[int] | np.ndarray, staying: float) -> None:
        """Tell an anchored model how its anchors are spread.

        Args:
            counts: how many there are of each action.
            staying: how often an action is followed by itself, 0 to 1.

        Raises:
            ConfigError: there are not as many counts as actions.
        """
        if len(counts) != self.num_actions:
            raise ConfigError(
                f"the data hold {len(counts)} actions, the network knows {self.num_actions}: "
                f"set --model.num_actions {len(counts)}"
            )
        assert isinstance(self.objective, AnchoredObjective)
        shares = torch.as_tensor(counts, dtype=torch.float32)
        self.objective.shares.copy_(shares / shares.sum())
        self.objective.said.copy_(self.objective.shares)
        self.objective.staying.fill_(staying)

    def loss(self, frames: Tensor, anchors: tuple[Tensor, Tensor] | None = None) -> dict[str, Tensor]:
        """Training loss on ``[B, T, C, H, W]`` in [-1, 1]: `loss` and its parts.

        Args:
            frames: clips of which nothing is known.
            anchors: for an anchored model, triples ``[M, 3, C, H, W]`` and the actions ``[M]`` taken at the
                middle ones; None judges it without.
        """
        self._check(frames)
        known = {"anchors": anchors} if self.anchored else {}
        return self.objective(self.encoder, self.quantizer, self.decoder, frames, **known)

    def _check(self, frames: Tensor) -> None:
        check_frames(frames, self.config["num_channels"], self.config["frame_size"])
        if frames.shape[1] < 2:
            raise DataError(
                "an action lies between two frames, got clips of one: set num_frames to 2 or more."
            )
