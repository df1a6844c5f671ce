"""Parts of the v1 latent action model, as public weights need them."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from tinyworlds.models.video_tokenizer import PatchEmbed
from tinyworlds.nn.fsq import FSQ
from tinyworlds.nn.linear import Linear
from tinyworlds.nn.losses import plain_loss
from tinyworlds.nn.patches import PatchLinear, unpatchify
from tinyworlds.nn.positions import SpaceCode
from tinyworlds.nn.transformer import v1_transformer

VARIANCE_WEIGHT = 100.0
VARIANCE_FLOOR = 0.01


class ActionQuantizer(Protocol):
    """Vectors to latents, which are actions."""

    def __call__(self, vectors: Tensor) -> Tensor:
        """Latents ``[..., A]`` of vectors ``[..., A]``."""

    def ids(self, latents: Tensor) -> Tensor:
        """Actions ``[...]`` of latents."""

    def latents(self, ids: Tensor) -> Tensor:
        """Latents of actions."""


class ActionParts(NamedTuple):
    """What an architecture chooses; the signatures are in `latent_actions`."""

    encoder: nn.Module
    quantizer: ActionQuantizer
    decoder: nn.Module
    objective: nn.Module


class PairEncoder(nn.Module):
    """Reads the action off the mean tokens of two neighbouring frames."""

    def __init__(
        self, patch_embed: nn.Module, transformer: nn.Module, embed_dim: int, action_dim: int
    ) -> None:
        super().__init__()
        self.patch_embed = patch_embed
        self.transformer = transformer
        self.action_head = nn.Sequential(
            nn.LayerNorm(2 * embed_dim),
            nn.Linear(2 * embed_dim, 4 * action_dim),
            nn.GELU(),
            nn.Linear(4 * action_dim, action_dim),
        )

    def forward(self, frames: Tensor) -> Tensor:
        """Encode ``[B, T, C, H, W]`` to ``[B, T-1, A]``, before quantisation."""
        pooled = self.transformer(self.patch_embed(frames)).mean(dim=2)  # [B, T, E]
        return self.action_head(torch.cat([pooled[:, :-1], pooled[:, 1:]], dim=-1))


class MaskedDecoder(nn.Module):
    """Predicts frames from the first frame and the actions; in eval mode it sees the frames between, too."""

    def __init__(
        self, patch_embed: PatchEmbed, transformer: nn.Module, embed_dim: int, num_channels: int
    ) -> None:
        super().__init__()
        self.mask_token = nn.Parameter(torch.randn(1, 1, 1, embed_dim) * 0.02)
        self.patch_embed = patch_embed
        self.transformer = transformer
        pixels = num_channels * patch_embed.patch_size**2
        self.frame_head = nn.Sequential(nn.LayerNorm(embed_dim), Linear(embed_dim, pixels), nn.Tanh())

    def forward(self, frames: Tensor, latents: Tensor) -> Tensor:
        """Predict ``[B, T-1, C, H, W]`` from ``[B, T, C, H, W]`` (the last is not looked at) and actions."""
        x = self.patch_embed(frames[:, :-1])  # [B, T-1, P, E]
        if self.training:
            x = torch.cat([x[:, :1], self.mask_token.expand_as(x[:, 1:]).to(x.dtype)], dim=1)
        patches = self.frame_head(self.transformer(x, latents))
        return unpatchify(patches, self.patch_embed.patch_size, *frames.shape[-2:])


class VarianceObjective(nn.Module):
    """Smooth L1, and a penalty when the actions of a batch hardly differ."""

    def forward(
        self, encoder: PairEncoder, quantizer: FSQ, decoder: MaskedDecoder, frames: Tensor
    ) -> dict[str, Tensor]:
        """Return `loss`, `reconstruction`, `variance`."""
        vectors = encoder(frames)
        reconstruction = plain_loss(decoder(frames, quantizer(vectors)), frames[:, 1:])
        variance = vectors.float().var(dim=0, correction=0).mean()
        loss = reconstruction + VARIANCE_WEIGHT * torch.relu(VARIANCE_FLOOR - variance)
        return {"loss": loss, "reconstruction": reconstruction, "variance": variance}


def build(
    frame_size: int,
    patch_size: int,
    embed_dim: int,
    num_heads: int,
    hidden_dim: int,
    num_blocks: int,
    num_actions: int,
    num_channels: int,
    **_: Any,
) -> ActionParts:
    """Build the parts from the network's settings."""
    grid, pixels = frame_size // patch_size, num_channels * patch_size**2
    sizes = (embed_dim, num_heads, hidden_dim, num_blocks)
    quantizer = FSQ(num_actions.bit_length() - 1, num_bins=2)
    action_dim = len(quantizer.basis)

    def patch_embed() -> PatchEmbed:
        return PatchEmbed(patch_size, PatchLinear(pixels, embed_dim), SpaceCode(grid, embed_dim))

    return ActionParts(
        PairEncoder(patch_embed(), v1_transformer(*sizes), embed_dim, action_dim),
        quantizer,
        MaskedDecoder(patch_embed(), v1_transformer(*sizes, action_dim), embed_dim, num_channels),
        VarianceObjective(),
    )
