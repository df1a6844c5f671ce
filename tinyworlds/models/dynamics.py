"""Dynamics: given past codes and actions, which codes come next.

After Genie (https://arxiv.org/abs/2402.15391, section 2.1). A masked token carries the id K (`mask_id`); the
network guesses it from the unmasked ones, as in MaskGIT. In v2 each token is the sum of its own code, maybe
masked, and of the finished code of the same place one frame before: all frames of a clip can then be guessed
at once, each from a clean past, and what stands still is copied at no cost.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tinyworlds.errors import ConfigError, DataError
from tinyworlds.models.base import Network, check_bins, check_heads, check_positive, pick
from tinyworlds.models.masking import IGNORED, FrameMasking, UniformMasking, shift_frames
from tinyworlds.nn.codes import CodeLogits, CodeTable
from tinyworlds.nn.fsq import FSQ
from tinyworlds.nn.moe import balance_loss
from tinyworlds.nn.positions import LearnedPlace, SpaceCode
from tinyworlds.nn.transformer import v1_transformer, v2_transformer

BALANCE_WEIGHT = 0.01
"""Weight of the experts' balance term in the loss."""


class VectorInput(nn.Module):
    """v1 input: code vectors in [-1, 1], a learned vector where masked, through one linear map."""

    def __init__(self, quantizer: FSQ, embed_dim: int, grid: int) -> None:
        super().__init__()
        self.quantizer = quantizer
        self.mask_token = nn.Parameter(torch.randn(1, 1, 1, len(quantizer.basis)) * 0.02)
        self.latent_embed = nn.Linear(len(quantizer.basis), embed_dim)
        self.place = SpaceCode(grid, embed_dim)

    def forward(self, ids: Tensor, previous_ids: Tensor) -> Tensor:
        """Embed ``[B, T, P]`` to ``[B, T, P, E]``; the frame before is not looked at."""
        masked = (ids == self.quantizer.num_codes)[..., None]
        vectors = torch.where(masked, self.mask_token, self.quantizer.latents(ids))
        return self.place(self.latent_embed(vectors))


class TwoCodeInput(nn.Module):
    """v2 input: the token's own code plus the code of the same place one frame before."""

    def __init__(self, quantizer: FSQ, embed_dim: int, grid: int) -> None:
        super().__init__()
        self.own = CodeTable(quantizer, embed_dim, num_extra=1)  # the extra row: masked
        self.previous = CodeTable(quantizer, embed_dim, num_extra=1)  # the extra row: no frame before
        self.place = LearnedPlace(grid**2, embed_dim)

    def forward(self, ids: Tensor, previous_ids: Tensor) -> Tensor:
        """Embed two times ``[B, T, P]`` to ``[B, T, P, E]``."""
        own = F.embedding(ids, self.own())
        return self.place(own + F.embedding(previous_ids, self.previous()))


class ActionVectors(nn.Module):
    """v1 condition: the binary digits of the action as -1 and 1, ``[B, T or T-1] -> [B, T or T-1, A]``."""

    def __init__(self, num_actions: int) -> None:
        super().__init__()
        self.dim = (num_actions - 1).bit_length()
        self.quantizer = FSQ(self.dim, num_bins=2, stored=False)

    def forward(self, action_ids: Tensor | None, ids: Tensor) -> Tensor | None:
        """Without actions there is no condition."""
        return None if action_ids is None else self.quantizer.latents(action_ids)


class NoActions(nn.Module):
    """v1 without conditioning: actions are ignored."""

    dim = 0

    def forward(self, action_ids: Tensor | None, ids: Tensor) -> None:
        """There is no condition."""


class ActionEmbedding(nn.Module):
    """v2 condition: a learned vector per action and one for "no action", ``-> [B, T, E]``."""

    def __init__(self, num_actions: int, embed_dim: int) -> None:
        super().__init__()
        self.table = nn.Embedding(num_actions + 1, embed_dim)
        self.no_action = num_actions

    def forward(self, action_ids: Tensor | None, ids: Tensor) -> Tensor:
        """Action t-1 conditions frame t; frames that no action led to get "no action"."""
        batch, length, _ = ids.shape
        given = ids.new_empty(batch, 0) if action_ids is None else action_ids
        return self.table(F.pad(given, (length - given.shape[1], 0), value=self.no_action))


