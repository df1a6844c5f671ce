"""An export over a world that is there: what a person changed of its keys stays."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinyworlds.checkpoints.packing import Weights
from tinyworlds.errors import TinyWorldsError
from tinyworlds.world.core import WorldCore
from tinyworlds.world.file import read_header, save_world
from tinyworlds.world.keys import Keys, read_keys, with_changes


def save_over(
    out: Path, world: WorldCore, weights: Weights = "float32", notes: Mapping[str, str] | None = None
) -> str:
    """Write a world; where `out` is one whose keys a person changed, give the new one these changes.

    They are kept while the actions are the same ones: those of the same action model, or of a recording with
    the same names.

    Args:
        out: the file.
        world: what goes there.
        weights: how they are kept, see `save_world`.
        notes: what its card shall say, kept in its provenance.

    Returns:
        What to say of it; empty where nothing was changed.

    Raises:
        CheckpointError: see `save_world`.
        StorageError: see `save_world`.
    """
    told = _keep(out, world)
    if notes:
        noted = {**(world.info.provenance.get("notes") or {}), **notes}
        world.info = dataclasses.replace(world.info, provenance={**world.info.provenance, "notes": noted})
    save_world(out, world, weights)
    return told


def _keep(out: Path, world: WorldCore) -> str:
    try:
        header, old = read_header(out), read_keys(out)
    except TinyWorldsError:
        return ""  # there is none, or it is no world of ours: nothing to keep
    changes = old.by_hand
    if not changes:
        return ""
    if _meaning(header) != _meaning(dataclasses.asdict(world.info)):
        return f"{out} had keys or names changed by hand; its actions were other ones, so they are not kept"
    info = world.info
    new = with_changes(
        Keys(info.key_map, world.action_names, info.idle_action),
        changes.get("bind", {}),
        changes.get("names", {}),
        changes.get("idle"),
    )
    world.info = dataclasses.replace(
        info, key_map=new.key_map, action_names=new.names, idle_action=new.idle, by_hand=new.by_hand
    )
    return f"kept what was changed by hand in {out}: {_in_words(changes)}"


def _meaning(header: Mapping[str, Any]) -> tuple[Any, ...]:
    """What tells whether action 2 is the same action in two worlds."""
    if header.get("actions") != "latent":  # anchored ones mean the same, whichever model reads them
        return header.get("actions"), tuple(header.get("true_actions") or ())
    try:
        return "latent", header["provenance"]["stages"]["latent_actions"]["fingerprint"]
    except (KeyError, TypeError):
        return "latent", None


def _in_words(changes: Mapping[str, Any]) -> str:
    parts = [
        f"{key} = {'nothing' if action is None else action}"
        for key, action in changes.get("bind", {}).items()
    ]
    parts += [f"{number} is called {name}" for number, name in changes.get("names", {}).items()]
    parts += [f"no key = {changes['idle']}"] if "idle" in changes else []
    return ", ".join(parts)
