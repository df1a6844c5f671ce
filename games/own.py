"""A title that is a YAML file of the user's: ``data/mygame.yaml`` beside ``data/mygame_frames.h5``.

Its keys are the fields of `GameSpec`. `tinyworlds ingest` writes one; it may be edited, or written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from games.spec import GameSpec
from tinyworlds.errors import ConfigError, did_you_mean
from tinyworlds.system.documents import MOST_YAML_BYTES, read_yaml

# other YAML may lie there, too
_IS_SPEC = re.compile(rb"^(\xef\xbb\xbf|\xff\xfe|\xfe\xff)?data_file\s*:", re.MULTILINE)
_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "Mapping": (dict,),
    "tuple": (list,),
}


def is_spec(path: Path) -> bool:
    """Whether a YAML file describes a title, in any encoding: `read_spec` says what is wrong with it."""
    try:
        small = path.stem.isidentifier() and path.stat().st_size <= MOST_YAML_BYTES
        return small and bool(_IS_SPEC.search(path.read_bytes().replace(b"\0", b"")))
    except OSError:
        return False


def read_spec(path: Path) -> GameSpec:
    """Return the title that a YAML file describes, which is called like the file.

    Raises:
        ConfigError: the file is damaged, or a key or value is wrong.
    """
    spec = _build(path, read_yaml(path))
    if spec.name != path.stem:
        raise ConfigError(f"{path} names the game '{spec.name}'; call it '{path.stem}', like the file")
    return spec


def _build(path: Path, content: Mapping[str, Any]) -> GameSpec:
    kinds = {field.name: str(field.type) for field in fields(GameSpec)}
    for key, value in content.items():
        if key not in kinds:
            raise ConfigError(f"{path}: '{key}' is no setting of a game.{did_you_mean(key, kinds)}")
        accepted = next(types for word, types in _TYPES.items() if kinds[key].startswith(word))
        optional = value is None and kinds[key].endswith("None")
        if not optional and (not isinstance(value, accepted) or isinstance(value, bool)):
            raise ConfigError(f"{path}: {key} is {value!r:.100}; it must be {kinds[key]}")
    missing = [key for key in ("name", "title", "data_file") if key not in content]
    if missing:
        raise ConfigError(f"{path}: {', '.join(missing)} is missing; games/README.md shows a whole file")
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in content.items()
    }
    if "key_map" in values:
        values["key_map"] = _key_map(path, values["key_map"])
    try:
        return GameSpec(**values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _key_map(path: Path, keys: Mapping[Any, Any]) -> dict[str, int]:
    wrong = {key: action for key, action in keys.items() if type(action) is not int}
    if wrong:
        raise ConfigError(f"{path}: key_map has {wrong!s:.100}; write each as `key: number of the action`")
    return {str(key).lower(): action for key, action in keys.items()}
