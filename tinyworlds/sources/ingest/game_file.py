"""The YAML file of a title that is made from videos, as `games.own` reads it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from games.registry import get, own_file, titles
from games.spec import GameSpec
from tinyworlds.system.files import write_text

_KEYS = ("w", "a", "s", "d", "space")
_HEADER = """\
# {title}, written by `tinyworlds ingest`; to be edited as you like; GameSpec in games/spec.py
# describes each line.
#   tinyworlds train {name}      then      python -m games {name}
"""


def spec_for(name: str, frame_size: int | None, fps: float | None) -> GameSpec:
    """Return the title that gameplay of `name` is to be made for, known or new, at that size and rate.

    Raises:
        ConfigError: the name is no lower-case word, or the title's own file is damaged.
    """
    if name in titles():
        spec = get(name)
    else:
        keys = {key: action for action, key in enumerate(_KEYS)}
        title, file = name.replace("_", " ").title(), own_file(name).with_name(f"{name}_frames.h5")
        spec = GameSpec(name, title, file.as_posix(), key_map=keys)
    return replace(spec, frame_size=frame_size or spec.frame_size, fps=fps or spec.fps)


def write_spec(spec: GameSpec) -> Path | None:
    """Write the YAML file of a title, or bring size and rate in it up to date; return its path.

    Titles in Python get none: None.
    """
    path = own_file(spec.name)
    if path.is_file():
        text = path.read_text(encoding="utf-8")
        for key, value in (("frame_size", str(spec.frame_size)), ("fps", f"{spec.fps:g}")):
            line = re.compile(rf"^{key}\s*:[^#\n]*?(?=\s*(#.*)?$)", re.MULTILINE)
            text = line.sub(f"{key}: {value}", text)
    elif spec.name in titles():
        return None
    else:
        text = _text(spec)
    write_text(path, text)
    return path


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
