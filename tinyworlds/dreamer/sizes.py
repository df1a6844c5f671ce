"""How large an agent is: the published presets, and a small one for CPUs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tinyworlds.errors import ConfigError, did_you_mean, listed


@dataclass(frozen=True)
class AgentSizes:
    """Widths of an agent.

    Args:
        deter: Numbers in the recurrent state, D; a multiple of `blocks`.
        hidden: Width of the layers around it.
        num_latents: Categorical latents.
        num_classes: Classes of each.
        depth: Channels of the convolutions, times the multiplier of each stage.
        units: Width of the heads and of the networks for vectors.
        blocks: Blocks of the recurrent matrices.
        multipliers: Of the stages, from the picture inwards; each halves height and width, and as many are
            taken as a picture bears.
        changes: Settings of training that go with these sizes, where they are not the published ones.

    Raises:
        ConfigError: Sizes do not fit.
    """

    deter: int
    hidden: int
    num_classes: int
    depth: int
    units: int
    num_latents: int = 32
    blocks: int = 8
    multipliers: tuple[int, ...] = (2, 3, 4, 4)
    changes: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.deter % self.blocks:
            raise ConfigError(f"deter {self.deter} must be a multiple of blocks {self.blocks}.")

    @property
    def stoch(self) -> int:
        """Numbers in the one-hot latents."""
        return self.num_latents * self.num_classes

    @property
    def feature(self) -> int:
        """Numbers that the heads see: the recurrent state and the latents."""
        return self.deter + self.stoch


def _preset(hidden: int, deter: int | None = None, depth: int | None = None) -> AgentSizes:
    """The published pattern: everything follows from one width."""
    return AgentSizes(deter or 8 * hidden, hidden, hidden // 16, depth or hidden // 16, hidden)


PRESETS = {
    "cpu-tiny": AgentSizes(
        128,
        64,
        8,
        4,
        64,
        num_latents=16,
        multipliers=(2, 4, 4, 4),
        changes={"learning_rate": 1e-3, "warmup_steps": 100, "entropy": 1e-2, "batch_size": 8, "length": 16},
    ),
    "1m": _preset(64),
    "12m": _preset(256),
    "25m": _preset(384),
    "50m": _preset(512),
    "100m": _preset(768),
    "200m": _preset(1024),
    "400m": _preset(1536),
}
"""Sizes by name; "cpu-tiny" is ours, for an hour or two on a CPU. It changes more than sizes: learning rate,
warm-up, entropy, and how much an update is shown."""


def sizes_of(preset: str) -> AgentSizes:
    """Return the sizes of that name.

    Raises:
        ConfigError: There is none.
    """
    if preset not in PRESETS:
        raise ConfigError(
            f"preset must be one of {listed([*PRESETS], 9)}, got '{preset}'.{did_you_mean(preset, PRESETS)}"
        )
    return PRESETS[preset]
