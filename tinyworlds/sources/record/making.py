"""Making a gymnasium environment, with whatever goes wrong in its code told in one line."""

from __future__ import annotations

import ast
import inspect
import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import gymnasium as gym

from tinyworlds.errors import ConfigError, DataError, MissingExtraError, TinyWorldsError, did_you_mean
from tinyworlds.system.user_code import in_one_line

_EXTRAS = {"jax": "jax", "mujoco": "mujoco", "Box2D": "box2d", "pygame": "classic-control"}  # of gymnasium


def read_settings(words: Sequence[str]) -> dict[str, Any]:
    """Return what ``--env_kwargs`` says: ``level=1 size=[64,64] name=easy``, or one JSON object.

    A value is read as JSON or as Python writes it, and else is text.

    Raises:
        ConfigError: a word is no ``NAME=VALUE``, or a name comes twice.
    """
    settings: dict[str, Any] = {}
    for word in words:
        whole = _value(word) if word.lstrip().startswith("{") else None
        name, equals, text = word.partition("=")
        pairs = whole if isinstance(whole, dict) else {name.strip(): _value(text)} if equals else {}
        wrong = [key for key in pairs if not str(key).isidentifier()]
        if wrong or (not pairs and whole != {}):
            raise ConfigError(
                f"--env_kwargs takes NAME=VALUE, such as level=1, or a JSON object, not '{word}'"
            )
        twice = sorted(settings.keys() & pairs.keys())
        if twice:
            raise ConfigError(
                f"--env_kwargs gives {twice[0]} twice: {settings[twice[0]]!r}, {pairs[twice[0]]!r}"
            )
        settings |= pairs
    return settings


def _value(text: str) -> Any:
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text.strip())
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
    return text


def make(env_id: str, settings: Mapping[str, Any], drawn: bool = False) -> gym.Env:
    """Make a gymnasium environment by its id, with settings of its own.

    Args:
        env_id: as registered.
        settings: keyword arguments.
        drawn: it is to be drawn to arrays; one that takes no `render_mode` is made without.

    Raises:
        ConfigError: it lacks a setting, or has none of that name.
        MissingExtraError: a package is missing.
        DataError: it fails.
    """
    mode = {"render_mode": "rgb_array"} if drawn else {}
    with one_line(env_id, "made", settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="gymnasium")  # what it misses here is no matter to us
        try:
            return gym.make(env_id, disable_env_checker=True, **{**mode, **settings})
        except TypeError as error:
            if not mode or "'render_mode'" not in str(error):
                raise
            return gym.make(env_id, disable_env_checker=True, **settings)


@contextmanager
def one_line(env_id: str, call: str, settings: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Turn whatever an environment raises into an error of one line.

    Args:
        env_id: the environment.
        call: what was called: ``"step()"``.
        settings: keyword arguments, where it is being made.
    """
    try:
        yield
    except TinyWorldsError:
        raise
    except ImportError as error:
        raise missing_package(env_id, error) from error
    except gym.error.DependencyNotInstalled as error:
        raise MissingExtraError(f"{env_id} needs another package: {' '.join(str(error).split())}") from error
    except (Exception, SystemExit) as error:
        if settings is not None:
            raise _not_made(env_id, error) from error
        raise DataError(f"{env_id}: {call} raised {in_one_line(error)}") from error


def missing_package(env_id: str, error: ImportError) -> MissingExtraError:
    """Return the line for a package that an environment needs."""
    if error.name is None or not isinstance(error, ModuleNotFoundError):
        return MissingExtraError(f"{env_id} cannot be imported: {in_one_line(error)}")
    module = error.name.split(".")[0]
    entry = str(getattr(gym.registry.get(env_id), "entry_point", ""))
    package = module
    if entry.startswith("gymnasium.") and module in _EXTRAS:
        package = f"'gymnasium[{_EXTRAS[module]}]'"
    return MissingExtraError(
        f"{env_id} needs the module '{module}', which is not installed; try: pip install {package}"
    )


def _not_made(env_id: str, error: BaseException) -> TinyWorldsError:
    """Return the line for an environment that cannot be made."""
    said = " ".join(str(error).split())
    if lacking := re.search(r"missing \d+ required [a-z-]+ arguments?: (.*?)(?: was raised from|$)", said):
        names = re.findall(r"'(\w+)'", lacking[1])
        ways = " ".join(f"{name}=VALUE" for name in names)
        return ConfigError(f"{env_id} cannot be made without {', '.join(names)}; give --env_kwargs {ways}")
    if unknown := re.search(r"got an unexpected keyword argument '(\w+)'", said):
        known = _settings(env_id)
        told = f"; it takes {', '.join(known)}" if known else ""
        return ConfigError(
            f"{env_id} has no setting '{unknown[1]}' (--env_kwargs){told}.{did_you_mean(unknown[1], known)}"
        )
    return DataError(f"{env_id} cannot be made: {in_one_line(error).split(' was raised from the env')[0]}")


def _settings(env_id: str) -> list[str]:
    """Names of the settings that an environment takes, where that can be found out."""
    entry = getattr(gym.registry.get(env_id), "entry_point", None)
    try:
        creator: Any = gym.envs.registration.load_env_creator(entry) if isinstance(entry, str) else entry
        return [
            name for name in inspect.signature(creator).parameters if name not in ("render_mode", "kwargs")
        ]
    except Exception:  # told beside another error, so nothing of its own is raised
        return []
