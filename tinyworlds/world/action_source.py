"""Where the actions of a rollout come from: the true clip, chance, a list, or a person who is asked.

Action t leads from frame t to frame t+1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tinyworlds.errors import ConfigError, did_you_mean
from tinyworlds.world.networks import ActionModel

ACTION_MODES = ("inferred", "random", "none", "ask")
Prompt = Callable[[str], str]


def listed_actions(actions: str) -> list[int] | None:
    """The ids of a list such as ``"0,1,1"``, or None for a named mode; anything else is a ConfigError."""
    if actions in ACTION_MODES:
        return None
    try:
        ids = [int(part) for part in actions.split(",")]
    except ValueError:
        hint = did_you_mean(actions, ACTION_MODES)
        raise ConfigError(
            f"actions is one of {', '.join(ACTION_MODES)} or a list such as 0,1,1; got '{actions}'.{hint}"
        ) from None
    if min(ids) < 0:
        raise ConfigError(f"action ids are 0 or above, got '{actions}'.")
    return ids


def told_source(actions: str, labels: bool = False) -> str:
    """Where the actions of a rollout come from, as a reader of its figures must know it.

    Args:
        actions: as in :class:`tinyworlds.world.rollout.RolloutOptions`.
        labels: whether the world was trained on recorded actions, which it then takes instead of inferring.
    """
    if actions != "inferred":
        return actions
    return "recorded" if labels else "inferred (read from the frames that are predicted)"


def ask_action(num_actions: int, step: int, prompt: Prompt = input) -> int:
    """Ask for one action id until a right one comes; a wrong entry asks again and never ends the session."""
    question = f"action for generated frame {step + 1} (0-{num_actions - 1}): "
    while True:
        try:
            entry = prompt(question).strip()
        except EOFError:
            raise ConfigError(
                f"The input ended before the action for generated frame {step + 1} was typed; type one "
                "for each frame, or give a list such as actions=0,1,1."
            ) from None
        if entry.isdecimal() and int(entry) < num_actions:
            return int(entry)
        question = f"'{entry}' is no action; a number from 0 to {num_actions - 1}: "


def infer_actions(action_model: ActionModel, frames: Tensor, window: int) -> Tensor:
    """Latent actions between the frames of clips of any length: [B, T, C, H, W] -> [B, T - 1].

    The clip is cut into windows as long as those of training, each sharing one frame with the next, for an
    action model that looks over time was never shown longer ones.
    """
    last = frames.shape[1] - 1
    window = min(max(window, 2), last + 1)
    starts = [min(start, last + 1 - window) for start in range(0, last, window - 1)]
    stacked = torch.cat([frames[:, start : start + window] for start in starts])  # [N * B, window, C, H, W]
    parts = action_model.encode(stacked).unflatten(0, (len(starts), -1))  # [N, B, window - 1]
    ids = frames.new_zeros(len(frames), last, dtype=torch.int64)
    for start, part in zip(starts, parts, strict=True):
        ids[:, start : start + window - 1] = part
    return ids


def true_actions(
    action_model: ActionModel | None, frames: Tensor, action_ids: Tensor | None, window: int
) -> Tensor | None:
    """The actions between the frames of true clips: labels when given, else inferred; [B, T - 1] or None.

    `action_ids` may be [B, T - 1], or [B, T] as the data hold them (the last one leads out of the clip).
    """
    if action_ids is not None:
        return action_ids[:, : frames.shape[1] - 1].long()
    if action_model is None or frames.shape[1] < 2:
        return None
    return infer_actions(action_model, frames, window)


@dataclass(frozen=True)
class ActionSource:
    """Says which action leads to each generated frame."""

    mode: str
    true: Tensor | None  # [B, T - 1] the actions of the clip
    num_actions: int
    num_given: int  # frames before the first generated one
    prompt: Prompt = input

    def __post_init__(self) -> None:
        listed = listed_actions(self.mode)
        if listed and max(listed) >= self.num_actions:
            raise ConfigError(
                f"actions='{self.mode}' asks for action {max(listed)}; "
                f"this world has 0 to {self.num_actions - 1}."
            )

    def to_frame(self, step: int, like: Tensor, generator: torch.Generator | None) -> Tensor:
        """The actions [B] that lead to generated frame `step`, 0 the first; B and device as in `like`."""
        if self.mode == "inferred":
            return self._inferred(step)
        if self.mode == "random":
            home = like.device if generator is None else generator.device
            return torch.randint(self.num_actions, (len(like),), generator=generator, device=home).to(
                like.device
            )
        listed = listed_actions(self.mode)
        chosen = (
            listed[min(step, len(listed) - 1)] if listed else ask_action(self.num_actions, step, self.prompt)
        )
        return torch.full((len(like),), chosen, dtype=torch.int64, device=like.device)

    def _inferred(self, step: int) -> Tensor:
        index = self.num_given - 1 + step
        if self.true is None:
            raise ConfigError(
                "actions='inferred' needs a latent-action model, or labels beside the frames; "
                "there is neither: choose actions='none', 'random' or a list."
            )
        if index >= self.true.shape[1]:
            raise ConfigError(
                f"actions='inferred' needs clips of {index + 2} frames to generate frame {step + 1}, got "
                f"{self.true.shape[1] + 1}: raise data.num_frames, lower the horizon, or take 'random'."
            )
        return self.true[:, index]