class DynamicsParts(NamedTuple):
    """What an architecture chooses."""

    token_input: nn.Module
    conditioning: nn.Module
    transformer: nn.Module
    output: nn.Module
    masking: nn.Module
    joint_horizon: bool


def _v1(
    grid: int, quantizer: FSQ, num_actions: int, num_experts: int, top_k: int, sizes: dict[str, int]
) -> DynamicsParts:
    embed_dim = sizes["embed_dim"]
    actions = ActionVectors(num_actions) if num_actions else NoActions()
    return DynamicsParts(
        VectorInput(quantizer, embed_dim, grid),
        actions,
        v1_transformer(**sizes, condition_dim=actions.dim, num_experts=num_experts, top_k=top_k),
        nn.Linear(embed_dim, quantizer.num_codes),
        UniformMasking(quantizer.num_codes),
        joint_horizon=True,
    )


def _v2(
    grid: int, quantizer: FSQ, num_actions: int, num_experts: int, top_k: int, sizes: dict[str, int]
) -> DynamicsParts:
    embed_dim = sizes["embed_dim"]
    return DynamicsParts(
        TwoCodeInput(quantizer, embed_dim, grid),
        ActionEmbedding(num_actions, embed_dim),
        v2_transformer(**sizes, grid=grid, conditioned=True, num_experts=num_experts, top_k=top_k),
        CodeLogits(quantizer, embed_dim),
        FrameMasking(quantizer.num_codes),
        joint_horizon=False,
    )


