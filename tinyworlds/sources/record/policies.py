"""Who plays while we record: at random, from a script, or a trained agent. A person: see `human`.

A policy is called with the frame that will be stored and returns the id of the action to take, or None to end
the recording.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from tinyworlds.errors import ConfigError, MissingFileError, did_you_mean
from tinyworlds.keys import held_action, parse_script
from tinyworlds.sources.record.action_keys import action_keys, idle_action
from tinyworlds.sources.record.players import PLAYERS, make_player
from tinyworlds.system.user_code import import_named, in_one_line, look_first_in

POLICIES = ("sticky", "random", "scripted", "human", *PLAYERS)


class Policy(Protocol):
    """Chooses the next action id from the current frame, uint8 [H,W,3]; None ends the recording."""

    def __call__(self, frame: np.ndarray) -> int | None: ...  # noqa: D102


@dataclass(frozen=True)
class PolicyChoice:
    """Which policy is to play, in words, so that other processes can make it, too.

    Attributes:
        name: one of `POLICIES`, or the agent: ``module:function``, ``agent.py`` or ``agent.py:function``.
        hold: mean number of frames that "sticky" holds an action.
        keys: script of "scripted", such as ``"d*30 space*2"``.
    """

    name: str = "sticky"
    hold: float = 4.0
    keys: str | None = None

    def __post_init__(self) -> None:
        if self.hold < 1:
            raise ConfigError(f"hold is {self.hold}; an action is held for at least 1 frame.")
        if (self.keys is None) == (self.name == "scripted"):
            raise ConfigError(
                f"policy is '{self.name}' and keys are {self.keys!r}; --keys 'd*30 space*2' and "
                "--policy scripted belong together."
            )
        if self.name not in POLICIES and ":" not in self.name and not self.name.endswith(".py"):
            raise ConfigError(
                f"Unknown policy '{self.name}'; known: {', '.join(POLICIES)}, or an agent as "
                f"module:function or FILE.py.{did_you_mean(self.name, POLICIES)}"
            )


class StickyPolicy:
    """Holds each action for a random number of frames, as a hand on a keyboard does.

    A fresh random action every frame averages out: the player trembles on the spot and the recording shows a
    small corner of the game. Lengths are geometric with mean `hold`, actions uniform.

    Args:
        num_actions: action ids are 0 ... `num_actions` - 1.
        hold: mean number of frames an action is held, at least 1 (1: a fresh action every frame).
        seed: of the random numbers.
    """

    def __init__(self, num_actions: int, hold: float = 4.0, seed: int = 0) -> None:
        self.num_actions = num_actions
        self.hold = hold
        self._random = np.random.default_rng(seed)
        self._action = 0
        self._frames_left = 0

    def __call__(self, frame: np.ndarray) -> int:
        """Return the action for this frame; the frame itself is not looked at."""
        if self._frames_left == 0:
            self._action = int(self._random.integers(self.num_actions))
            self._frames_left = int(self._random.geometric(1 / self.hold))
        self._frames_left -= 1
        return self._action


class ScriptedPolicy:
    """Presses keys from a script, one a frame, and begins again at its end.

    Args:
        script: words ``KEY*COUNT`` or ``ACTION*COUNT``; a key is one of `action_keys`, a digit the action of
            that id, ``idle`` no key.
        names: of the game's actions.

    Raises:
        ConfigError: a word is neither a key nor an action of this game.
    """

    def __init__(self, script: str, names: Sequence[str]) -> None:
        self.actions = script_actions(script, names)
        self._next = 0

    def __call__(self, frame: np.ndarray) -> int:
        """Return the action for this frame; the frame itself is not looked at."""
        action = self.actions[self._next % len(self.actions)]
        self._next += 1
        return action


def script_actions(script: str, names: Sequence[str]) -> list[int]:
    """Return the action id of every frame of a script, see `ScriptedPolicy`."""
    keys = action_keys(names)
    actions: list[int] = []
    for word, count in _words(script):
        action: int | None
        if word in names:
            action = names.index(word)
        else:
            key = parse_script(word)[0]
            action = idle_action(names) if key is None else held_action(key.split("+"), keys)
        if action is None:
            raise ConfigError(
                f"'{word}' in the keys means nothing in this game; its keys are {', '.join(sorted(keys))}, "
                f"its actions {', '.join(names)}."
            )
        actions += [action] * count
    return actions


def script_length(script: str) -> int:
    """Return for how many frames a script lasts.

    Raises:
        ConfigError: it is empty, or a count is not a positive number.
    """
    return sum(count for _, count in _words(script))


def _words(script: str) -> list[tuple[str, int]]:
    """Keys or action names and for how many frames each is held."""
    if not script.split():
        raise ConfigError("the keys are empty; write for example --keys 'd*30 space*2'.")
    words = [word.partition("*") for word in script.replace(",", " ").lower().split()]
    # any key stands in for the name, so that counts are read as in play
    return [(name, len(parse_script(f"idle{star}{count}"))) for name, star, count in words]


def make_policy(choice: PolicyChoice, names: Sequence[str], seed: int) -> Callable[..., int | None]:
    """Return the policy (not "human", which needs the game), for a game with these action names.

    Raises:
        ConfigError: the script or the agent does not fit, or the game lacks an action that a player needs.
        MissingFileError: the agent's file does not exist.
    """
    if choice.name in ("sticky", "random"):
        return StickyPolicy(len(names), choice.hold if choice.name == "sticky" else 1.0, seed)
    if choice.name == "scripted":
        return ScriptedPolicy(choice.keys or "", names)
    if choice.name in PLAYERS:
        return make_player(choice.name, names, seed)
    return load_agent(choice.name)


def load_agent(name: str) -> Callable[..., int | None]:
    """Return the function that ``module:function``, ``agent.py`` (its `act`) or ``agent.py:function`` names.

    Raises:
        ConfigError: it cannot be imported, or is no function.
        MissingFileError: there is no such file.
    """
    place, _, function = (name, "", "act") if name.endswith(".py") else name.rpartition(":")
    try:
        module = _module_at(Path(place)) if place.endswith(".py") else import_named(place)
    except ImportError as error:
        raise ConfigError(f"The agent '{name}' cannot be imported: {error}.") from error
    agent: Any = getattr(module, function, None)
    if not callable(agent):
        functions = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        raise ConfigError(
            f"The agent '{name}': {place} has no function '{function}'.{did_you_mean(function, functions)}"
        )
    return agent


def wants_observation(policy: Callable[..., Any]) -> bool:
    """Whether a policy takes the game's own observation beside the frame: as second parameter."""
    try:
        parameters = inspect.signature(policy).parameters.values()
    except (TypeError, ValueError):  # some built-in functions tell nothing
        return False
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters) >= 2


def _module_at(path: Path) -> ModuleType:
    if not path.is_file():
        raise MissingFileError(f"No such agent: {path}; name a Python file or module:function.")
    spec = importlib.util.spec_from_file_location(f"agent_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"The agent {path} is no Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    look_first_in(path.resolve().parent)  # what lies beside it, as for ``python agent.py``
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ImportError(in_one_line(error)) from error
    return module
