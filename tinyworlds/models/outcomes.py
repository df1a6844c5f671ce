"""What an action earns and whether the game ends with it, told from codes.

As the reward and continuation heads of DreamerV3 (https://arxiv.org/abs/2301.04104), but from the frames
before: the picture that an episode ends with is in no gameplay file, since no action is taken there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tinyworlds.nn.fsq import FSQ
from tinyworlds.nn.two_hot import NUM_BINS, bins_loss, mean_of_bins

OUTCOME_FRAMES = 2
"""Frames that an outcome is told from: where things are, and where they go."""

_WIDTH, _GROUPS, _HIDDEN = 48, 8, 128
_RARE_END = -4.0  # what training begins with: one action in 55 ends the game


class Outcomes(nn.Module):
    """Reward and end of an action.

    Args:
        grid: patches a side of a frame.
        quantizer: of the codes.
        num_actions: actions are 0..num_actions-1.
    """

    def __init__(self, grid: int, quantizer: FSQ, num_actions: int) -> None:
        super().__init__()
        self.quantizer, self.grid, self.num_actions = quantizer, grid, num_actions
        channels = OUTCOME_FRAMES * len(quantizer.basis)
        self.look = nn.Sequential(
            nn.Conv2d(channels, _WIDTH, 3, padding=1),
            nn.GroupNorm(_GROUPS, _WIDTH),
            nn.SiLU(),
            nn.Conv2d(_WIDTH, _WIDTH, 3, stride=2, padding=1),
            nn.GroupNorm(_GROUPS, _WIDTH),
            nn.SiLU(),
            nn.Flatten(),
        )
        self.join = nn.Sequential(
            nn.Linear(_WIDTH * ((grid + 1) // 2) ** 2 + num_actions, _HIDDEN),
            nn.RMSNorm(_HIDDEN),
            nn.SiLU(),
            nn.Linear(_HIDDEN, _HIDDEN),
            nn.RMSNorm(_HIDDEN),
            nn.SiLU(),
        )
        self.reward = nn.Linear(_HIDDEN, NUM_BINS)
        self.end = nn.Linear(_HIDDEN, 1)
        nn.init.zeros_(self.reward.weight)
        nn.init.zeros_(self.reward.bias)
        nn.init.constant_(self.end.bias, _RARE_END)

    def forward(self, ids: Tensor, action_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Outcomes of actions.

        Args:
            ids: ``[N, T, P]``, codes of the frame at which an action is taken and of those before it; with
                one frame nothing seems to move.
            action_ids: ``[N]``.

        Returns:
            Logits ``[N, 255]`` of the reward's bins, and ``[N]`` of the end.
        """
        last = ids[:, -OUTCOME_FRAMES:]
        if last.shape[1] < OUTCOME_FRAMES:
            last = torch.cat([last[:, :1], last], dim=1)
        values = self.quantizer.latents(last).movedim(-1, -2).flatten(1, 2)  # [N, frames * channels, P]
        seen = self.look(values.unflatten(-1, (self.grid, self.grid)))
        taken = F.one_hot(action_ids, self.num_actions).to(seen.dtype)
        joined = self.join(torch.cat([seen, taken], dim=-1))
        return self.reward(joined), self.end(joined)[..., 0]

    def loss(
        self, ids: Tensor, action_ids: Tensor, rewards: Tensor, terminations: Tensor
    ) -> dict[str, Tensor]:
        """Training losses on every action of windows but the first, which has no frame before it.

        Args:
            ids: ``[B, T, P]``.
            action_ids: ``[B, T]``, the action taken at each frame.
            rewards: ``[B, T]``, of each.
            terminations: ``[B, T]`` bool, whether the game ended with it.

        Returns:
            `reward_loss` and `end_loss`, in nats an action.
        """
        first = min(OUTCOME_FRAMES, ids.shape[1]) - 1
        pairs = torch.stack([ids[:, : ids.shape[1] - first], ids[:, first:]], dim=2).flatten(0, 1)
        reward, end = self(pairs, action_ids[:, first:].flatten())
        return {
            "reward_loss": bins_loss(reward, rewards[:, first:].flatten()).mean(),
            "end_loss": F.binary_cross_entropy_with_logits(
                end.float(), terminations[:, first:].flatten().float()
            ),
        }

    @torch.no_grad()
    def tell(self, ids: Tensor, action_ids: Tensor) -> tuple[Tensor, Tensor]:
        """The expected reward ``[N]`` and the chance ``[N]`` of the end; arguments as of `forward`."""
        reward, end = self(ids, action_ids)
        return mean_of_bins(reward), torch.sigmoid(end.float())