class DynamicsModel(Network):
    """Guesses masked codes from unmasked ones, past frames and actions.

    Args:
        num_patches: Codes per frame, P; a square number.
        latent_dim: Channels of a code, as in the tokenizer.
        num_bins: Levels per channel, as in the tokenizer.
        embed_dim: Width; a multiple of twice `num_heads`.
        num_heads: Attention heads.
        hidden_dim: Width of the feed-forward layers, before SwiGLU takes two thirds of it.
        num_blocks: Number of blocks.
        num_actions: Actions are 0..num_actions-1; 0 for a network that knows none.
        num_experts: Feed-forward experts per block; 0 for a dense layer.
        top_k: Experts used per token.
        context_frames: Frames in a training window. At play a frame is guessed from up to
            ``context_frames - 1`` earlier ones.
        architecture: "v2", or "v1" for public weights.

    Attributes:
        mask_id: The id of a masked token; equals the number of codes.
        num_codes: K.
        joint_horizon: Whether several future frames are decoded as one (v1) or one after another (v2).

    Raises:
        ConfigError: Sizes do not fit, or the architecture is unknown.
    """

    def __init__(
        self,
        num_patches: int,
        latent_dim: int = 5,
        num_bins: int = 4,
        embed_dim: int = 32,
        num_heads: int = 8,
        hidden_dim: int = 128,
        num_blocks: int = 8,
        num_actions: int = 16,
        num_experts: int = 0,
        top_k: int = 2,
        context_frames: int = 4,
        architecture: str = "v2",
    ) -> None:
        super().__init__(locals())
        check_heads(embed_dim, num_heads)
        check_positive(num_patches=num_patches, latent_dim=latent_dim, hidden_dim=hidden_dim)
        check_positive(num_blocks=num_blocks, context_frames=context_frames, top_k=top_k)
        _check_choices(num_patches, num_bins, num_actions, num_experts, top_k)
        build = pick("architecture", architecture, {"v1": _v1, "v2": _v2})
        quantizer = FSQ(latent_dim, num_bins, stored=False)
        sizes = {"embed_dim": embed_dim, "num_heads": num_heads, "hidden_dim": hidden_dim}
        sizes["num_blocks"] = num_blocks
        parts = build(round(num_patches**0.5), quantizer, num_actions, num_experts, top_k, sizes)
        self.token_input, self.conditioning, self.transformer, self.output, self.masking, joint = parts
        self.joint_horizon = joint
        self.num_codes = self.mask_id = quantizer.num_codes
        self.num_patches, self.num_actions, self.context_frames = num_patches, num_actions, context_frames

    def forward(
        self, ids: Tensor, action_ids: Tensor | None = None, previous_ids: Tensor | None = None
    ) -> Tensor:
        """The same as `logits`."""
        return self.logits(ids, action_ids, previous_ids)

    def logits(
        self, ids: Tensor, action_ids: Tensor | None = None, previous_ids: Tensor | None = None
    ) -> Tensor:
        """How well each code fits each token.

        Args:
            ids: ``[B, T, P]`` int64 in 0..K, where K marks a masked token.
            action_ids: ``[B, T-1]``, the actions between frames, or ``[B, T]``, one per frame that led to
            it; None
                for no conditioning.
            previous_ids: ``[B, T, P]``, the codes of the frame before each frame; by default `ids` shifted
            by a
                frame.

        Returns:
            ``[B, T, P, K]``.

        Raises:
            DataError: Shapes do not fit.
        """
        return self.output(self.features(ids, action_ids, previous_ids))

    def features(
        self, ids: Tensor, action_ids: Tensor | None = None, previous_ids: Tensor | None = None
    ) -> Tensor:
        """What `logits` are read from, ``[B, T, P, E]``."""
        self._check_shapes(ids, action_ids)
        previous_ids = shift_frames(ids, self.mask_id) if previous_ids is None else previous_ids
        return self.transformer(self.token_input(ids, previous_ids), self.conditioning(action_ids, ids))

    def loss(self, ids: Tensor, action_ids: Tensor | None = None) -> dict[str, Tensor]:
        """Training loss on clean codes ``[B, T, P]``, with masks drawn from the global generator.

        Returns:
            `loss`; `cross_entropy`, in nats per masked token; `accuracy` on masked tokens; `balance` with
            experts.
        """
        task = self.masking(ids)
        first = self.masking.first_target_frame
        logits = self.output(self.features(task.ids, action_ids, task.previous_ids)[:, first:]).flatten(0, 2)
        targets = task.targets[:, first:].flatten()
        count = (targets != IGNORED).sum().clamp(min=1)
        cross_entropy = F.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="sum") / count
        accuracy = (logits.detach().argmax(dim=-1) == targets).sum() / count
        terms = {"loss": cross_entropy, "cross_entropy": cross_entropy, "accuracy": accuracy}
        if self.config["num_experts"]:
            terms["balance"] = balance_loss(self).to(logits.device)
            terms["loss"] = cross_entropy + BALANCE_WEIGHT * terms["balance"]
        return terms

    def _check_shapes(self, ids: Tensor, action_ids: Tensor | None) -> None:
        if ids.dim() != 3 or ids.shape[2] != self.num_patches:
            raise DataError(
                f"codes [B, T, P] with P = {self.num_patches} are expected, got {tuple(ids.shape)}:"
                " use the tokenizer that this dynamics network was trained with."
            )
        length = ids.shape[1]
        if action_ids is not None and action_ids.shape[1] not in (length - 1, length):
            raise DataError(
                f"{length} frames take {length - 1} or {length} actions, got {action_ids.shape[1]}:"
                " pass the actions between the frames."
            )


def _check_choices(num_patches: int, num_bins: int, num_actions: int, num_experts: int, top_k: int) -> None:
    if round(num_patches**0.5) ** 2 != num_patches:
        raise ConfigError(f"num_patches must be a square number (a square grid), got {num_patches}.")
    check_bins(num_bins)
    if num_actions < 0 or num_actions == 1:
        raise ConfigError(f"num_actions must be 0 (none) or at least 2, got {num_actions}.")
    if num_experts and top_k > num_experts:
        raise ConfigError(f"top_k {top_k} exceeds num_experts {num_experts}: lower top_k or add experts.")
