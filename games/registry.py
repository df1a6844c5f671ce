"""Which titles there are: ours, those of other packages, those registered by hand, and the user's YAML files.

Other packages add theirs by an entry point in the group ``tinyworlds.games``; a YAML file is described in
`games.own`. A title is read when it is asked for, so a broken package or file costs only its own title.
"""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from pathlib import Path

from games.own import is_spec, read_spec
from games.spec import GameSpec
from tinyworlds.errors import ConfigError, did_you_mean

GROUP = "tinyworlds.games"
FOLDER = Path("data")  # where the user's YAML files lie, in the working directory
_BUILT_IN = ("zelda", "sonic", "pole_position", "picodoom", "pong", "doom", "racing", "platformer")
_registered: dict[str, GameSpec] = {}


def register(spec: GameSpec) -> GameSpec:
    """Add a title for the life of this process and return it; a package uses the entry point instead.

    Raises:
        ConfigError: another title has that name.
    """
    if spec.name in titles() and _registered.get(spec.name) != spec:
        raise ConfigError(f"A game called '{spec.name}' is registered already; choose another name.")
    _registered[spec.name] = spec
    return spec


def titles() -> list[str]:
    """Return the names of all titles, ours first."""
    return list(dict.fromkeys([*_BUILT_IN, *sorted(_entry_points()), *_registered, *own_titles()]))


def own_titles() -> list[str]:
    """Return the names of the titles that are YAML files of the user's."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml") if is_spec(path))


def own_file(name: str) -> Path:
    """Return where the YAML file of a title lies, if it has one."""
    return FOLDER / f"{name}.yaml"


def get(name: str) -> GameSpec:
    """Return the title called `name`.

    Raises:
        ConfigError: there is none, or its package or file is broken.
    """
    if name in _registered:
        return _registered[name]
    if name in _BUILT_IN:
        return importlib.import_module(f"games.{name}").SPEC
    plugins = _entry_points()
    if name not in plugins and name in own_titles():
        return read_spec(own_file(name))
    if name not in plugins:
        raise ConfigError(
            f"Unknown game '{name}'; known: {', '.join(titles())}.{did_you_mean(name, titles())}"
        )
    return _load(name, plugins[name])


def find_by_env(env_id: str) -> GameSpec | None:
    """Return the title of ours or registered by hand that is recorded from a gymnasium id."""
    specs = [get(name) for name in (*_BUILT_IN, *_registered)]
    return next((spec for spec in specs if spec.env_id == env_id), None)


def _entry_points() -> dict[str, str]:
    return {point.name: point.value for point in entry_points(group=GROUP)}


def _load(name: str, value: str) -> GameSpec:
    module, _, attribute = value.partition(":")
    try:
        spec = getattr(importlib.import_module(module), attribute or "SPEC")
    except Exception as error:  # whatever another package does wrong, say which one
        raise ConfigError(
            f"The game '{name}' cannot be loaded from '{value}': {error}; repair or uninstall that package."
        ) from error
    if not isinstance(spec, GameSpec) or spec.name != name:
        raise ConfigError(
            f"The entry point '{name}' = '{value}' is no GameSpec of that name; correct its package."
        )
    return spec
