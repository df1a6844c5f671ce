"""Live games behind one face: pictures and numbered actions, whatever the gymnasium environment offers.

ViZDoom and Atari are known by their ids: their true frame rate, their own frame skip, and settings that keep
the recorded action the executed one. Procgen and stable-retro are no gymnasium environments, see
`other_games`. Any other environment is recorded from its picture or its `render`.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from tinyworlds.errors import ConfigError, MissingExtraError, did_you_mean
from tinyworlds.sources.record.action_table import Action, action_table, select_actions
from tinyworlds.sources.record.retro_procgen import ProcgenGame, RetroGame, is_procgen, is_retro

_ATARI_FPS = 60.0  # the console's rate; the environment's own figure is only a playback hint
_DOOM_FPS = 35.0  # one tic of the engine
_RETRO_FPS = 60.0
_NATIVE_SKIP = 4


class LiveGame:
    """A running game: `reset` and `step` return uint8 [H,W,3] pictures, actions are ids into `actions`.

    Args:
        env_id: any gymnasium id, such as ``ALE/Pong-v5``, ``VizdoomBasic-v1``, ``CartPole-v1``; or
            ``procgen/coinrun``, ``retro/Airstriker-Genesis-v0``.
        frame_skip: game steps per action; None takes 4 for Atari, ViZDoom and consoles, 1 elsewhere.
        actions: names of the actions to use, in this order; None uses all.
        size: pictures smaller than this are of no use; a low resolution is chosen where the game has several.

    Attributes:
        env_id: the id that was found.
        fps: pictures per second of game time.
        actions: the table of numbered actions.
        picture: the game's current picture, uint8 [H,W,3]; the game may reuse it.
        observation: what the game itself hands an agent now.

    Raises:
        ConfigError: no such environment or action, or it draws no picture.
        MissingExtraError: the game's package is not installed.
    """

    def __init__(
        self, env_id: str, frame_skip: int | None = None, actions: Sequence[str] | None = None, size: int = 64
    ) -> None:
        if frame_skip is not None and frame_skip < 1:
            raise ConfigError(f"frame_skip is {frame_skip}; it must be at least 1.")
        self.env_id = find_environment(env_id)
        native = _is_atari(self.env_id) or _is_doom(self.env_id)
        skip = frame_skip or (_NATIVE_SKIP if native or is_retro(self.env_id) else 1)
        self._repeat = 1 if native else skip
        self._closed = False
        self.observation: Any = None
        self.picture = np.zeros((size, size, 3), np.uint8)
        self._env = _make(self.env_id, skip, size)
        self._scratch = tempfile.TemporaryDirectory(prefix="tinyworlds-", ignore_cleanup_errors=True)
        try:
            self.actions: list[Action] = select_actions(action_table(self._env), actions)
        except ConfigError:
            self.close()
            raise
        self.fps = _frame_rate(self._env, self.env_id) / skip

    def reset(self, seed: int | None = None) -> np.ndarray:
        """Start an episode and return its first picture."""
        # ViZDoom's engine starts now and leaves its settings in the folder it is started from
        with _working_in(self._scratch.name) if _is_doom(self.env_id) else contextlib.nullcontext():
            self.observation, _ = self._env.reset(seed=seed)
        self.picture = self._picture(self.observation)
        return self.picture

    def step(self, action_id: int) -> tuple[np.ndarray, float, bool]:
        """Play one action; return the picture after it, the reward, and whether the episode is over."""
        reward = 0.0
        for _ in range(self._repeat):
            value = self.actions[action_id].value
            self.observation, step_reward, terminated, truncated, _ = self._env.step(value)
            reward += float(step_reward)
            if terminated or truncated:
                break
        self.picture = self._picture(self.observation)
        return self.picture, reward, bool(terminated or truncated)

    def close(self) -> None:
        """End the game; a second call does nothing."""
        if not self._closed:
            self._closed = True
            self._env.close()
            self._scratch.cleanup()

    def _picture(self, observation: Any) -> np.ndarray:
        image: Any = _image_in(observation)
        if image is None:
            image = self._env.render()  # an array: all are made with rgb_array
        if image.ndim == 2:
            image = image[..., None]
        if image.shape[-1] == 1:
            image = np.repeat(image, 3, axis=-1)
        return image


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
    elif ":" in env_id:  # gymnasium's own spelling for "import this module first"
        module, env_id = env_id.split(":", 1)
        _import_or_explain(module, env_id)
    if env_id in gym.registry:
        return env_id
    base = re.sub(r"-v\d+$", "", env_id)
    versions = [env for env in gym.registry if re.sub(r"-v\d+$", "", env) == base]
    if versions:  # packages drop old versions; the newest is the same game
        return max(versions, key=lambda env: int(env.rsplit("-v", 1)[-1]) if "-v" in env else -1)
    raise ConfigError(
        f"No gymnasium environment is called '{env_id}'.{did_you_mean(env_id, gym.registry)} "
        "Use MODULE:ENV_ID for one that a package registers on import."
    )


def _make(env_id: str, frame_skip: int, size: int) -> gym.Env:
    if _is_atari(env_id):
        # by default it repeats the last action at random; the recorded one would not be the executed one
        return gym.make(env_id, frameskip=frame_skip, repeat_action_probability=0.0, disable_env_checker=True)
    if _is_doom(env_id):
        resolution: dict[str, Any] = {"screen_resolution": "RES_160X120"} if size <= 120 else {}
        quiet = {"sound_enabled": False, "audio_buffer_enabled": False}  # hangs where there is no sound card
        return gym.make(env_id, frame_skip=frame_skip, disable_env_checker=True, **resolution, **quiet)
    if is_procgen(env_id):
        return ProcgenGame(env_id)
    if is_retro(env_id):
        return RetroGame(env_id)
    try:
        env = gym.make(env_id, disable_env_checker=True)
        if _has_picture(env.observation_space):
            return env
        env.close()
        if "rgb_array" not in env.metadata.get("render_modes", ()):
            raise ConfigError(
                f"{env_id} shows no picture: no image observation and no 'rgb_array' rendering."
            )
        _draw_without_display()
        return gym.make(env_id, render_mode="rgb_array", disable_env_checker=True)
    except gym.error.DependencyNotInstalled as error:
        raise MissingExtraError(f"{env_id} needs another package: {error}") from error


def _draw_without_display() -> None:
    """Keep SDL, which many games draw with, from looking for a display: without one it prints an error."""
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")


@contextlib.contextmanager
def _working_in(folder: str) -> Iterator[None]:
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _frame_rate(env: gym.Env, env_id: str) -> float:
    if _is_atari(env_id):
        return _ATARI_FPS
    if _is_doom(env_id):
        return _DOOM_FPS
    if is_retro(env_id):
        return _RETRO_FPS
    return float(env.metadata.get("render_fps") or 30.0)


def _image_in(observation: Any) -> np.ndarray | None:
    if isinstance(observation, dict):
        observation = observation.get("screen", observation.get("image", observation.get("pixels")))
    if (
        isinstance(observation, np.ndarray)
        and observation.dtype == np.uint8
        and _is_picture(observation.shape)
    ):
        return observation
    return None


def _has_picture(space: gym.Space) -> bool:
    if isinstance(space, gym.spaces.Dict):
        return any(_has_picture(space[key]) for key in ("screen", "image", "pixels") if key in space.spaces)
    return isinstance(space, gym.spaces.Box) and space.dtype == np.uint8 and _is_picture(space.shape)


def _is_picture(shape: tuple[int, ...]) -> bool:
    large = len(shape) in (2, 3) and min(shape[:2]) >= 16  # smaller ones are grids of cell codes
    return large and (len(shape) == 2 or shape[2] in (1, 3))


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
        importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{env_id} needs the module '{module}', which cannot be imported: {error}"
        ) from error
