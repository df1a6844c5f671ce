"""From what actions do to names, keys and the action taken while no key is pressed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tinyworlds.actions.dreams import hold_each_action
from tinyworlds.actions.effect_names import CHANGE, FLASH, NOTHING, distinct, effect_names
from tinyworlds.actions.effects import Effect, measure_effects
from tinyworlds.actions.naming import Naming
from tinyworlds.actions.occurrence import count_in_start_clips

if TYPE_CHECKING:
    from tinyworlds.world.core import WorldCore

# Key to the effects that belong on it, the fittest first.
_EFFECTS_OF_KEYS = {
    "left": ("left", "turn left", "up left", "down left", "look up left", "look down left"),
    "right": ("right", "turn right", "up right", "down right", "look up right", "look down right"),
    "up": ("up", "forward", "look up"),
    "down": ("down", "back", "look down"),
    "space": (FLASH, CHANGE),
    "left+up": ("up left", "look up left"),
    "right+up": ("up right", "look up right"),
    "down+left": ("down left", "look down left"),
    "down+right": ("down right", "look down right"),
}
_ARROWS = ("left", "right", "up", "down")
_EXPORT_STEPS, _EXPORT_FRAMES = 3, 768  # a second or two on a CPU


def propose(
    effects: Sequence[Effect], calmest: int, shares: Sequence[float] | None = None, dead: Sequence[int] = ()
) -> Naming:
    """Name actions by their effects and give arrow keys and space to those that belong there.

    Where several do the same, the one that occurs most often gets the key, else the one whose direction is
    the surest. Dead actions get none. Space takes a flash, a change, or another action that moves nothing.

    Args:
        effects: one per action, in the order of their ids.
        calmest: the action that changes the picture least.
        shares: how often each occurs in the data, if known.
        dead: actions that hardly ever occur.
    """
    names = effect_names(effects)
    order = sorted(range(len(effects)), key=lambda i: (i in dead, -_weight(effects[i], shares)))
    living = [action for action in order if action not in dead]
    keys: dict[str, int] = {}
    for key, wanted in _EFFECTS_OF_KEYS.items():
        fitting = sorted(
            (action for action in living if names[action] in wanted and action not in keys.values()),
            key=lambda action: wanted.index(names[action]),
        )
        if fitting:
            keys[key] = fitting[0]
    still = [action for action in living if names[action] == NOTHING]
    idle = calmest if shares is None and calmest in still else next(iter(still), calmest)
    unseen = [action for action in still if action != idle]
    if unseen:  # it may fire or open something, which few of the starts show
        keys.setdefault("space", unseen[0])
    return Naming(keys, tuple(distinct(names, order)), idle)


def _weight(effect: Effect, shares: Sequence[float] | None) -> float:
    if shares is not None:
        return float(shares[effect.action])
    return max(abs(value.certainty) for value in (effect.right, effect.down, effect.outwards))


def has_directions(key_map: Mapping[str, int]) -> bool:
    """Whether at least one arrow key takes an action."""
    return any(key in key_map for key in _ARROWS)


def measured_naming(world: WorldCore, naming: Naming) -> Naming:
    """Replace guessed keys, or none, by what the actions of a fresh world do in its dreams.

    What its clips hardly have gets no key.

    Args:
        world: with clips to start from.
        naming: what is known so far; it stays where it is no guess, and where no action moves anything.
    """
    if not naming.guessed or world.num_actions < 2 or not world.start_clips:
        return naming
    count = max(4, _EXPORT_FRAMES // (world.num_actions * _EXPORT_STEPS))
    dreams = hold_each_action(world, world.start_clips.spread(count), _EXPORT_STEPS)
    seen = count_in_start_clips(world)
    dead = seen.dead if seen is not None else []
    found = propose(*measure_effects(dreams, dead), dead=dead)
    return beside_truth(found, naming) if has_directions(found.key_map) else naming


def beside_truth(found: Naming, naming: Naming) -> Naming:
    """Keep what the true actions told of a world of whose keys they earned none, beside what dreams show.

    A key that shows nothing is no guess at what may fire then: the true actions say that nothing was found.
    """
    if not naming.true_actions:
        return found
    shown = [i for i, name in enumerate(found.names) if i != naming.idle and not name.startswith(NOTHING)]
    keys = {key: action for key, action in found.key_map.items() if action in shown}
    return dataclasses.replace(found, key_map=keys, idle=naming.idle, true_actions=naming.true_actions)


def with_effects(naming: Naming, effects: Sequence[Effect]) -> Naming:
    """Name the actions that still go by their number by what they do."""
    known = {i: name for i, name in enumerate(naming.names) if name != f"action {i}"}
    names = [known.get(i, does) for i, does in enumerate(effect_names(effects))]
    order = sorted(range(len(names)), key=lambda action: action not in known)
    return dataclasses.replace(naming, names=tuple(distinct(names, order)))
