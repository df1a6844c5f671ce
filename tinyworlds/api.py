"""The facade: what is stepped (`world.core`) joined with loading, environments and play.

world = World.load("zelda.world")
frame = world.reset(seed=0)          # uint8 [H, W, 3]
frame = world.step(action_id=3)
world.play("d*30 space*2")           # a clip that shows itself in a notebook
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tinyworlds.play.clip import Clip, compare, play_keys
from tinyworlds.world.core import AnyWorld, WorldCore

if TYPE_CHECKING:
    from tinyworlds.checkpoints.search import PathLike
    from tinyworlds.envs.world_env import WorldEnv

__all__ = ["World", "compare"]


class World(WorldCore):
    """A learned game that is played frame by frame; made of networks as a `WorldCore` is, or loaded."""

    @classmethod
    def load(
        cls: type[AnyWorld],
        path: PathLike | Sequence[PathLike] | Mapping[str, PathLike],
        device: str | torch.device = "cpu",
        **settings: Any,
    ) -> AnyWorld:
        """Load a world.

        Args:
            path: a `.world` file; the name of a world, such as "doom", your own or one that comes with
                TinyWorlds; a run folder; a folder with weights of the three stages in any format; the
                three checkpoints as a tuple or list, in any order, or by stage, ``{"dynamics": ..., ...}``.
            device: such as ``"cpu"``, ``"cuda"``, ``"auto"``.
            settings: further arguments of `World`, such as `num_steps` or `precision`.

        Raises:
            MissingFileError: nothing is there.
            ConfigError: a stage is missing.
            CheckpointError: a file is truncated, not ours, not finite, or the parts do not fit.
        """
        from tinyworlds.export.loading import open_world
        from tinyworlds.system.shell import at_home

        world = open_world(at_home(path), device, world_class=cls, **settings)
        assert isinstance(world, cls)
        return world

    def as_env(self, max_steps: int | None = None, render_mode: str | None = None) -> WorldEnv:
        """Return a session of this world as a `gymnasium.Env`; it shares the weights and nothing else.

        Args:
            max_steps: steps per episode; None for no limit.
            render_mode: ``"rgb_array"`` or None.
        """
        from tinyworlds.envs.world_env import WorldEnv  # gymnasium takes a while to import

        return WorldEnv(self, max_steps=max_steps, render_mode=render_mode)

    def play(self, keys: str, seed: int | None = None) -> Clip:
        """Play a script of keys from a stored clip and return a clip that shows itself in a notebook.

        It is a session of its own: where this world stands does not change.

        Args:
            keys: one key for each frame, such as ``"d*30 space*2 idle*5"``.
            seed: the same seed starts from the same clip and samples alike.

        Raises:
            ConfigError: a word is no key, or means nothing in this world.
            DataError: the world stores no clips to start from.
        """
        return play_keys(self.session(), keys, seed)

    def rollout(
        self, frames: np.ndarray, action_ids: Sequence[int] | np.ndarray, seed: int | None = None
    ) -> np.ndarray:
        """Play a list of actions from given frames.

        Args:
            frames: context, uint8 [T, H, W, 3]; it is not part of what is returned.
            action_ids: the N actions to take.
            seed: of the sampling.

        Returns:
            The predicted frames, uint8 [N, H, W, 3].
        """
        self.reset(frames, seed=seed)
        played = [self.step(int(action))[None] for action in action_ids]
        return np.concatenate([np.zeros((0, *self.frame_shape), np.uint8), *played])
