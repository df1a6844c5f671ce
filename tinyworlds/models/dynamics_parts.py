"""Parts of the dynamics network: input, condition, and how they fit together."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tinyworlds.models.masking import FrameMasking, UniformMasking
from tinyworlds.nn.codes import CodeLogits, CodeTable
from tinyworlds.nn.fsq import FSQ
from tinyworlds.nn.linear import Linear
from tinyworlds.nn.positions import LearnedPlace, SpaceCode
from tinyworlds.nn.transformer import Transformer, v1_transformer, v2_transformer


class VectorInput(nn.Module):
    """v1 input: code vectors in [-1, 1], a learned vector where masked, through one linear map."""

    def __init__(self, quantizer: FSQ, embed_dim: int, grid: int) -> None:
        super().__init__()
        self.quantizer = quantizer
        self.mask_token = nn.Parameter(torch.randn(1, 1, 1, len(quantizer.basis)) * 0.02)
        self.latent_embed = Linear(len(quantizer.basis), embed_dim)
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
    transformer: Transformer
    output: Linear | CodeLogits
    masking: nn.Module
    joint_horizon: bool
    ranks_drawn_codes: bool


Sizes = tuple[int, int, int, int]
"""Of the transformer: `embed_dim`, `num_heads`, `hidden_dim`, `num_blocks`."""


def build_v1(
    grid: int, quantizer: FSQ, num_actions: int, num_experts: int, top_k: int, sizes: Sizes
) -> DynamicsParts:
    """Parts that public weights need."""
    embed_dim, *_ = sizes
    actions = ActionVectors(num_actions) if num_actions else NoActions()
    return DynamicsParts(
        VectorInput(quantizer, embed_dim, grid),
        actions,
        v1_transformer(*sizes, condition_dim=actions.dim, num_experts=num_experts, top_k=top_k),
        Linear(embed_dim, quantizer.num_codes),
        UniformMasking(quantizer.num_codes),
        joint_horizon=True,
        ranks_drawn_codes=False,
    )


def build_v2(
    grid: int, quantizer: FSQ, num_actions: int, num_experts: int, top_k: int, sizes: Sizes
) -> DynamicsParts:
    """Parts of new training."""
    embed_dim, *_ = sizes
    return DynamicsParts(
        TwoCodeInput(quantizer, embed_dim, grid),
        ActionEmbedding(num_actions, embed_dim),
        v2_transformer(*sizes, grid=grid, conditioned=True, num_experts=num_experts, top_k=top_k),
        CodeLogits(quantizer, embed_dim),
        FrameMasking(quantizer.num_codes),
        joint_horizon=False,
        ranks_drawn_codes=True,
    )
