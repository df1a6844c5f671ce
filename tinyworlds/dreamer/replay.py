"""What the agent has lived through: a ring of steps for each environment, and windows drawn from them.

After DreamerV3's published code: every window of so many steps in a row is as likely as any other, also
across the ends of episodes; what is fresh is trained on first; each step keeps the agent's state as it was
last seen.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from tinyworlds.dreamer.agent import Observation
from tinyworlds.dreamer.losses import Steps
from tinyworlds.dreamer.rssm import Carry
from tinyworlds.dreamer.sizes import AgentSizes
from tinyworlds.dreamer.spaces import Spaces
from tinyworlds.errors import ConfigError


def columns(spaces: Spaces, sizes: AgentSizes) -> dict[str, tuple[type, tuple[int, ...]]]:
    """What is kept of a step: dtype and shape by name. Latents are kept as the numbers of their classes."""
    table: dict[str, tuple[type, tuple[int, ...]]] = {
        "action": (np.float32, (spaces.action_width,)),
        "reward": (np.float32, ()),
        "first": (np.bool_, ()),
        "last": (np.bool_, ()),
        "terminal": (np.bool_, ()),
        "deter": (np.float16, (sizes.deter,)),  # within -1 to 1, a mixture of such
        "classes": (np.uint8, (sizes.num_latents,)),
    }
    if spaces.frame_size:
        table["picture"] = (np.uint8, (spaces.frame_size, spaces.frame_size, spaces.channels))
    if spaces.vector:
        table["vector"] = (np.float32, (spaces.vector,))
    return table


class Places(NamedTuple):
    """Where windows lie: the environment and the number of its first step, int64 ``[B]`` each."""

    envs: np.ndarray
    starts: np.ndarray


class Replay:
    """Steps of several environments.

    Args:
        spaces: What the agent sees and does.
        sizes: Of the agent, whose states are kept.
        num_envs: Environments that live side by side.
        capacity: Most steps of all of them; the oldest go.
        window: Steps of a window, the one that only gives a memory among them.
        seed: Of what is drawn.

    Attributes:
        counts: Steps that each environment has taken in all, int64 ``[num_envs]``.

    Raises:
        ConfigError: There is no room for a window.
    """

    def __init__(
        self,
        spaces: Spaces,
        sizes: AgentSizes,
        num_envs: int,
        capacity: int,
        window: int = 65,
        seed: int = 0,
    ) -> None:
        self.length = capacity // num_envs
        if self.length < window:
            raise ConfigError(
                f"a replay of {capacity:,} steps for {num_envs} environments holds no window of {window}"
                f" steps: use at least {num_envs * window:,}."
            )
        self.window, self.num_envs, self.sizes = window, num_envs, sizes
        self.counts = np.zeros(num_envs, np.int64)
        self._random = np.random.default_rng(seed)
        self._fresh: deque[tuple[int, int]] = deque()
        self._steps: dict[str, np.ndarray] = {
            name: np.zeros((num_envs, self.length, *shape), dtype)
            for name, (dtype, shape) in columns(spaces, sizes).items()
        }

    @property
    def num_steps(self) -> int:
        """Steps held."""
        return int(np.minimum(self.counts, self.length).sum())

    @property
    def num_windows(self) -> int:
        """Windows that can be drawn."""
        return int(self._window_counts().sum())

    @property
    def num_bytes(self) -> int:
        """Memory that all of it takes when it is full."""
        return sum(column.nbytes for column in self._steps.values())

    def num_held(self, env: int) -> int:
        """Steps of an environment that are held."""
        return int(min(self.counts[env], self.length))

    def row(self, env: int, step: int) -> dict[str, np.ndarray]:
        """One step of an environment, counted from the newest: -1 is the last."""
        place = (self.counts[env] + step) % self.length
        return {name: column[env, place] for name, column in self._steps.items()}

    def add(self, env: int, step: Mapping[str, Any]) -> None:
        """Take the next step of an environment, a value for every column."""
        place = self.counts[env] % self.length
        for name, column in self._steps.items():
            column[env, place] = step[name]
        self.counts[env] += 1
        if self.counts[env] % self.window == 0:
            self._fresh.append((env, int(self.counts[env]) - self.window))

    def draw(self, batch: int) -> Places:
        """Places of windows: fresh ones first, then any.

        Raises:
            ConfigError: There is none yet.
        """
        chosen = [self._fresh.popleft() for _ in range(min(batch, len(self._fresh)))]
        oldest = self.counts - np.minimum(self.counts, self.length)
        chosen = [(env, start) for env, start in chosen if start >= oldest[env]]
        windows = self._window_counts()
        if not windows.sum():
            raise ConfigError(f"there is no window of {self.window} steps yet: take more steps first.")
        numbers = self._random.integers(windows.sum(), size=batch - len(chosen))
        bounds = windows.cumsum()
        envs = np.searchsorted(bounds, numbers, side="right")
        starts = oldest[envs] + numbers - (bounds - windows)[envs]
        fresh = np.array(chosen, np.int64).reshape(-1, 2)
        return Places(np.concatenate([fresh[:, 0], envs]), np.concatenate([fresh[:, 1], starts]))

    def newest(self, number: int) -> Places:
        """The newest windows that do not overlap, of all environments in turn; or as many as there are."""
        envs: list[int] = []
        starts: list[int] = []
        for age in range(1, number + 1):
            for env in range(self.num_envs):
                if age * self.window <= self.num_held(env) and len(envs) < number:
                    envs.append(env)
                    starts.append(int(self.counts[env]) - age * self.window)
        return Places(np.array(envs, np.int64), np.array(starts, np.int64))

    def windows(self, places: Places) -> Steps:
        """The steps of windows, as tensors ``[B, window, ...]``."""
        envs, rows = places.envs[:, None], self._rows(places, 0)
        found = {name: column[envs, rows] for name, column in self._steps.items()}
        # where steps were left out (a run that was resumed), what lies before a beginning is an end
        cut = np.zeros_like(found["last"])
        cut[:, :-1] = found["first"][:, 1:] & ~found["last"][:, :-1]
        tensors = {name: torch.from_numpy(column) for name, column in found.items()}
        return Steps(
            Observation(tensors.get("picture"), tensors.get("vector")),
            tensors["action"],
            tensors["reward"],
            tensors["first"],
            tensors["last"] | torch.from_numpy(cut),
            tensors["terminal"],
            Carry(tensors["deter"].float(), one_hot(tensors["classes"], self.sizes.num_classes)),
        )

    def write_back(self, places: Places, memory: Carry) -> None:
        """Keep the agent's newer states ``[B, window - 1, ...]`` of windows, but for their first step.

        Windows that have been overwritten since are left alone.
        """
        oldest = self.counts - np.minimum(self.counts, self.length)
        held = places.starts >= oldest[places.envs]
        envs, rows = places.envs[held, None], self._rows(places, 1)[held]
        self._steps["deter"][envs, rows] = memory.deter.float().cpu().numpy()[held]
        self._steps["classes"][envs, rows] = classes_of(memory.stoch, self.sizes).cpu().numpy()[held]

    # ---- going on after a stop

    def state(self) -> dict[str, Any]:
        """What is drawn next, and how many steps there were, as plain values."""
        return {
            "counts": self.counts.tolist(),
            "fresh": [list(place) for place in self._fresh],
            "random": json.dumps(self._random.bit_generator.state),  # numbers of 128 bits
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on drawing from where a run stood; the steps themselves come by :meth:`put`."""
        self.counts = np.array(state["counts"], np.int64)
        self._fresh = deque((int(env), int(start)) for env, start in state["fresh"])
        self._random.bit_generator.state = json.loads(state["random"])

    def stretch(self, env: int, start: int, stop: int, names: Collection[str]) -> dict[str, np.ndarray]:
        """Columns of the steps from number `start` to before `stop` of an environment, which are held."""
        rows = np.arange(start, stop) % self.length
        return {name: self._steps[name][env, rows] for name in names}

    def put(self, env: int, start: int, columns: Mapping[str, np.ndarray]) -> None:
        """Set columns of steps from number `start` on.

        Raises:
            ValueError: They are not of this replay's shapes.
        """
        for name, values in columns.items():
            self._steps[name][env, np.arange(start, start + len(values)) % self.length] = values

    @property
    def names(self) -> list[str]:
        """Of all columns."""
        return [*self._steps]

    def _rows(self, places: Places, first: int) -> np.ndarray:
        return (places.starts[:, None] + np.arange(first, self.window)) % self.length

    def _window_counts(self) -> np.ndarray:
        return np.maximum(np.minimum(self.counts, self.length) - self.window + 1, 0)


def one_hot(classes: torch.Tensor, num_classes: int) -> torch.Tensor:
    """Latents ``[..., latents]`` as numbers of classes to ``[..., latents * classes]``."""
    return torch.nn.functional.one_hot(classes.long(), num_classes).float().flatten(-2)


def classes_of(stoch: torch.Tensor, sizes: AgentSizes) -> torch.Tensor:
    """The inverse, uint8."""
    return stoch.unflatten(-1, (sizes.num_latents, -1)).argmax(-1).to(torch.uint8)
