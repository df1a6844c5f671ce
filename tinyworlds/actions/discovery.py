"""All that can be found out about the actions of a world, in one object that prints and becomes JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from tinyworlds.actions.dreams import hold_each_action
from tinyworlds.actions.effect_names import effect_names, twins
from tinyworlds.actions.effects import Effect, measure_effects
from tinyworlds.actions.naming import Naming, name_actions
from tinyworlds.actions.occurrence import Occurrence, count_in_gameplay, count_in_start_clips
from tinyworlds.actions.proposal import beside_truth, propose, with_effects
from tinyworlds.errors import DataError
from tinyworlds.metrics.usage import table_nmi
from tinyworlds.world.keys import known_keys
from tinyworlds.world.start_clips import StartClips

if TYPE_CHECKING:
    from tinyworlds.data.gameplay import Gameplay
    from tinyworlds.world.core import WorldCore

NamedBy = Literal["auto", "truth", "flow"]
Origin = Literal["true actions", "names in the file", "optical flow"]
NUM_STARTS, NUM_FRAMES = 16, 4  # measured
NUM_SHOWN, SHOWN_FRAMES = 3, 12  # drawn


@dataclass(frozen=True)
class ActionReport:
    """What is known of one action.

    Attributes:
        action: its id.
        name: the name proposed.
        does: the name of its measured effect.
        effect: the measurement.
        share: how often it occurs in the data, 0 to 1; None where nothing was counted.
        dead: whether it hardly ever occurs.
        twin_of: an earlier action that does the same, or None.
    """

    action: int
    name: str
    does: str
    effect: Effect
    share: float | None
    dead: bool
    twin_of: int | None

    @property
    def remark(self) -> str:
        """What is wrong with it, in words; empty if nothing is."""
        twin = "" if self.twin_of is None else f"twin of {self.twin_of}"
        return ", ".join(filter(None, ["dead" if self.dead else "", twin]))


@dataclass(frozen=True)
class Discovery:
    """What the actions of a world do, and the keys proposed for them.

    Attributes:
        actions: one report each.
        proposal: keys, names and idle action.
        origin: what the proposal rests on.
        calmest: the action that effects are measured against.
        occurrence: counts in the data; None where there were none to count in.
        dreams: clips to show, uint8 [A, n, T + 1, H, W, 3].
        num_starts: how many starts were measured.
        num_frames: how long each action was held.
    """

    actions: list[ActionReport]
    proposal: Naming
    origin: Origin
    calmest: int
    occurrence: Occurrence | None
    dreams: np.ndarray
    num_starts: int
    num_frames: int

    @property
    def told(self) -> float | None:
        """How much the latent actions tell of the true ones: NMI, 0 to 1; None without true ones."""
        if self.occurrence is None or self.occurrence.table is None:
            return None
        return float(table_nmi(torch.from_numpy(self.occurrence.table)))

    def keys_of(self, action: int) -> list[str]:
        """The keys proposed for an action."""
        return [key for key, taken in self.proposal.key_map.items() if taken == action]

    def with_proposal(self, proposal: Naming) -> Discovery:
        """The same findings with other keys and names."""
        actions = [replace(report, name=proposal.names[report.action]) for report in self.actions]
        return replace(self, actions=actions, proposal=proposal)


def discover(
    world: WorldCore,
    gameplay: Gameplay | None = None,
    named_by: NamedBy = "auto",
    advance: Callable[[int], None] = lambda count: None,
) -> Discovery:
    """Hold every action from the same starts, measure what happens, count occurrences, propose keys.

    Args:
        world: the world.
        gameplay: clips to count in; those in the world file are few. Starts, too, if the world has none.
        named_by: ``"truth"`` names by the true actions of the gameplay, ``"flow"`` by what the dreams show;
            ``"auto"`` takes the truth if there is any, else names that the world has, else the flow.
        advance: told of work as it is done, `work` units together.

    Raises:
        ConfigError: the world has one action only.
        DataError: there is nothing to start from, or the gameplay does not fit.
    """
    starts = _starts(world, gameplay)
    occurrence = count_in_gameplay(world, gameplay) if gameplay else count_in_start_clips(world)
    dead = occurrence.dead if occurrence else []
    dreams = hold_each_action(world, starts, NUM_FRAMES, advance)
    effects, calmest = measure_effects(dreams, dead, advance)
    does = effect_names(effects)
    shares = None if occurrence is None else occurrence.shares.tolist()
    origin = _origin(world, gameplay, named_by)
    known = Naming() if origin == "optical flow" else _known_naming(world, gameplay, origin)
    if known.guessed and named_by != "truth":
        origin = "optical flow"  # the true actions are known, but no key was earned by them
    if origin == "optical flow":
        proposal = beside_truth(propose(effects, calmest, shares, dead), known)
    else:
        proposal = with_effects(known, effects)
    return Discovery(
        actions=_reports(effects, does, proposal, shares, dead, twins(dreams, does)),
        proposal=proposal,
        origin=origin,
        calmest=calmest,
        occurrence=occurrence,
        dreams=hold_each_action(world, starts[_telling(dreams)], SHOWN_FRAMES, advance),
        num_starts=len(starts),
        num_frames=NUM_FRAMES,
    )


def _reports(
    effects: Sequence[Effect],
    does: Sequence[str],
    proposal: Naming,
    shares: Sequence[float] | None,
    dead: Sequence[int],
    twin_of: Mapping[int, int],
) -> list[ActionReport]:
    return [
        ActionReport(
            action=i,
            name=proposal.names[i],
            does=does[i],
            effect=effect,
            share=None if shares is None else shares[i],
            dead=i in dead,
            twin_of=twin_of.get(i),
        )
        for i, effect in enumerate(effects)
    ]


def work(world: WorldCore, gameplay: Gameplay | None = None) -> int:
    """How many frames `discover` dreams and measures."""
    starts = len(_starts(world, gameplay))
    return world.num_actions * (2 * starts * NUM_FRAMES + min(starts, NUM_SHOWN) * SHOWN_FRAMES)


def _starts(world: WorldCore, gameplay: Gameplay | None) -> StartClips:
    """Up to `NUM_STARTS` clips, spread over those there are."""
    if world.start_clips:
        return world.start_clips.spread(NUM_STARTS)
    if gameplay is None:
        raise DataError("this world stores no clips to start from: name gameplay with --data FILE")
    labels = gameplay.clip_actions if world.info.actions == "labels" else None
    between = None if labels is None else labels[:, :-1]
    return StartClips(gameplay.clips, between).spread(NUM_STARTS)


def _origin(world: WorldCore, gameplay: Gameplay | None, named_by: NamedBy) -> Origin:
    known = gameplay is not None and gameplay.sample_actions is not None
    if named_by == "truth" and not known:
        raise DataError("no true actions are at hand: name a recording that holds them with --data FILE")
    if named_by != "flow" and known:
        return "true actions"
    given = any(name != f"action {i}" for i, name in enumerate(world.action_names))
    return "names in the file" if named_by == "auto" and given else "optical flow"


def _known_naming(world: WorldCore, gameplay: Gameplay | None, origin: Origin) -> Naming:
    if origin == "true actions" and world.info.actions != "anchored":
        return name_actions(world.game, world.info.actions, world.latent_actions, gameplay)
    keys = known_keys(world.key_map, world.num_actions)
    true_actions = world.info.true_actions if world.info.actions == "anchored" else {}
    return Naming(keys, world.action_names, world.idle_action, true_actions=true_actions)


def _telling(dreams: np.ndarray) -> list[int]:
    """Starts after which the actions differ much, but not the most: those are cuts and explosions."""
    last = dreams[:, :, -1].astype(np.float32)  # [A, N, H, W, 3]
    ranked = last.std(axis=0).mean((1, 2, 3)).argsort(kind="stable")
    last_one = len(ranked) - 1
    first = max(0, min(len(ranked) - NUM_SHOWN, round(0.6 * last_one)))
    places = np.linspace(first, max(first + NUM_SHOWN - 1, 0.9 * last_one), NUM_SHOWN).round()
    return np.unique(ranked[places.astype(int).clip(max=last_one)]).tolist()


def as_json(found: Discovery) -> dict[str, Any]:
    """The findings without the pictures, as plain numbers and words."""
    counted = found.occurrence
    return {
        "actions": [
            {
                "action": report.action,
                "name": report.name,
                "does": report.does,
                "keys": found.keys_of(report.action),
                "flow_px": [round(value, 3) for value in report.effect.flow],
                "moving_share": round(report.effect.moving, 4),
                "change_levels": round(report.effect.change, 3),
                "share": None if report.share is None else round(report.share, 4),
                "dead": report.dead,
                "twin_of": report.twin_of,
            }
            for report in found.actions
        ],
        "proposed": {
            "from": found.origin,
            "key_map": found.proposal.key_map,
            "action_names": list(found.proposal.names),
            "idle_action": found.proposal.idle,
            "true_actions": found.proposal.true_actions,
        },
        "calmest": found.calmest,
        "num_starts": found.num_starts,
        "num_steps": found.num_frames,
        "transitions": counted.num_transitions if counted else 0,
        "counted_in": counted.source if counted else None,
        "true_names": list(counted.true_names) if counted else [],
        "true_against_latent": counted.table.tolist() if counted and counted.table is not None else None,
        "nmi": found.told,
        "counted_on": counted.part if counted else None,
    }
