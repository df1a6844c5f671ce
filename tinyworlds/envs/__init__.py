"""Worlds for `gymnasium.make`: importing this module registers those in this folder and in ``worlds/``.

    import gymnasium
    import tinyworlds.envs

    env = gymnasium.make("TinyWorlds/zelda.world")
    env = gymnasium.make("TinyWorlds/World", world="anywhere/else/zelda.world")

``TinyWorlds/Catch-v0`` is a small game of its own, on which an agent shows within minutes that it learns.

gymnasium looks names up in a table, so a file must be registered before it is made; `register_worlds` does it
for other folders, and for files that came later. ``TinyWorlds/World`` takes anything that `World.load` takes.
"""

from __future__ import annotations

import os
from pathlib import Path

import gymnasium

from tinyworlds.envs.world_env import gymnasium_name


def register_worlds(folder: str | os.PathLike[str] = ".") -> list[str]:
    """Register the ``.world`` files of a folder with gymnasium.

    A file is called what it is called on the disk, letters that gymnasium does not allow replaced by ``_``.
    A file of the same name that was registered before gives way.

    Args:
        folder: where to look, not in folders below it. One that does not exist holds none.

    Returns:
        The names for `gymnasium.make`, such as ``"TinyWorlds/zelda.world"``.
    """
    names = []
    for path in sorted(Path(folder).glob("*.world")):
        name = gymnasium_name(path.name)
        _register(name, {"world": str(path.resolve())})
        names.append(name)
    return names


def _register(name: str, settings: dict[str, str]) -> None:
    gymnasium.registry.pop(name, None)  # gymnasium would warn of a name it knows
    gymnasium.register(
        name,
        entry_point="tinyworlds.envs.world_env:WorldEnv",
        vector_entry_point="tinyworlds.envs.vector_env:make_vector_env",
        kwargs=settings,
    )


_register(gymnasium_name("World"), {})
gymnasium.register("TinyWorlds/Catch-v0", entry_point="tinyworlds.envs.catch:Catch")
for _folder in ("worlds", "."):  # the file in this folder wins
    register_worlds(_folder)
