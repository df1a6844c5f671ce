"""The three networks of v1 in plain PyTorch; public weights load with ``strict=True`` as they are.

Shapes: B batch, T frames, C = 3 channels, P patches per frame, E embedding, A conditioning, L code width,
D bins, K = D^L codes, S patch side. Frames are float in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tinyworlds.bench.reference_blocks import Transformer, space_code
from tinyworlds.bench.reference_tokens import FSQ, PatchEmbed, PointwiseMap, code_vectors, from_patches


class TokenizerEncoder(nn.Module):
    """Frames to values before rounding, [B, T, P, L]."""

    def __init__(self, frame_size: int, side: int, dim: int, width: int, **blocks: Any) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(frame_size, side, dim)
        self.transformer = Transformer(dim, **blocks)
        self.latent_head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, width))

    def forward(self, frames: Tensor) -> Tensor:
        return self.latent_head(self.transformer(self.patch_embed(frames)))


class TokenizerDecoder(nn.Module):
    """Code vectors [B, T, P, L] to frames, which may leave [-1, 1]."""

    code: Tensor

    def __init__(self, frame_size: int, side: int, dim: int, width: int, **blocks: Any) -> None:
        super().__init__()
        self.side = side
        self.latent_embed = nn.Linear(width, dim)
        self.register_buffer("code", space_code(frame_size // side, dim), persistent=False)
        self.transformer = Transformer(dim, **blocks)
        self.frame_head = PointwiseMap("to_pixels", dim, 3 * side * side)

    def forward(self, latents: Tensor) -> Tensor:
        x = self.transformer(self.latent_embed(latents) + self.code)
        return from_patches(self.frame_head(x), self.side)


class ReferenceTokenizer(nn.Module):
    """Frames to code ids and back."""

    def __init__(
        self, frame_size: int, side: int, dim: int, width: int = 5, num_bins: int = 4, **blocks: Any
    ) -> None:
        super().__init__()
        self.encoder = TokenizerEncoder(frame_size, side, dim, width, **blocks)
        self.quantizer = FSQ(width, num_bins)
        self.decoder = TokenizerDecoder(frame_size, side, dim, width, **blocks)

    def forward(self, frames: Tensor) -> Tensor:
        """Reconstruction, not clamped."""
        return self.decoder(self.quantizer(self.encoder(frames)))

    def encode(self, frames: Tensor) -> Tensor:
        """Code ids [B, T, P]."""
        return self.quantizer.ids(self.quantizer(self.encoder(frames)))

    def decode(self, ids: Tensor) -> Tensor:
        """Frames of code ids [B, T, P], not clamped."""
        return self.decoder(self.quantizer.values(ids))

    def loss(self, frames: Tensor) -> Tensor:
        """Smooth L1 of the reconstruction."""
        return F.smooth_l1_loss(self(frames), frames)


class ActionEncoder(nn.Module):
    """What happens between neighbouring frames, before rounding: [B, T-1, A]."""

    def __init__(self, frame_size: int, side: int, dim: int, width: int, **blocks: Any) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(frame_size, side, dim)
        self.transformer = Transformer(dim, **blocks)
        self.action_head = nn.Sequential(
            nn.LayerNorm(2 * dim), nn.Linear(2 * dim, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, frames: Tensor) -> Tensor:
        whole = self.transformer(self.patch_embed(frames)).mean(dim=2)  # [B, T, E]
        return self.action_head(torch.cat([whole[:, :-1], whole[:, 1:]], dim=-1))


class ActionDecoder(nn.Module):
    """The frames after each of the given ones [B, T-1, ...], guided by actions [B, T-1, A]."""

    def __init__(self, frame_size: int, side: int, dim: int, width: int, **blocks: Any) -> None:
        super().__init__()
        self.side = side
        self.patch_embed = PatchEmbed(frame_size, side, dim)
        self.mask_token = nn.Parameter(torch.randn(1, 1, 1, dim) * 0.02)
        self.transformer = Transformer(dim, cond_dim=width, **blocks)
        self.frame_head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, 3 * side * side), nn.Tanh())

    def forward(self, frames: Tensor, actions: Tensor) -> Tensor:
        x = self.patch_embed(frames)
        if self.training:  # only the first frame is seen; the rest must come from the actions
            x = torch.cat([x[:, :1], self.mask_token.expand_as(x[:, 1:])], dim=1)
        return from_patches(self.frame_head(self.transformer(x, actions)), self.side)


class ReferenceActions(nn.Module):
    """The actions nobody labelled."""

    def __init__(self, frame_size: int, side: int, dim: int, width: int = 4, **blocks: Any) -> None:
        super().__init__()
        self.encoder = ActionEncoder(frame_size, side, dim, width, **blocks)
        self.quantizer = FSQ(width, num_bins=2)
        self.decoder = ActionDecoder(frame_size, side, dim, width, **blocks)

    def forward(self, frames: Tensor) -> Tensor:
        """Prediction of frames 1 ... T-1."""
        return self.decoder(frames[:, :-1], self.quantizer(self.encoder(frames)))

    def encode(self, frames: Tensor) -> Tensor:
        """Action ids [B, T-1]."""
        return self.quantizer.ids(self.quantizer(self.encoder(frames)))

    def loss(self, frames: Tensor) -> Tensor:
        """Smooth L1 of the prediction, and a penalty when actions hardly vary over the batch."""
        raw = self.encoder(frames)
        predicted = self.decoder(frames[:, :-1], self.quantizer(raw))
        variance = raw.var(dim=0, correction=0).mean()
        return F.smooth_l1_loss(predicted, frames[:, 1:]) + 100 * F.relu(0.01 - variance)


class ReferenceDynamics(nn.Module):
    """Logits [B, T, P, K] of the codes, from code vectors of which some are masked.

    `cond_dim` is the width of an action, 0 where there are none; `experts` as in `Transformer`.
    """

    code: Tensor

    def __init__(
        self,
        frame_size: int,
        side: int,
        dim: int,
        width: int = 5,
        num_bins: int = 4,
        cond_dim: int = 4,
        experts: tuple[int, int] = (0, 0),
        **blocks: int,
    ) -> None:
        super().__init__()
        self.width, self.num_bins, self.cond_dim = width, num_bins, cond_dim
        self.mask_token = nn.Parameter(torch.randn(1, 1, 1, width) * 0.02)
        self.latent_embed = nn.Linear(width, dim)
        self.register_buffer("code", space_code(frame_size // side, dim), persistent=False)
        self.transformer = Transformer(dim, cond_dim=cond_dim, experts=experts, **blocks)
        self.output_mlp = nn.Linear(dim, num_bins**width)

    def forward(self, latents: Tensor, actions: Tensor | None = None) -> Tensor:
        """Latents [B, T, P, L] and actions [B, T-1 or T, A], both in [-1, 1]."""
        return self.output_mlp(self.transformer(self.latent_embed(latents) + self.code, actions))

    def vectors(self, ids: Tensor) -> Tensor:
        """Code vectors of code ids: [...] -> [..., L]."""
        return code_vectors(ids, self.num_bins, self.width)


NETWORKS = {
    "video_tokenizer": ReferenceTokenizer,
    "latent_actions": ReferenceActions,
    "dynamics": ReferenceDynamics,
}


def build(stage: str, config: Mapping[str, Any], state: Mapping[str, Tensor] | None = None) -> nn.Module:
    """The network of a stage, in eval mode, with the sizes of a public checkpoint's `config`.

    Args:
        stage: A key of `NETWORKS`.
        config: `frame_size`, `patch_size`, `embed_dim`, `num_heads`, `hidden_dim`, `num_blocks` (a number, or
            one for each stage), `latent_dim`, `num_bins`, `n_actions`; for a mixture `use_moe`, `num_experts`
            and `top_k_experts`.
        state: Weights to load; fresh ones without.
    """
    num_blocks = config["num_blocks"]
    sizes: dict[str, Any] = {
        "frame_size": config["frame_size"],
        "side": config["patch_size"],
        "dim": config["embed_dim"],
        "num_heads": config["num_heads"],
        "hidden_dim": config["hidden_dim"],
        "num_blocks": num_blocks[stage] if isinstance(num_blocks, Mapping) else num_blocks,
    }
    action_width = int(config["n_actions"]).bit_length() - 1  # one binary digit each
    if stage == "latent_actions":
        sizes["width"] = action_width
    else:
        sizes |= {"width": config["latent_dim"], "num_bins": config["num_bins"]}
    if stage == "dynamics":
        sizes["cond_dim"] = action_width
        mixture = config.get("moe", config)  # some files keep these settings in a group of their own
        if mixture.get("use_moe"):
            sizes["experts"] = (mixture["num_experts"], mixture["top_k_experts"])
    network = NETWORKS[stage](**sizes)
    if state is not None:
        network.load_state_dict(state, strict=True)
    return network.eval()
