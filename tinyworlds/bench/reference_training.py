"""One update of each stage as v1 trains them: float32, nothing cached, frozen stages run at every update.

Frames are float [B, T, C, H, W] in [-1, 1].
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tinyworlds.bench.reference_blocks import MixtureFeedForward
from tinyworlds.bench.reference_networks import ReferenceActions, ReferenceDynamics, ReferenceTokenizer
from tinyworlds.bench.reference_tokens import code_vectors

LEARNING_RATES = {"video_tokenizer": 1e-3, "latent_actions": 1e-4, "dynamics": 1e-2}
BALANCE_WEIGHT = 0.01


def make_optimizer(network: nn.Module, learning_rate: float) -> torch.optim.AdamW:
    """AdamW; only matrices decay, biases and norms do not."""
    matrices = [p for p in network.parameters() if p.ndim > 1]
    vectors = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.999))


def update(network: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor) -> Tensor:
    """Descend on `loss` with the gradient's norm clipped at 1; returns the loss without its graph."""
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()
    return loss.detach()


def tokenizer_step(tokenizer: ReferenceTokenizer, optimizer: torch.optim.Optimizer, frames: Tensor) -> Tensor:
    """One update of the tokenizer."""
    return update(tokenizer, optimizer, tokenizer.train().loss(frames))


def latent_actions_step(
    actions: ReferenceActions, optimizer: torch.optim.Optimizer, frames: Tensor
) -> Tensor:
    """One update of the latent action model."""
    return update(actions, optimizer, actions.train().loss(frames))


def random_mask(ids: Tensor) -> Tensor:
    """Which tokens [B, T, P] to hide: a share in [0.5, 1) of all, but one frame of every place stays."""
    batch, length, patches = ids.shape
    share = 0.5 + 0.5 * torch.rand((), device=ids.device)
    hidden = torch.rand(ids.shape, device=ids.device) < share
    kept = torch.randint(length, (batch, 1, patches), device=ids.device)
    return hidden.scatter(1, kept, False)


def dynamics_loss(dynamics: ReferenceDynamics, ids: Tensor, action_ids: Tensor, hidden: Tensor) -> Tensor:
    """Cross entropy of the hidden codes, and what keeps experts evenly used where there are any."""
    latents = torch.where(hidden[..., None], dynamics.mask_token, dynamics.vectors(ids))
    logits = dynamics(latents, code_vectors(action_ids, 2, dynamics.cond_dim))
    loss = F.cross_entropy(logits[hidden], ids[hidden])
    for module in dynamics.modules():
        if isinstance(module, MixtureFeedForward):
            loss = loss + BALANCE_WEIGHT * module.balance
    return loss


def dynamics_step(
    dynamics: ReferenceDynamics,
    tokenizer: ReferenceTokenizer,
    actions: ReferenceActions,
    optimizer: torch.optim.Optimizer,
    frames: Tensor,
) -> Tensor:
    """One update of the dynamics; the frozen stages look at the frames anew every time."""
    with torch.no_grad():
        ids, action_ids = tokenizer.eval().encode(frames), actions.eval().encode(frames)
    return update(dynamics, optimizer, dynamics_loss(dynamics.train(), ids, action_ids, random_mask(ids)))
