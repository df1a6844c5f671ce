"""What is known of a world beside its weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

ActionKind = Literal["latent", "labels", "none"]
"""What the dynamics listens to: latent actions, the data's own labels, or nothing."""

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
        metrics: figures of the last evaluation.
        provenance: where weights and start clips come from.
    """

    game: str = ""
    fps: float = 15.0
    key_map: dict[str, int] = field(default_factory=dict)
    action_names: tuple[str, ...] = ()
    idle_action: int = 0
    actions: ActionKind = "latent"
    metrics: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
