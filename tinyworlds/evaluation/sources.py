"""Where the actions of an evaluation come from: read from the truth, pressed, or drawn.

- inferred: the action model reads them from the frames that are predicted, so they tell of the answer. No
  player has them; what they give is a bound.
- pressed: the recorded true actions, each as the latent action that its key takes at play. A world that was
  trained on the recorded actions takes them as they are.
- random: drawn evenly from the actions in use, by 1 % of the transitions or more.

Action t leads from frame t to frame t+1. N clips of T frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tinyworlds.actions.naming import keys_of_true_actions, true_action_names
from tinyworlds.data.held_out import Clips
from tinyworlds.errors import DataError
from tinyworlds.keys import complete_key_map, held_action, normalise_key
from tinyworlds.metrics.usage import MIN_SHARE
from tinyworlds.world.action_source import true_actions
from tinyworlds.world.core import WorldCore


@dataclass(frozen=True)
class Actions:
    """Actions between the frames of all clips, int64 [N, T-1]; on the CPU.

    Attributes:
        given: between true frames that the world was given; None for a world without actions.
        by_source: those that lead to predicted frames.
        pressed_as: by name of each true action in the clips the latent one its key takes at play; None where
            there is no such key. Empty where nothing is pressed, or true actions are what the world plays by.
    """

    given: Tensor | None
    by_source: Mapping[str, Tensor | None]
    pressed_as: Mapping[str, int | None] = field(default_factory=dict)

    @property
    def headline(self) -> str:
        """The source that marks and pictures rest on: what a player has, if the data tell it."""
        return next(source for source in ("pressed", "inferred", "none") if source in self.by_source)

    def leading_to(self, source: str, start: int, clips: slice) -> Tensor | None:
        """The actions of some clips, those of `source` from number `start` on, those given before."""
        chosen = self.by_source[source]
        if self.given is None or chosen is None:
            return None
        return torch.cat([self.given[clips, :start], chosen[clips, start:]], dim=1)


def actions_of(world: WorldCore, clips: Clips, batch_size: int, seed: int) -> Actions:
    """Find the actions of clips from every source there is.

    Nothing is found out from the clips that are measured: which latent action a key takes is what the world
    says.

    Args:
        world: what is measured.
        clips: held-out clips.
        batch_size: clips at a time through the action model.
        seed: of the random actions.

    Raises:
        DataError: the world plays by recorded actions, and the clips have none.
    """
    kind = world.info.actions
    if kind == "none":
        return Actions(None, {"none": None})
    recorded = None if clips.actions is None else clips.actions[:, : clips.num_frames - 1].long()
    if kind == "labels":
        if recorded is None:
            raise DataError(
                f"{clips.source} holds no actions, but this world was trained on recorded ones: name the "
                "recording with --data FILE."
            )
        return Actions(recorded, {"pressed": recorded, "random": _drawn(recorded, seed)})
    inferred = _inferred(world, clips, batch_size)
    random = _drawn(inferred, seed)
    if recorded is None:
        return Actions(inferred, {"inferred": inferred, "random": random})
    names = true_names(world, clips)
    sent = sent_at_play(world, names)
    taken = torch.tensor([world.idle_action if action is None else action for action in sent])
    by_source = {"inferred": inferred, "pressed": taken[recorded], "random": random}
    return Actions(inferred, by_source, {names[i]: sent[i] for i in recorded.unique().tolist()})


def true_names(world: WorldCore, clips: Clips) -> tuple[str, ...]:
    """A name for every true action id that occurs; empty without true actions."""
    if clips.actions is None:
        return ()
    return true_action_names(world.game, clips.action_names, int(clips.actions.max()) + 1)


def sent_at_play(world: WorldCore, names: Sequence[str]) -> list[int | None]:
    """The action that a player sends who presses the real game's key of each true action.

    That is what the world's own keys say, and for an action that the game has no key for what carries it.
    None where there is neither, so that the world idles.
    """
    bound = complete_key_map(world.key_map, world.num_actions)
    sent = [world.info.sent_for(name) for name in names]
    for keys, true in reversed(keys_of_true_actions(world.game, names).items()):
        action = held_action(normalise_key(keys).split("+"), bound)
        sent[true] = sent[true] if action is None else action
    return sent


@torch.no_grad()
def _inferred(world: WorldCore, clips: Clips, batch_size: int) -> Tensor:
    parts = []
    for start in range(0, len(clips), batch_size):
        frames, _ = clips.batch(start, batch_size, world.device)
        found = true_actions(world.latent_actions, frames, None, world.dynamics.context_frames)
        assert found is not None  # a latent world has an action model
        parts.append(found.cpu())
    return torch.cat(parts)


def _drawn(taken: Tensor, seed: int) -> Tensor:
    """Actions drawn evenly from those in use; others lead to noise, which would be no proof of listening."""
    counts = torch.bincount(taken.flatten())
    used = (counts >= MIN_SHARE * counts.sum()).nonzero()[:, 0]
    generator = torch.Generator().manual_seed(seed)
    return used[torch.randint(len(used), taken.shape, generator=generator)]
