"""What an agent sees and does, in numbers: read off a gymnasium environment."""

from __future__ import annotations

from dataclasses import dataclass

from tinyworlds.dreamer.distributions import ContinuousActions, DiscreteActions
from tinyworlds.errors import ConfigError


@dataclass(frozen=True)
class Spaces:
    """What goes in and out of an agent.

    Args:
        frame_size: Height and width of pictures in px; 0 for none.
        channels: 3 for colour, 1 for grey.
        vector: Numbers beside the picture, or alone; 0 for none.
        num_actions: Of which one is chosen; 0 where actions are numbers.
        action_dim: Numbers of an action, each in -1 to 1; 0 where one is chosen.

    Raises:
        ConfigError: There is nothing to see, or not one kind of action.
    """

    frame_size: int = 0
    channels: int = 3
    vector: int = 0
    num_actions: int = 0
    action_dim: int = 0

    def __post_init__(self) -> None:
        if not self.frame_size and not self.vector:
            raise ConfigError("an agent needs a picture or numbers to look at; this game gives neither.")
        if bool(self.num_actions) == bool(self.action_dim):
            raise ConfigError("an agent chooses one of several actions or gives numbers, one of the two.")

    @property
    def action_width(self) -> int:
        """Numbers of an action as networks take it; one of several is one-hot."""
        return self.num_actions or self.action_dim

    def actions(self, unimix: float) -> DiscreteActions | ContinuousActions:
        """How actions are drawn."""
        if self.num_actions:
            return DiscreteActions(self.num_actions, unimix)
        return ContinuousActions(self.action_dim)
