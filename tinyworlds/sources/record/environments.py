"""Live games behind one face: pictures and numbered actions, whatever the gymnasium environment offers.

ViZDoom, Atari and CarRacing are known by their ids: their true frame rate, their own frame skip, and settings
that keep the recorded action the executed one. Procgen and stable-retro are no gymnasium environments, see
`retro_procgen`. Any other environment is recorded from its picture or its `render`.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import os
import re
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from games.registry import titles
from tinyworlds.errors import ConfigError, MissingExtraError, did_you_mean
from tinyworlds.sources.record.action_table import Action, action_table, select_actions
from tinyworlds.sources.record.camera import RENDER, Camera, has_byte_picture, metadata, render_modes
from tinyworlds.sources.record.car_racing import CarRacing, is_car_racing
from tinyworlds.sources.record.habits import adapt, as_end, as_reward
from tinyworlds.sources.record.making import make, one_line
from tinyworlds.sources.record.retro_procgen import ProcgenGame, RetroGame, is_procgen, is_retro
from tinyworlds.system.leftovers import Scratch
from tinyworlds.system.stopping import terminal_signals
from tinyworlds.system.user_code import import_named

_ATARI_FPS = 60.0  # the console's rate; the environment's own figure is only a playback hint
_DOOM_FPS = 35.0  # one tic of the engine
_RETRO_FPS = 60.0
_USUAL_FPS = 30.0  # of environments that do not say
_NATIVE_SKIP = 4

BLIND = "none"
"""For `LiveGame`: take no picture."""


class LiveGame:
    """A running game: `reset` and `step` return uint8 [H,W,3] pictures, actions are ids into `actions`.

    Args:
        env_id: any gymnasium id, such as ``ALE/Pong-v5``, ``VizdoomBasic-v1``, ``CartPole-v1``; or
            ``procgen/coinrun``, ``retro/Airstriker-Genesis-v0``.
        frame_skip: game steps per action; None takes 4 for Atari, ViZDoom, CarRacing and consoles,
            1 elsewhere.
        actions: names of the actions to use, in this order; None uses all.
        size: pictures smaller than this are of no use; a low resolution is chosen where the game has several.
        env_kwargs: settings of the environment's own, by name.
        picture: what is recorded, see `Camera`; `BLIND` for nothing, where only the observation counts.

    Attributes:
        env_id: the id that was found.
        frame_skip: game steps per action.
        fps: pictures per second of game time.
        actions: the table of numbered actions.
        picture: the game's current picture, uint8 [H,W,3]; the game may reuse it.
        observation: what the game itself hands an agent now.
        terminated: whether the last step ended the game, rather than cutting the episode or neither.
        action_space: what the environment itself takes; observation_space: what it hands an agent.

    Raises:
        ConfigError: no such environment or action, or it draws no picture.
        DataError: the environment fails; so may `reset` and `step`.
        MissingExtraError: the game's package is not installed.
    """

    def __init__(
        self,
        env_id: str,
        frame_skip: int | None = None,
        actions: Sequence[str] | None = None,
        size: int = 64,
        env_kwargs: Mapping[str, Any] | None = None,
        picture: str | None = None,
    ) -> None:
        if frame_skip is not None and frame_skip < 1:
            raise ConfigError(f"frame_skip is {frame_skip}; it must be at least 1.")
        self.env_id = find_environment(env_id)
        settings = env_kwargs or {}
        native = _is_atari(self.env_id) or _is_doom(self.env_id) or is_car_racing(self.env_id, settings)
        self.frame_skip = skip = frame_skip or (_NATIVE_SKIP if native or is_retro(self.env_id) else 1)
        self._repeat = 1 if native else skip
        self._closed = self._has_engine = False
        self.observation: Any = None
        self.terminated = False
        self.picture = np.zeros((size, size, 3), np.uint8)
        self._scratch = Scratch()
        try:
            with self._scratch.marked():
                self._env = _make(self.env_id, skip, size, settings, picture)
        except BaseException:
            self._scratch.close()
            raise
        try:
            self._env = adapt(self._env, self.env_id)
            self.action_space, self.observation_space = self._env.action_space, self._env.observation_space
            self.actions: list[Action] = select_actions(action_table(self._env), actions)
            self._camera = Camera(self._env, self.env_id, picture) if picture != BLIND else None
        except BaseException:
            self.close()
            raise
        self.fps = _frame_rate(self._env, self.env_id) / skip

    def reset(self, seed: int | None = None) -> np.ndarray:
        """Start an episode and return its first picture."""
        starts = not self._has_engine and _is_doom(self.env_id)
        self._has_engine = True
        apart = _apart(self._scratch.folder) if starts else contextlib.nullcontext()
        with apart, self._scratch.marked(), one_line(self.env_id, "reset()"):
            self.observation, _ = self._env.reset(seed=seed)
        if self._camera is not None:
            self.picture = self._picture(self.observation)
        return self.picture

    def step(self, action_id: int) -> tuple[np.ndarray, float, bool]:
        """Play one action; return the picture after it, the reward, and whether the episode is over."""
        reward, terminated, truncated = self.play(self.actions[action_id].value)
        return self.picture, reward, terminated or truncated

    def play(self, value: Any) -> tuple[float, bool, bool]:
        """Play one action as the environment itself takes it.

        Returns:
            The reward, whether the game is over, and whether it was cut without being over.
        """
        reward, terminated, truncated = 0.0, False, False
        for _ in range(self._repeat):
            with one_line(self.env_id, "step()"):
                self.observation, step_reward, *ends, _ = self._env.step(value)
            reward += as_reward(step_reward, self.env_id)
            terminated, truncated = (as_end(end, self.env_id) for end in ends)
            if terminated or truncated:
                break
        self.terminated = terminated
        if self._camera is not None:
            self.picture = self._picture(self.observation)
        return reward, terminated, truncated

    def close(self) -> None:
        """End the game; a second call does nothing."""
        if not self._closed:
            self._closed = True
            try:
                with contextlib.suppress(Exception, SystemExit):  # nothing of it is recorded any more
                    self._env.close()
            finally:
                self._scratch.close()

    def _picture(self, observation: Any) -> np.ndarray:
        assert self._camera is not None
        with one_line(self.env_id, "render()"):
            return self._camera(observation)


def find_environment(env_id: str) -> str:
    """Import the package behind an id; return it as registered, in its newest version if that one is gone.

    Raises:
        ConfigError: no such environment.
        MissingExtraError: its package is not installed.
    """
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    if is_procgen(env_id) or is_retro(env_id):
        return env_id
    if _is_atari(env_id):
        _import_extra("ale_py", "atari", env_id)
    elif _is_doom(env_id):
        _import_extra("vizdoom.gymnasium_wrapper", "games", env_id)
    elif env_id.startswith("TinyWorlds/"):
        importlib.import_module("tinyworlds.envs")
    elif ":" in env_id:  # gymnasium's own spelling for "import this module first"
        module, _, env_id = env_id.rpartition(":")
        _import_or_explain(module, env_id)
    if env_id in gym.registry:
        return env_id
    base = re.sub(r"-v\d+$", "", env_id)
    versions = [env for env in gym.registry if re.sub(r"-v\d+$", "", env) == base]
    if versions:  # packages drop old versions; the newest is the same game
        return max(versions, key=lambda env: int(env.rsplit("-v", 1)[-1]) if "-v" in env else -1)
    raise ConfigError(
        f"No gymnasium environment is called '{env_id}'.{did_you_mean(env_id, [*titles(), *gym.registry])} "
        "Use MODULE:ENV_ID for one that a package registers on import, FILE.py:ENV_ID for one of your own."
    )


def _make(
    env_id: str, frame_skip: int, size: int, settings: Mapping[str, Any], picture: str | None
) -> gym.Env:
    if is_procgen(env_id):
        return ProcgenGame(env_id, settings)
    if is_retro(env_id):
        if settings:
            raise ConfigError(f"{env_id} takes no --env_kwargs, but {', '.join(settings)} was given.")
        return RetroGame(env_id)
    if _is_atari(env_id):
        # by default it repeats the last action at random; the recorded one would not be the executed one
        return make(env_id, {"frameskip": frame_skip, "repeat_action_probability": 0.0, **settings})
    if _is_doom(env_id):
        resolution: dict[str, Any] = {"screen_resolution": "RES_160X120"} if size <= 120 else {}
        quiet = {"sound_enabled": False, "audio_buffer_enabled": False}  # hangs where there is no sound card
        return make(env_id, {"frame_skip": frame_skip, **resolution, **quiet, **settings})
    _draw_without_display()
    if is_car_racing(env_id, settings):
        return CarRacing(env_id, frame_skip, settings)
    env = make(env_id, settings)
    drawn = picture == RENDER or (
        picture is None and not has_byte_picture(getattr(env, "observation_space", None))
    )
    if not drawn or "rgb_array" not in render_modes(env):
        return env
    with one_line(env_id, "close()"):
        env.close()
    return make(env_id, settings, drawn=True)


def _draw_without_display() -> None:
    """Keep SDL, which many games draw with, from looking for a display: without one it prints an error."""
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")


@contextlib.contextmanager
def _apart(folder: str) -> Iterator[None]:
    """Start an engine in a folder, where it leaves its settings, and deaf to what a terminal sends to all.

    It ends when we close it. An engine that dies first can take this process with it.
    """
    before = os.getcwd()
    os.chdir(folder)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, terminal_signals()) if os.name == "posix" else ()
    try:
        yield
    finally:
        if os.name == "posix":
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.chdir(before)


def _frame_rate(env: gym.Env, env_id: str) -> float:
    if _is_atari(env_id):
        return _ATARI_FPS
    if _is_doom(env_id):
        return _DOOM_FPS
    if is_retro(env_id):
        return _RETRO_FPS
    told = metadata(env).get("render_fps") or metadata(env).get("video.frames_per_second")
    try:
        fps = float(told or 0.0)
    except (TypeError, ValueError):
        return _USUAL_FPS
    return fps if 0 < fps < math.inf else _USUAL_FPS


def _is_atari(env_id: str) -> bool:
    return env_id.startswith("ALE/")


def _is_doom(env_id: str) -> bool:
    return env_id.lower().startswith("vizdoom")


def _import_extra(module: str, extra: str, env_id: str) -> None:
    try:
        importlib.import_module(module)
    except ImportError as error:
        package = module.split(".")[0].replace("_", "-")
        raise MissingExtraError(
            f"{env_id} needs the package '{package}'; run: pip install 'tinyworlds[{extra}]'"
        ) from error
    if module == "ale_py":
        ale = importlib.import_module(module)
        ale.ALEInterface.setLoggerMode(ale.LoggerMode.Error)  # no banner in the middle of a progress bar


def _import_or_explain(module: str, env_id: str) -> None:
    try:
        import_named(module)
    except ImportError as error:
        raise MissingExtraError(f"{env_id} needs '{module}', which cannot be imported: {error}") from error
