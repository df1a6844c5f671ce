"""Titles that are a YAML file of the user's: ``data/mygame.yaml`` beside ``data/mygame_frames.h5``.

Its keys are the fields of `GameSpec`. `tinyworlds ingest` writes one; it may be edited, or written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from games.spec import GameSpec
from tinyworlds.errors import ConfigError, did_you_mean

FOLDER = Path("data")
_IS_SPEC = re.compile(r"^data_file\s*:", re.MULTILINE)  # other YAML may lie there
_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "Mapping": (dict,),
    "tuple": (list,),
}
_KEYS = ("w", "a", "s", "d", "space")
_HEADER = """\
# {title}, written by `tinyworlds ingest`; to be edited as you like; GameSpec in games/spec.py
# describes each line.
#   tinyworlds train {name}      then      python -m games {name}
"""


def own_titles() -> list[str]:
    """Return the names of the titles in the working directory's data folder."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml") if _is_spec(path))


def load_own(name: str) -> GameSpec:
    """Return the title that ``data/NAME.yaml`` describes.

    Raises:
        ConfigError: the file is damaged, or a key or value is wrong.
    """
    import yaml

    path = spec_path(name)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds no settings; write `key: value` lines, as games/README.md shows")
    spec = _build(path, {str(key): value for key, value in content.items()})
    if spec.name != name:
        raise ConfigError(f"{path} names the game '{spec.name}'; call it '{name}', like the file")
    return spec


def spec_path(name: str) -> Path:
    """Return where the YAML file of a title lies."""
    return FOLDER / f"{name}.yaml"


def spec_for(name: str, frame_size: int | None, fps: float | None) -> GameSpec:
    """Return the title that gameplay of `name` is to be made for, known or new, at that size and rate.

    Raises:
        ConfigError: the name is no lower-case word, or the title's own file is damaged.
    """
    from games.registry import get, titles

    if name in titles():
        spec = get(name)
    else:
        keys = {key: action for action, key in enumerate(_KEYS)}
        title, file = name.replace("_", " ").title(), (FOLDER / f"{name}_frames.h5").as_posix()
        spec = GameSpec(name, title, file, key_map=keys)
    return replace(spec, frame_size=frame_size or spec.frame_size, fps=fps or spec.fps)


def write_spec(spec: GameSpec) -> Path | None:
    """Write the YAML file of a title, or bring size and rate in it up to date; return its path.

    Titles in Python get none: None.
    """
    from tinyworlds.system.files import write_text

    path = spec_path(spec.name)
    if path.is_file():
        text = path.read_text(encoding="utf-8")
        for key, value in (("frame_size", spec.frame_size), ("fps", f"{spec.fps:g}")):
            line = re.compile(rf"^{key}\s*:[^#\n]*?(?=\s*(#.*)?$)", re.MULTILINE)
            text = line.sub(f"{key}: {value}", text)
    elif spec.name in _titles_in_python():
        return None
    else:
        text = _text(spec)
    write_text(path, text)
    return path


def _titles_in_python() -> set[str]:
    from games.registry import titles

    return {*titles()} - {*own_titles()}


def _is_spec(path: Path) -> bool:
    try:
        return path.stem.isidentifier() and bool(_IS_SPEC.search(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError):
        return False


def _text(spec: GameSpec) -> str:
    keys = "".join(f"  {key}: {action}\n" for key, action in spec.key_map.items())
    return (
        _HEADER.format(name=spec.name, title=spec.title)
        + f"name: {spec.name}\n"
        + f"title: {spec.title}\n"
        + f"data_file: {spec.data_file}\n"
        + f"frame_size: {spec.frame_size}   # pixels; that of the file\n"
        + f"fps: {spec.fps:g}   # frames per second that a world of it is trained and played at\n"
        + f"num_actions: {spec.num_actions}   # latent actions, a power of two; fewer for a simple game\n"
        + "key_map:   # key to latent action; what each one does is only known after training\n"
        + keys
    )


def _build(path: Path, content: Mapping[str, Any]) -> GameSpec:
    kinds = {field.name: str(field.type) for field in fields(GameSpec)}
    for key, value in content.items():
        if key not in kinds:
            raise ConfigError(f"{path}: '{key}' is no setting of a game.{did_you_mean(key, kinds)}")
        wanted = next(types for word, types in _TYPES.items() if kinds[key].startswith(word))
        optional = value is None and kinds[key].endswith("None")
        if not optional and (not isinstance(value, wanted) or isinstance(value, bool)):
            raise ConfigError(f"{path}: {key} is {value!r}; it must be {kinds[key]}")
    missing = [key for key in ("name", "title", "data_file") if key not in content]
    if missing:
        raise ConfigError(f"{path}: {', '.join(missing)} is missing; games/README.md shows a whole file")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in content.items()}
    if "key_map" in values:
        values["key_map"] = _key_map(path, values["key_map"])
    try:
        return GameSpec(**values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _key_map(path: Path, keys: Mapping[Any, Any]) -> dict[str, int]:
    wrong = {key: action for key, action in keys.items() if type(action) is not int}
    if wrong:
        raise ConfigError(f"{path}: key_map has {wrong}; write each as `key: number of the action`")
    return {str(key).lower(): action for key, action in keys.items()}
