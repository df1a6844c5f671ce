"""What is known of a world beside its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from tinyworlds.errors import listed
from tinyworlds.system.text import visible
from tinyworlds.world.sureness import UsualSureness

ActionKind = Literal["latent", "anchored", "labels", "none"]
"""What the dynamics listens to: latent actions, those that a few recorded labels anchor, the data's own
labels at every frame, or nothing."""

_LONGEST_NAME = 200

ACTION_KINDS: tuple[ActionKind, ...] = get_args(ActionKind)


@dataclass(frozen=True)
class WorldInfo:
    """What is known of a world beside its weights; stored in the `.world` file.

    Attributes:
        game: short name of the title, such as ``"zelda"``.
        fps: frames per second at which the world was learned and is played.
        key_map: key name to action id.
        action_names: one per action id; empty for "action 0", "action 1", ...
        idle_action: the action taken while no key is pressed.
        actions: what the dynamics listens to, see `ActionKind`.
        true_actions: the action of this world that carries each true one of its recording, by name, in the
            order of their ids; None where nothing was found for it. Empty where no true ones are known.
        by_hand: what a person changed of the keys: ``bind``, key name to action or None where the key was
            taken away; ``names``, action id as text to name; ``idle``. An export over the file keeps it.
        sureness: how sure it is where true frames go on; None where that was not measured.
        metrics: figures of the last evaluation.
        provenance: where weights and start clips come from.
    """

    game: str = ""
    fps: float = 15.0
    key_map: dict[str, int] = field(default_factory=dict)
    action_names: tuple[str, ...] = ()
    idle_action: int = 0
    actions: ActionKind = "latent"
    true_actions: dict[str, int | None] = field(default_factory=dict)
    by_hand: dict[str, Any] = field(default_factory=dict)
    sureness: UsualSureness | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # names come from files that anybody may have written, and are shown in windows, pages and reports
        object.__setattr__(self, "game", visible(self.game)[:_LONGEST_NAME])
        object.__setattr__(self, "key_map", {visible(key): action for key, action in self.key_map.items()})
        object.__setattr__(self, "action_names", tuple(visible(n)[:_LONGEST_NAME] for n in self.action_names))

    @property
    def not_found(self) -> tuple[str, ...]:
        """True actions that no action of this world carries."""
        return not_found(self.true_actions)

    def sent_for(self, true_action: str) -> int | None:
        """The action that is sent when a player presses the key of a true action; None if there is no such.

        Args:
            true_action: its name in the recording; ``"action 3"`` where it has none there.
        """
        if true_action in self.true_actions:
            return self.true_actions[true_action]
        # worlds of earlier versions only have names; "action 3" as the third's own says nothing
        named = {name: i for i, name in enumerate(self.action_names) if name != f"action {i}"}
        return named.get(true_action)


def not_found(true_actions: Mapping[str, int | None]) -> tuple[str, ...]:
    """The true actions that no action of a world carries."""
    return tuple(name for name, action in true_actions.items() if action is None)


def nothing_found(names: Sequence[str]) -> str:
    """Say for which true actions there is no key; empty if there are none."""
    return f"nothing found for {listed(names)}" if names else ""
