"""Where the actions of an evaluation come from: read from the truth, pressed, or drawn.

- inferred: the action model reads them from the frames that are predicted, so they tell of the answer. No
  player has them; what they give is a bound.
- pressed: the recorded true actions, each as the latent action that its key takes at play. A world that was
  trained on the recorded actions takes them as they are.
- random: drawn evenly from the actions in use.

Action t leads from frame t to frame t+1. N clips of T frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tinyworlds.data.held_out import Clips
from tinyworlds.errors import DataError
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
    by_source = {"inferred": inferred, "random": _drawn(inferred, seed)}
    keys = {} if recorded is None else _keys(world, clips)
    if recorded is None or not any(key is not None for key in keys.values()):
        return Actions(inferred, by_source)
    sent = [world.idle_action if keys.get(name) is None else keys[name] for name in clips.true_names]
    by_source["pressed"] = torch.tensor(sent)[recorded]
    return Actions(inferred, by_source, keys)


def _keys(world: WorldCore, clips: Clips) -> dict[str, int | None]:
    """For each true action in the clips the latent one that its key takes at play."""
    assert clips.actions is not None
    names = [clips.true_names[i] for i in clips.actions.unique().tolist()]
    known = {name: i for i, name in enumerate(world.action_names) if name != f"action {i}"}
    return {name: known.get(name) for name in names}


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
    used = taken.unique()
    generator = torch.Generator().manual_seed(seed)
    return used[torch.randint(len(used), taken.shape, generator=generator)]
