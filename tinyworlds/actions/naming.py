"""Keys, names and the idle action of a world, from what the game, its gameplay and the action model tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from tinyworlds.actions.matching import idle_from_names, keys_from_names, match_actions, through_match
from tinyworlds.media.pixels import frames_to_input
from tinyworlds.metrics.usage import MIN_SHARE
from tinyworlds.world.info import not_found

if TYPE_CHECKING:
    from tinyworlds.data.anchors import NotedAnchors
    from tinyworlds.data.gameplay import Gameplay
    from tinyworlds.models import LatentActionModel

_BATCH = 64  # clips at a time through the action model


@dataclass(frozen=True)
class Naming:
    """What the keys do.

    Attributes:
        key_map: key name to action id of the world.
        names: one per action id; empty if nothing is known.
        idle: the action to take while no key is pressed.
        true_actions: the action that carries each true one, by name; None where nothing was found for it.
        guessed: whether the keys are only the game's own, since nothing tells what the actions do.
        lag: transitions after which the recording shows a true action.
    """

    key_map: dict[str, int] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    idle: int = 0
    guessed: bool = False
    true_actions: dict[str, int | None] = field(default_factory=dict)
    lag: int = 0

    @property
    def not_found(self) -> tuple[str, ...]:
        """True actions that no action carries."""
        return not_found(self.true_actions)


def name_actions(
    game: str,
    actions: str,
    latent_actions: LatentActionModel | None,
    gameplay: Gameplay | None,
    anchors: NotedAnchors | None = None,
) -> Naming:
    """Find out what the actions of a world mean.

    With latent actions and gameplay that holds the true ones, the two are matched; a true action that no
    latent one carries gets no key. Without, the game's own key map is taken as a guess, and the idle action
    is what the model infers where nothing moves. `tinyworlds.actions.proposal` replaces guessed keys, and
    none at all, by what dreams show. Anchored actions are true ones: nothing has to be found out.

    Args:
        game: name of the title; any other word is a game without a spec.
        actions: see `tinyworlds.world.info.ActionKind`.
        latent_actions: the action model, for latent actions.
        gameplay: clips, with true actions or without.
        anchors: of an anchored action model.
    """
    if actions == "none":
        return Naming()
    if actions == "anchored" and anchors is not None:
        return _trained(anchors.names, keys_of_true_actions(game, anchors.names), anchors.counts)
    spec_keys, spec_names = _of_game(game)
    told = gameplay if gameplay is not None and gameplay.clip_actions is not None else None
    names = spec_names if told is None else _true_names(told, game)
    keys = keys_of_true_actions(game, names)
    if actions == "labels":
        return _trained(names, keys, gameplay.action_counts if gameplay is not None else None)
    assert latent_actions is not None
    if told is not None and told.samples is not None:
        return _matched(latent_actions, told, names, keys)
    idle = _still_action(latent_actions, gameplay.clips) if gameplay is not None else 0
    return Naming(dict(spec_keys), (), idle, guessed=True)


def _of_game(game: str) -> tuple[Mapping[str, int], tuple[str, ...]]:
    from games.registry import get, titles

    if game not in titles():
        return {}, ()
    spec = get(game)
    return spec.key_map, spec.action_names


def true_action_names(game: str, given: Sequence[str], count: int) -> tuple[str, ...]:
    """Names of `count` true actions or more: as `given` in the data, else the game's, else their numbers."""
    names = given or _of_game(game)[1]
    return (*names, *(f"action {i}" for i in range(len(names), count)))


def keys_of_true_actions(game: str, names: Sequence[str]) -> dict[str, int]:
    """Which key of the real game takes which of its true actions, a place in `names`."""
    return _by_name(*_of_game(game), names) or keys_from_names(names)


def _true_names(gameplay: Gameplay, game: str) -> tuple[str, ...]:
    """Names of the true actions, one for every id that occurs."""
    used = [
        ids.max() for ids in (gameplay.clip_actions, gameplay.sample_actions) if ids is not None and ids.size
    ]
    return true_action_names(game, gameplay.action_names, int(max(used, default=0)) + 1)


def _by_name(keys: Mapping[str, int], spec_names: Sequence[str], names: Sequence[str]) -> dict[str, int]:
    """The game's key map in the ids of a recording, whose actions may come in another order."""
    if not spec_names:
        return {key: action for key, action in keys.items() if action < len(names)}
    place = {name.lower(): i for i, name in enumerate(names)}
    wanted = {key: spec_names[action].lower() for key, action in keys.items() if action < len(spec_names)}
    return {key: place[name] for key, name in wanted.items() if name in place}


def _matched(
    model: LatentActionModel, gameplay: Gameplay, names: tuple[str, ...], keys: Mapping[str, int]
) -> Naming:
    assert gameplay.samples is not None
    assert gameplay.sample_actions is not None
    latent = infer_actions(model, gameplay.samples)  # [m, T-1]
    match = match_actions(gameplay.sample_actions[:, :-1], latent, names, model.num_actions)
    found, idle = match.latent_of_true, idle_from_names(names)
    return Naming(
        through_match(keys, match),
        match.names,
        found[idle] if idle in found else _still_action(model, gameplay.clips),
        guessed=not found.keys() - {idle},
        true_actions={name: found.get(true) for true, name in enumerate(names)},
        lag=match.lag,
    )


def _trained(names: Sequence[str], keys: Mapping[str, int], counts: np.ndarray | None) -> Naming:
    """What a world knows that plays by the true actions: those that were named and never taken get no key."""
    known = counts.tolist() if counts is not None else [1] * len(names)
    taken = {i for i in range(len(names)) if i < len(known) and known[i]}
    idle = idle_from_names(names)
    return Naming(
        {key: action for key, action in keys.items() if action in taken},
        tuple(names),
        idle if idle in taken else min(taken, default=0),
        true_actions={name: i if i in taken else None for i, name in enumerate(names)},
    )


@torch.inference_mode()
def infer_actions(model: LatentActionModel, clips: np.ndarray) -> np.ndarray:
    """Latent actions in clips, uint8 [n, T, H, W, 3] -> int64 [n, T-1]."""
    parts = torch.from_numpy(np.ascontiguousarray(clips)).split(_BATCH)
    device = next(model.parameters()).device
    return torch.cat([model.encode(frames_to_input(part.to(device))).cpu() for part in parts]).numpy()


def _still_action(model: LatentActionModel, clips: np.ndarray) -> int:
    """The action inferred most often where a frame is followed by itself.

    If gameplay hardly has it, dynamics do not know it: then the one that gameplay has most.
    """
    last = clips[:, -1:]
    still, used = (
        np.bincount(infer_actions(model, shown).ravel(), minlength=model.num_actions)
        for shown in (np.concatenate([last, last], axis=1), clips)
    )
    still[used < MIN_SHARE * used.sum()] = 0
    return int(still.argmax() if still.any() else used.argmax())
