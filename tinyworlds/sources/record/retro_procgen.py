"""Games that are no gymnasium environments of their own, behind gymnasium's face: Procgen and stable-retro.

    procgen/coinrun         Procgen (package procgen2): 64x64 pictures, levels without end
    retro/Airstriker-Genesis-v0    stable-retro: consoles; the ROM is the user's own
    retro/SonicTheHedgehog-Genesis-v0/GreenHillZone.Act2    likewise, from a saved state

Both packages are optional and imported when such a game is asked for.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import gymnasium as gym
import numpy as np

from tinyworlds.errors import ConfigError, MissingExtraError, MissingFileError, did_you_mean

_PROCGEN_INSTALL = (
    "pip install --no-deps procgen2 gym3 gym==0.26.2 gym_notices && "
    "pip install cffi cloudpickle imageio imageio-ffmpeg moderngl glcontext glfw"
)
_RETRO_INSTALL = "pip install stable-retro"
_OTHER_BUTTONS = ("start", "select", "mode", "none")  # they pause the game, change the pad, or do nothing


def is_procgen(env_id: str) -> bool:
    """Whether an id names a Procgen game."""
    return env_id.startswith("procgen/")


def is_retro(env_id: str) -> bool:
    """Whether an id names a game of stable-retro."""
    return env_id.startswith("retro/")


class ProcgenGame(gym.Env):
    """One Procgen game; every episode is a level of its own.

    Args:
        env_id: such as ``procgen/coinrun``.
        settings: Procgen's own, such as ``distribution_mode="easy"``; with ``render_mode="rgb_array"`` the
            picture has 512x512 pixels.

    Raises:
        MissingExtraError: Procgen is not installed.
        ConfigError: it has no such game or setting.
    """

    metadata = {"render_fps": 15}  # noqa: RUF012

    def __init__(self, env_id: str, settings: Mapping[str, Any] | None = None) -> None:
        procgen = _import("procgen", env_id, _PROCGEN_INSTALL)
        self._env_id, self._name, self._settings = env_id, env_id.partition("/")[2], dict(settings or {})
        self._new, self._is_large = procgen.ProcgenGym3Env, self._settings.get("render_mode") == "rgb_array"
        games = importlib.import_module("procgen.env").ENV_NAMES
        if self._name not in games:
            raise ConfigError(
                f"Procgen has no game '{self._name}'; it has {', '.join(games)}."
                f"{did_you_mean(self._name, games)}"
            )
        self._game = self._make(0)
        combos = [[key.lower() for key in combo] for combo in self._game.get_combos()]
        self._names = ["+".join(combo) or "noop" for combo in combos]
        self.action_space = gym.spaces.Discrete(len(combos))
        self.observation_space = gym.spaces.Box(0, 255, self._observation().shape, np.uint8)
        self._at_start = True

    def get_action_meanings(self) -> list[str]:
        """Return the keys of each action."""
        return self._names

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict]:
        """Start a level; after the end of one, Procgen has done so already."""
        if seed is not None:
            self._game.close()
            self._game = self._make(seed % 2**31)
        elif not self._at_start:
            self._game.act(np.array([-1], np.int32))  # Procgen's own way to give up a level
        self._at_start = True
        return self._observation(), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict]:
        """Play one action; after the last one of a level the picture is that of the next level."""
        self._game.act(np.array([action], np.int32))
        reward, _, first = self._game.observe()
        self._at_start = bool(first[0])
        return self._observation(), float(reward[0]), self._at_start, False, {}

    def close(self) -> None:
        """End the game."""
        self._game.close()

    def _make(self, seed: int) -> Any:
        try:
            return self._new(num=1, env_name=self._name, rand_seed=seed, **self._settings)
        except Exception as error:  # whatever it says of a setting, in one line
            if not self._settings:
                raise
            told = ", ".join(f"{name}={value}" for name, value in self._settings.items())
            raise ConfigError(f"{self._env_id} does not take {told} (--env_kwargs): {error!r}") from error

    def _observation(self) -> np.ndarray:
        if self._is_large:
            return self._game.get_info()[0]["rgb"].copy()
        return self._game.observe()[1]["rgb"][0].copy()


class RetroGame(gym.Env):
    """One console game; the actions are single buttons, the four directions, and both together.

    Start, Select and Mode are left out: they pause the game.

    Args:
        env_id: such as ``retro/Airstriker-Genesis-v0``, with ``/STATE`` behind it for a saved state.

    Raises:
        MissingExtraError: stable-retro is not installed.
        MissingFileError: the ROM is not there.
    """

    metadata = {"render_fps": 60}  # noqa: RUF012

    def __init__(self, env_id: str) -> None:
        retro = _import("retro", env_id, _RETRO_INSTALL)
        _, game, *state = env_id.split("/")
        options = {"state": state[0]} if state else {}
        try:
            games = retro.data.list_games(retro.data.Integrations.ALL)
            if game not in games:
                raise ConfigError(f"stable-retro knows no game '{game}'.{did_you_mean(game, games)}")
            self._game = retro.make(
                game, render_mode="rgb_array", use_restricted_actions=retro.Actions.ALL, **options
            )
        except FileNotFoundError as error:
            raise MissingFileError(
                f"{env_id}: {' '.join(str(error).split())[:200]} stable-retro comes without ROMs; put yours "
                "in a folder and run: python -m retro.import FOLDER"
            ) from error
        buttons = [str(button).lower() for button in self._game.buttons]
        self._names = _combinations(buttons)
        self._presses = [[name in action.split("+") for name in buttons] for action in self._names]
        self.action_space = gym.spaces.Discrete(len(self._names))
        self.observation_space = self._game.observation_space

    def get_action_meanings(self) -> list[str]:
        """Return the buttons of each action."""
        return self._names

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict]:
        """Start anew, from the saved state."""
        return self._game.reset(seed=seed)

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict]:
        """Press the buttons of an action for one picture."""
        return self._game.step(np.array(self._presses[int(action)], np.int8))

    def close(self) -> None:
        """End the emulator; a process can run one at a time."""
        self._game.close()


def _combinations(buttons: list[str]) -> list[str]:
    ways = [name for name in ("left", "right", "up", "down") if name in buttons]
    others = [name for name in buttons if name not in (*ways, *_OTHER_BUTTONS)]
    return ["noop", *ways, *others, *(f"{way}+{other}" for way in ways for other in others)]


def _import(module: str, env_id: str, command: str) -> ModuleType:
    try:
        # procgen imports the gym of old, which prints a sermon
        with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{env_id} needs a package that is not installed ({error}); run: {command}"
        ) from error
