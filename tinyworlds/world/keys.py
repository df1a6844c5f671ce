"""Change the keys, names and idle action in a `.world` file; every other byte of it stays as it is.

A safetensors file is the length of its header (8 bytes, little endian), the header (JSON), then the tensors,
whose places are counted from the end of the header. So the tensors are copied as bytes: that is quick, takes
no memory, and cannot change a weight.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tinyworlds.checkpoints.safetensors_file import KEY
from tinyworlds.errors import CheckpointError, ConfigError, DataError, did_you_mean
from tinyworlds.keys import COMMANDS, NAMED_KEYS, is_key, normalise_key
from tinyworlds.system.files import replacing

_MOST_ACTIONS = 1 << 16  # more is a damaged file
_ALIGNMENT = 8  # where tensors begin, for readers that map the file


@dataclass(frozen=True)
class Keys:
    """What a world file says about its actions.

    Attributes:
        key_map: key name to action id.
        names: one per action.
        idle: the action taken while no key is pressed.
        true_actions: the action that carries each true one, see `WorldInfo`; None leaves it as it is.
        by_hand: what a person changed, see `WorldInfo`.
    """

    key_map: dict[str, int]
    names: tuple[str, ...]
    idle: int
    true_actions: dict[str, int | None] | None = None
    by_hand: dict[str, Any] = field(default_factory=dict)

    def entries(self) -> dict[str, Any]:
        """Return them as they stand in a file."""
        stored = {"key_map": self.key_map, "action_names": list(self.names), "idle_action": self.idle,
                  "by_hand": self.by_hand}  # fmt: skip
        return stored if self.true_actions is None else {**stored, "true_actions": self.true_actions}

    def __str__(self) -> str:
        bound = ", ".join(f"{key} = {action} {self.names[action]}" for key, action in self.key_map.items())
        return f"the keys {bound or 'none'}; no key = {self.idle} {self.names[self.idle]}"


def known_keys(key_map: Mapping[str, int], num_actions: int) -> dict[str, int]:
    """Return the keys whose action the world has."""
    return {key: action for key, action in key_map.items() if 0 <= action < num_actions}


def changed_keys(
    keys: Keys, bind: Sequence[str] = (), name: Sequence[str] = (), idle: str | None = None
) -> Keys:
    """Apply what a person typed; later entries win, and a name given here may be used in a binding.

    Args:
        keys: as they are.
        bind: ``"left=2"``, ``"space=turn left"``, ``"left+space=3"``, or ``"left="`` to take a key away.
        name: ``"2=jump"``.
        idle: an action, by number or name.

    Raises:
        ConfigError: an entry is malformed, names no key, or no action of this world.
    """
    names, carried = list(keys.names), dict(keys.true_actions or {})
    for entry in name:
        action, text = _parts(entry, "--name 2=jump")
        if not text:
            raise ConfigError(f"--name {entry} gives an empty name; write for example --name 2=jump")
        names[_action(action, keys.names)] = text
        if text in carried:  # a person knows better than what was counted
            carried[text] = _action(action, keys.names)
    changed = replace(keys, names=tuple(names), true_actions=carried or keys.true_actions)
    bound: dict[str, int | None] = {}
    for entry in bind:
        key, action = _parts(entry, "--bind left=2")
        bound[_key(key)] = _action(action, changed.names) if action else None
    renamed = {str(i): text for i, text in enumerate(names) if text != keys.names[i]}
    return with_changes(changed, bound, renamed, None if idle is None else _action(idle, changed.names))


def with_changes(
    keys: Keys, bind: Mapping[str, int | None], names: Mapping[str, str], idle: int | None
) -> Keys:
    """Change keys by hand, and note that; what was changed before and is not now stays noted."""
    key_map = {key: action for key, action in {**keys.key_map, **bind}.items() if action is not None}
    before = keys.by_hand
    noted = {
        "bind": {**before.get("bind", {}), **bind},
        "names": {**before.get("names", {}), **names},
        "idle": before.get("idle") if idle is None else idle,
    }
    return replace(
        keys,
        key_map=key_map,
        names=tuple(names.get(str(i), name) for i, name in enumerate(keys.names)),
        idle=keys.idle if idle is None else idle,
        by_hand={name: part for name, part in noted.items() if part not in ({}, None)},
    )


def _parts(entry: str, example: str) -> tuple[str, str]:
    left, equals, right = entry.partition("=")
    if not equals or not left.strip():
        raise ConfigError(f"'{entry}' is no assignment; write for example {example}")
    return left.strip(), right.strip()


def _key(text: str) -> str:
    """The name of a key, or of several held together ("left+space")."""
    for part in text.split("+"):
        if normalise_key(part) in COMMANDS:
            meaning = COMMANDS[normalise_key(part)]
            raise ConfigError(f"the key '{part}' means '{meaning}' while playing; bind another one")
        if not is_key(normalise_key(part)):
            hint = did_you_mean(part.lower(), NAMED_KEYS)
            raise ConfigError(f"'{part}' is no key; write for example --bind left=2 or left+space=3.{hint}")
    return normalise_key(text)


def _action(text: str, names: Sequence[str]) -> int:
    if text.isdecimal() and int(text) < len(names):
        return int(text)
    lower = [name.lower() for name in names]
    if text.lower() in lower:
        return lower.index(text.lower())
    listed = ", ".join(f"{i} {name}" for i, name in enumerate(names))
    raise ConfigError(
        f"this world has no action '{text}'.{did_you_mean(text.lower(), lower)} It has {listed}"
    )


def read_keys(path: Path) -> Keys:
    """Return the keys in a world file, without reading its weights.

    Raises:
        DataError: what the file says of its actions is damaged.
    """
    from tinyworlds.world.file import read_header
    from tinyworlds.world.header import changes_by_hand

    header = read_header(path)
    try:
        count = 1 if header.get("actions") == "none" else int(header["configs"]["dynamics"]["num_actions"])
        if not 0 < count <= _MOST_ACTIONS:
            raise ValueError(f"{count} actions")
        given = [str(name) for name in header.get("action_names") or ()][:count]
        names = (*given, *(f"action {i}" for i in range(len(given), count)))
        keys = {str(key): int(action) for key, action in (header.get("key_map") or {}).items()}
        idle = int(header.get("idle_action") or 0)
        carried = {str(k): v if v is None else int(v) for k, v in (header.get("true_actions") or {}).items()}
        by_hand = changes_by_hand(header)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{path}: what it says of its actions is damaged ({error!r}): export it again"
        ) from None
    idle = idle if 0 <= idle < count else 0
    return Keys(known_keys(keys, count), names, idle, carried or None, by_hand)


def write_keys(path: Path, keys: Keys) -> None:
    """Store keys in a world file: the whole new file or the old one.

    Raises:
        CheckpointError: the file is damaged.
        StorageError: the disk is full or the path cannot be written.
    """
    with path.open("rb") as source:
        try:
            header = json.loads(source.read(int.from_bytes(source.read(8), "little")))
            metadata = header["__metadata__"]
            metadata[KEY] = json.dumps({**json.loads(metadata[KEY]), **keys.entries()})
        except (ValueError, KeyError, TypeError, OverflowError, MemoryError) as error:
            raise CheckpointError(f"{path} is damaged ({error!r}): copy or export it again") from None
        with replacing(path) as temporary:
            with temporary.open("wb") as target:
                target.write(_header_bytes(header))
                shutil.copyfileobj(source, target)
            source.close()  # Windows replaces no file that is open


def _header_bytes(header: Mapping[str, Any]) -> bytes:
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text
