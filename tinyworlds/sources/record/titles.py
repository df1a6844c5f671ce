"""How games are recorded: by their title where they have one."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tinyworlds.errors import ConfigError

if TYPE_CHECKING:
    from games.spec import GameSpec


def default_file(env_id: str) -> str:
    """Return ``data/pong_frames.h5`` for ``ALE/Pong-v5``."""
    name = re.sub(r"-v\d+$", "", re.split(r"[/:]", env_id)[-1])
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return str(Path("data") / f"{re.sub(r'[^a-z0-9]+', '_', name.lower()).strip('_')}_frames.h5")


def title_of(env_id: str) -> GameSpec:
    """The title of that name or of that gymnasium id, or one made up for this recording."""
    from games.registry import find_by_env, get, titles
    from games.spec import GameSpec

    if env_id in titles():
        spec = get(env_id)
        if spec.env_id is None:
            raise ConfigError(
                f"{spec.title} cannot be recorded here: no environment plays it; bring {spec.data_file}."
            )
        return spec
    known = find_by_env(env_id)
    if known is not None:  # the same file name as the title's, but the game as it is
        return dataclasses.replace(known, record_actions=None, crop=None, env_kwargs={}, policy="sticky")
    return GameSpec(name="recording", title=env_id, data_file=default_file(env_id))
