"""Dynamics: given past codes and actions, which codes come next.

After Genie (https://arxiv.org/abs/2402.15391, section 2.1). A masked token carries the id K (`mask_id`); the
network guesses it from the unmasked ones, as in MaskGIT. In v2 each token is the sum of its own code, maybe
masked, and of the finished code of the same place one frame before: all frames of a clip can then be guessed
at once, each from a clean past, and what stands still is easy to copy.
"""

from __future__ import annotations

from torch import Tensor

from tinyworlds.errors import ConfigError, DataError
from tinyworlds.models.base import Network, check_bins, check_heads, check_positive, pick
from tinyworlds.models.dynamics_parts import build_v1, build_v2
from tinyworlds.models.masking import shift_frames
from tinyworlds.models.outcomes import Outcomes
from tinyworlds.nn.cross_entropy import IGNORED, linear_cross_entropy
from tinyworlds.nn.fsq import FSQ
from tinyworlds.nn.moe import balance_loss

BALANCE_WEIGHT = 0.01
"""Weight of the experts' balance term in the loss."""


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
        context_frames: Frames in a training window, the guessed one among them.
        architecture: "v2", or "v1" for public weights.
        outcomes: Also tell rewards and ends, see `tinyworlds.models.outcomes`.

    Attributes:
        outcomes: What tells them, or None.
        mask_id: The id of a masked token; equals the number of codes.
        num_codes: K.
        num_past: Most earlier frames that a frame is guessed from; one less than `context_frames`.
        joint_horizon: Whether several future frames are decoded as one (v1) or one after another (v2).
        ranks_drawn_codes: Whether codes that are drawn by chance are revealed in the order of their own
            probability (v2: a lucky draw waits, and may be drawn again) or of the likeliest code's (v1).

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
        outcomes: bool = False,
    ) -> None:
        super().__init__(locals())
        check_heads(embed_dim, num_heads)
        check_positive(num_patches=num_patches, latent_dim=latent_dim, hidden_dim=hidden_dim)
        check_positive(num_blocks=num_blocks, context_frames=context_frames, top_k=top_k)
        _check_choices(num_patches, num_bins, num_actions, num_experts, top_k)
        build = pick("architecture", architecture, {"v1": build_v1, "v2": build_v2})
        quantizer = FSQ(latent_dim, num_bins, stored=False)
        sizes = (embed_dim, num_heads, hidden_dim, num_blocks)
        parts = build(round(num_patches**0.5), quantizer, num_actions, num_experts, top_k, sizes)
        self.token_input, self.conditioning, self.transformer, self.output, self.masking = parts[:5]
        self.joint_horizon, self.ranks_drawn_codes = parts.joint_horizon, parts.ranks_drawn_codes
        if outcomes and not num_actions:
            raise ConfigError("outcomes are those of actions: num_actions must be at least 2 with them")
        self.outcomes = Outcomes(round(num_patches**0.5), quantizer, num_actions) if outcomes else None
        self.num_codes = self.mask_id = quantizer.num_codes
        self.num_patches, self.num_actions, self.context_frames = num_patches, num_actions, context_frames
        self.num_past = max(context_frames - 1, 1)

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
                it; None for no conditioning.
            previous_ids: ``[B, T, P]``, the codes of the frame before each frame; by default `ids` shifted
                by a frame.

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
        self.check_shapes(ids, action_ids)
        previous_ids = shift_frames(ids, self.mask_id) if previous_ids is None else previous_ids
        return self.transformer(self.token_input(ids, previous_ids), self.conditioning(action_ids, ids))

    def loss(self, ids: Tensor, action_ids: Tensor | None = None) -> dict[str, Tensor]:
        """Training loss on clean codes ``[B, T, P]``, with masks drawn from the global generator.

        Returns:
            `loss`; `cross_entropy`, in nats per masked token; `accuracy` on them; `balance`, with experts
            only.
        """
        task = self.masking(ids)
        features = self.features(task.ids, action_ids, task.previous_ids).flatten(0, 2)
        targets = task.targets.flatten()
        total, correct = linear_cross_entropy(features, self.output.weight, self.output.bias, targets)
        count = (targets != IGNORED).sum().clamp(min=1)
        cross_entropy = total / count
        terms = {"loss": cross_entropy, "cross_entropy": cross_entropy, "accuracy": correct / count}
        if self.config["num_experts"]:
            terms["balance"] = balance_loss(self).to(total.device)
            terms["loss"] = cross_entropy + BALANCE_WEIGHT * terms["balance"]
        return terms

    def check_shapes(self, ids: Tensor, action_ids: Tensor | None) -> None:
        """Raise DataError unless codes and actions fit the network and each other."""
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
