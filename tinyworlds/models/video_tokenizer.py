"""Video tokenizer: frames to discrete codes and back (Genie, https://arxiv.org/abs/2402.15391, section 2.1).

v1 mixes space and time, so a frame's codes depend on the frames before it. v2 has no temporal layers: each
frame is coded on its own, which lets a play session keep codes and a training run compute them once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn

from tinyworlds.models.base import (
    Network,
    check_bins,
    check_frames,
    check_grid,
    check_heads,
    check_positive,
    pick,
)
from tinyworlds.nn.fsq import FSQ
from tinyworlds.nn.linear import Linear
from tinyworlds.nn.losses import motion_loss, plain_loss
from tinyworlds.nn.patches import PatchLinear, patchify, unpatchify
from tinyworlds.nn.positions import LearnedPlace, SpaceCode
from tinyworlds.nn.transformer import Transformer, v1_transformer, v2_transformer


class PatchEmbed(nn.Module):
    """Frames ``[B, T, C, H, W]`` to placed tokens ``[B, T, P, E]``."""

    def __init__(self, patch_size: int, proj: nn.Module, place: nn.Module) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.proj = proj
        self.place = place

    def forward(self, frames: Tensor) -> Tensor:
        """Embed each patch."""
        return self.place(self.proj(patchify(frames, self.patch_size)))


class Encoder(nn.Module):
    """Frames to latents before quantisation ``[B, T, P, L]``."""

    def __init__(self, patch_embed: nn.Module, transformer: nn.Module, latent_head: nn.Module) -> None:
        super().__init__()
        self.patch_embed = patch_embed
        self.transformer = transformer
        self.latent_head = latent_head

    def forward(self, frames: Tensor) -> Tensor:
        """Encode ``[B, T, C, H, W]``."""
        return self.latent_head(self.transformer(self.patch_embed(frames)))


class FrameHead(nn.Module):
    """Tokens ``[B, T, P, E]`` to frames ``[B, T, C, H, W]``."""

    def __init__(self, frame_size: int, patch_size: int, to_pixels: nn.Module) -> None:
        super().__init__()
        self.frame_size = frame_size
        self.patch_size = patch_size
        self.to_pixels = to_pixels

    def forward(self, x: Tensor) -> Tensor:
        """Paint each patch; the range is not limited."""
        return unpatchify(self.to_pixels(x), self.patch_size, self.frame_size, self.frame_size)


class Decoder(nn.Module):
    """Quantised latents ``[B, T, P, L]`` to frames."""

    def __init__(
        self, latent_embed: nn.Module, place: nn.Module, transformer: Transformer, frame_head: nn.Module
    ) -> None:
        super().__init__()
        self.latent_embed = latent_embed
        self.place = place
        self.transformer = transformer
        self.frame_head = frame_head

    def forward(self, latents: Tensor) -> Tensor:
        """Decode; outputs can leave [-1, 1]."""
        return self.frame_head(self.transformer(self.place(self.latent_embed(latents))))


class TokenizerParts(NamedTuple):
    """What an architecture chooses."""

    encoder: Encoder
    decoder: Decoder
    reconstruction_loss: Callable[[Tensor, Tensor], Tensor]
    per_frame: bool


def _v1(
    frame_size: int,
    patch_size: int,
    embed_dim: int,
    num_heads: int,
    hidden_dim: int,
    num_blocks: int,
    latent_dim: int,
    num_channels: int,
) -> TokenizerParts:
    grid, pixels = frame_size // patch_size, num_channels * patch_size**2
    sizes = (embed_dim, num_heads, hidden_dim, num_blocks)
    encoder = Encoder(
        PatchEmbed(patch_size, PatchLinear(pixels, embed_dim), SpaceCode(grid, embed_dim)),
        v1_transformer(*sizes),
        nn.Sequential(nn.LayerNorm(embed_dim), Linear(embed_dim, latent_dim)),
    )
    decoder = Decoder(
        Linear(latent_dim, embed_dim),
        SpaceCode(grid, embed_dim),
        v1_transformer(*sizes),
        FrameHead(frame_size, patch_size, PatchLinear(embed_dim, pixels)),
    )
    return TokenizerParts(encoder, decoder, plain_loss, per_frame=False)


def _v2(
    frame_size: int,
    patch_size: int,
    embed_dim: int,
    num_heads: int,
    hidden_dim: int,
    num_blocks: int,
    latent_dim: int,
    num_channels: int,
) -> TokenizerParts:
    grid, pixels = frame_size // patch_size, num_channels * patch_size**2
    sizes = (embed_dim, num_heads, hidden_dim, num_blocks, grid)
    encoder = Encoder(
        PatchEmbed(patch_size, Linear(pixels, embed_dim), LearnedPlace(grid**2, embed_dim)),
        v2_transformer(*sizes, temporal=False),
        Linear(embed_dim, latent_dim),
    )
    decoder = Decoder(
        Linear(latent_dim, embed_dim),
        LearnedPlace(grid**2, embed_dim),
        v2_transformer(*sizes, temporal=False),
        FrameHead(frame_size, patch_size, Linear(embed_dim, pixels)),
    )
    return TokenizerParts(encoder, decoder, motion_loss, per_frame=True)


class VideoTokenizer(Network):
    """Codes frames as a grid of integers.

    Args:
        frame_size: Height and width of a frame, in pixels; a multiple of `patch_size`.
        patch_size: Side of a patch, in pixels; each patch becomes one code.
        embed_dim: Width of the transformers; a multiple of twice `num_heads`.
        num_heads: Attention heads.
        hidden_dim: Width of the feed-forward layers, before SwiGLU takes two thirds of it.
        num_blocks: Blocks of the encoder, and of the decoder.
        latent_dim: Channels of a code.
        num_bins: Levels per channel; there are ``num_bins ** latent_dim`` codes.
        architecture: "v2", or "v1" for public weights.
        num_channels: Colour channels.

    Attributes:
        num_codes: How many codes there are, K.
        num_patches: Codes per frame, P.
        per_frame: Whether a frame's codes depend on that frame only.

    Raises:
        ConfigError: Sizes do not divide, or the architecture is unknown.
    """

    def __init__(
        self,
        frame_size: int = 64,
        patch_size: int = 4,
        embed_dim: int = 32,
        num_heads: int = 8,
        hidden_dim: int = 128,
        num_blocks: int = 4,
        latent_dim: int = 5,
        num_bins: int = 4,
        architecture: str = "v2",
        num_channels: int = 3,
    ) -> None:
        super().__init__(locals())
        check_heads(embed_dim, num_heads)
        check_positive(hidden_dim=hidden_dim, num_blocks=num_blocks, latent_dim=latent_dim)
        check_positive(num_channels=num_channels)
        check_bins(num_bins)
        self.num_patches = check_grid(frame_size, patch_size) ** 2
        build = pick("architecture", architecture, {"v1": _v1, "v2": _v2})
        parts = build(
            frame_size, patch_size, embed_dim, num_heads, hidden_dim, num_blocks, latent_dim, num_channels
        )
        self.encoder, self.decoder, self._reconstruction_loss, self.per_frame = parts
        self.quantizer = FSQ(latent_dim, num_bins)
        self.num_codes = self.quantizer.num_codes

    def forward(self, frames: Tensor) -> Tensor:
        """Reconstruct ``[B, T, C, H, W]`` in [-1, 1] through the codes; the result is not clamped."""
        check_frames(frames, self.config["num_channels"], self.config["frame_size"])
        return self.decoder(self.quantizer(self.encoder(frames)))

    def encode(self, frames: Tensor) -> Tensor:
        """Codes ``[B, T, P]`` int64 of frames ``[B, T, C, H, W]`` in [-1, 1]."""
        check_frames(frames, self.config["num_channels"], self.config["frame_size"])
        return self.ids(self.quantizer(self.encoder(frames)))

    def decode(self, ids: Tensor) -> Tensor:
        """Frames ``[B, T, C, H, W]`` of codes ``[B, T, P]``; not clamped to [-1, 1]."""
        return self.decoder(self.latents(ids))

    def latents(self, ids: Tensor) -> Tensor:
        """Code vectors ``[B, T, P, L]`` in [-1, 1] of codes ``[B, T, P]``."""
        return self.quantizer.latents(ids)

    def ids(self, latents: Tensor) -> Tensor:
        """Codes ``[B, T, P]`` of code vectors ``[B, T, P, L]``."""
        return self.quantizer.ids(latents)

    def loss(self, frames: Tensor) -> dict[str, Tensor]:
        """Training loss on ``[B, T, C, H, W]`` in [-1, 1]: `loss`, and its part `reconstruction`."""
        reconstruction = self._reconstruction_loss(self(frames), frames)
        return {"loss": reconstruction, "reconstruction": reconstruction}
