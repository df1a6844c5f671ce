"""What all sessions of a world share: its frozen networks, clips to start from, and what is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from tinyworlds.errors import DataError
from tinyworlds.models.registry import INFERRED
from tinyworlds.nn.compiling import compile_network, is_compiled
from tinyworlds.nn.devices import pick_device
from tinyworlds.nn.transformer import runs_natively
from tinyworlds.world.info import WorldInfo, nothing_found
from tinyworlds.world.networks import frozen
from tinyworlds.world.start_clips import StartClips

if TYPE_CHECKING:
    from tinyworlds.models.dynamics import DynamicsModel
    from tinyworlds.models.latent_actions import LatentActionModel
    from tinyworlds.models.video_tokenizer import VideoTokenizer


class LearnedGame:
    """A game as it was learned; `world.core.WorldCore` plays it. Arguments as there.

    Attributes:
        remarks: what a player should know of how it is played here, one line each; part of `notes`.
    """

    def __init__(
        self,
        tokenizer: VideoTokenizer,
        dynamics: DynamicsModel,
        latent_actions: LatentActionModel | None,
        info: WorldInfo | None,
        start_clips: StartClips | None,
        device: str | torch.device,
    ) -> None:
        self.device = pick_device(device)
        self.info = info or WorldInfo()
        self.tokenizer = frozen(tokenizer, self.device)
        self.dynamics = frozen(dynamics, self.device)
        self.latent_actions = None if latent_actions is None else frozen(latent_actions, self.device)
        self.start_clips = start_clips or StartClips()
        self.remarks: list[str] = []

    def __repr__(self) -> str:
        """``World('doom', 64x64 at 8.75 fps, 4 actions, 2.1 M parameters, cpu)``."""
        size, rate = f"{self.frame_size}x{self.frame_size}", f"{self.fps:g} fps"
        actions = "no actions" if self.info.actions == "none" else f"{self.num_actions} actions"
        facts = f"{size} at {rate}, {actions}, {_in_short(self.num_parameters)} parameters, {self.device}"
        return f"{type(self).__name__}({self.game or 'unnamed'!r}, {facts})"

    @property
    def num_parameters(self) -> int:
        """How many numbers its networks hold; a number that they share counts once."""
        networks = (self.tokenizer, self.dynamics, self.latent_actions)
        return sum(
            part.numel() for part in {p for network in networks if network for p in network.parameters()}
        )

    @property
    def num_actions(self) -> int:
        """How many actions there are; ids are 0 ... num_actions - 1."""
        return 1 if self.info.actions == "none" else int(self.dynamics.num_actions)

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.info.fps

    @property
    def game(self) -> str:
        """Short name of the title."""
        return self.info.game

    @property
    def key_map(self) -> dict[str, int]:
        """Key name to action id."""
        return self.info.key_map

    @property
    def action_names(self) -> tuple[str, ...]:
        """A name for every action id."""
        given = self.info.action_names
        return tuple(given[i] if i < len(given) else f"action {i}" for i in range(self.num_actions))

    @property
    def idle_action(self) -> int:
        """The action taken while no key is pressed."""
        return self.info.idle_action if 0 <= self.info.idle_action < self.num_actions else 0

    @property
    def notes(self) -> list[str]:
        """What a player should know, one line each."""
        missing = nothing_found(self.info.not_found)
        return ([missing] if missing else []) + self.remarks

    @property
    def frame_size(self) -> int:
        """Side of a frame in pixels."""
        return int(self.tokenizer.config["frame_size"])

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """Shape of a frame: (H, W, 3)."""
        return (self.frame_size, self.frame_size, int(self.tokenizer.config.get("num_channels", 3)))

    def actions_between(self, pixels: torch.Tensor, action_ids: np.ndarray | None) -> torch.Tensor | None:
        """Actions ``[N, T-1]`` between frames ``[N, T, C, H, W]``: as given, else inferred, else idle.

        Raises:
            DataError: too few are given.
        """
        sessions, count = len(pixels), pixels.shape[1] - 1
        if self.info.actions == "none":
            return None
        if action_ids is not None:
            given = torch.as_tensor(np.array(action_ids, np.int64), device=self.device)
            if given.ndim != 2 or given.shape[1] < count:
                shape = tuple(given.shape[1:])
                raise DataError(f"{count + 1} frames need {count} actions between them; got {shape}")
            return given[:, given.shape[1] - count :]
        if count and self.info.actions in INFERRED and self.latent_actions is not None:
            return self.latent_actions.encode(pixels)
        return torch.full((sessions, count), self.idle_action, dtype=torch.int64, device=self.device)

    @property
    def compiled(self) -> bool:
        """Whether anything of it is compiled."""
        return is_compiled(self.dynamics) or is_compiled(self.tokenizer)

    def _compile(self, bf16: bool) -> bool:
        """Compile what no kernel of our own runs, for steps in this number format; return whether any was."""
        parts = {"transformer": self.dynamics, "decoder": self.tokenizer}
        left = [part for part, network in parts.items() if bf16 or not runs_natively(getattr(network, part))]
        for part in left:
            compile_network(parts[part], only=[part], constant=True)
        return bool(left)


def _in_short(count: int) -> str:
    """A count as people say it: ``950``, ``12 k``, ``2.1 M``."""
    for unit, name in ((1_000_000, " M"), (1_000, " k")):
        if count >= unit:
            return f"{count / unit:.{1 if count < 10 * unit else 0}f}{name}"
    return str(count)
