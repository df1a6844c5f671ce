"""What a `.world` file says of itself, checked: whoever made the file wrote it.

Each entry has its kind and a range beyond which no world goes: a step of a million passes never ends, and a
rate of 1e-300 frames a second never shows the second frame.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from tinyworlds.models.maskgit import SCHEDULES
from tinyworlds.world.info import ACTION_KINDS, WorldInfo
from tinyworlds.world.sureness import UsualSureness

_MOST_ACTIONS = 1 << 16


def is_whole(value: Any, least: int, most: int) -> bool:
    """Whether a value is a whole number in a range."""
    return type(value) is int and least <= value <= most


def is_number(value: Any, least: float, most: float) -> bool:
    """Whether a value is a finite number in a range."""
    return type(value) in (int, float) and least <= value <= most  # false for NaN


def _are_names(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) <= _MOST_ACTIONS
        and all(isinstance(n, str) for n in value)
    )


def _is_table(value: Any, kinds: tuple[type, ...]) -> bool:
    small = isinstance(value, dict) and len(value) <= _MOST_ACTIONS
    return small and all(isinstance(key, str) and type(each) in kinds for key, each in value.items())


def _are_changes(value: Any) -> bool:
    kinds: dict[str, Callable[[Any], bool]] = {
        "bind": lambda part: _is_table(part, (int, type(None))),
        "names": lambda part: _is_table(part, (str,)) and all(number.isdecimal() for number in part),
        "idle": lambda part: is_whole(part, 0, _MOST_ACTIONS),
    }
    return isinstance(value, dict) and all(
        name in kinds and kinds[name](part) for name, part in value.items()
    )


PLAY: dict[str, Callable[[Any], bool]] = {
    "context_frames": lambda value: is_whole(value, 1, 10_000),
    "num_steps": lambda value: is_whole(value, 1, 4096),
    "temperature": lambda value: is_number(value, 0, 1000),
    "top_k": lambda value: value is None or is_whole(value, 1, 1 << 30),
    "top_p": lambda value: value is None or is_number(value, 1e-9, 1),
    "schedule": lambda value: isinstance(value, str) and value in SCHEDULES,
}
"""How a world is played, as files may say it."""

_SAMPLING = {name: kind for name, kind in PLAY.items() if name != "context_frames"}


def _is_sureness(value: Any) -> bool:
    """Whether it is what is noted of a `UsualSureness`."""
    if value is None:
        return True
    if not isinstance(value, dict) or value.keys() != {"quantiles", "num_frames", "sampling"}:
        return False
    found, sampling = value["quantiles"], value["sampling"]
    rising = isinstance(found, list) and 2 <= len(found) <= 1001 and all(is_number(q, -1e3, 0) for q in found)
    known = isinstance(sampling, dict) and all(
        name in _SAMPLING and _SAMPLING[name](it) for name, it in sampling.items()
    )
    return rising and found == sorted(found) and known and is_whole(value["num_frames"], 1, 10_000)


_INFO: dict[str, Callable[[Any], bool]] = {
    "game": lambda value: isinstance(value, str),
    "fps": lambda value: is_number(value, 0.01, 1000),
    "key_map": lambda value: _is_table(value, (int,)),
    "action_names": _are_names,
    "idle_action": lambda value: is_whole(value, 0, _MOST_ACTIONS),
    "actions": lambda value: isinstance(value, str) and value in ACTION_KINDS,
    "true_actions": lambda value: _is_table(value, (int, type(None))),
    "by_hand": lambda value: _are_changes(value),
    "sureness": lambda value: _is_sureness(value),
    "metrics": lambda value: isinstance(value, dict),
    "provenance": lambda value: isinstance(value, dict),
}


def check(entries: Mapping[str, Any], kinds: Mapping[str, Callable[[Any], bool]]) -> None:
    """Raise a ValueError for the first entry that is not of its kind."""
    for name, value in entries.items():
        if name not in kinds or not kinds[name](value):
            raise ValueError(f"{name} is {value!r:.80}")


def changes_by_hand(header: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a person changed of the keys, see `WorldInfo.by_hand`.

    Raises:
        ValueError: it is of another kind.
    """
    changes = header.get("by_hand", {})
    check({"by_hand": changes}, _INFO)
    return changes


def play_settings(header: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the file says it is played; entries of later versions are ignored.

    Raises:
        ValueError: one is of another kind, or out of range.
    """
    play = header.get("play", {})
    if not isinstance(play, dict):
        raise ValueError(f"play is a {type(play).__name__}")
    stored = {name: value for name, value in play.items() if name in PLAY}
    check(stored, PLAY)
    return stored


def world_info(header: Mapping[str, Any], num_actions: int) -> WorldInfo:
    """Return what the file says of the world; entries of later versions are ignored.

    Args:
        header: the metadata.
        num_actions: of the world.

    Raises:
        ValueError: an entry is of another kind, or out of range.
    """
    entries = {f.name: header[f.name] for f in dataclasses.fields(WorldInfo) if f.name in header}
    check(entries, _INFO)
    carried = {action for action in entries.get("true_actions", {}).values() if action is not None}
    if not carried <= {*range(num_actions)}:
        raise ValueError(f"true_actions are not all 0 to {num_actions - 1}")
    if entries.get("sureness") is not None:
        entries["sureness"] = UsualSureness.from_plain(entries["sureness"])
    entries["action_names"] = tuple(entries.get("action_names", ()))
    return WorldInfo(**{**entries, "fps": float(entries.get("fps", WorldInfo.fps))})
