"""What is done to the words of a command before they are parsed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from tinyworlds.checkpoints.run_folder import version_dir_of_checkpoint
from tinyworlds.errors import ConfigError
from tinyworlds.fit.config_files import resolve_config
from tinyworlds.system.documents import read_yaml

_FILES = "--data.files"
_GROUPS = {"data": "the gameplay file goes to --data.files", "trainer": "such as --trainer.max_steps 500"}
_GROUPS |= {"rollout": "such as --rollout.horizon 8", "checkpoint": "such as --checkpoint.every_n_steps 500"}


def with_joined_files(argv: Sequence[str]) -> list[str]:
    """Make one list of the words behind each ``--data.files``, as when a shell wrote out a pattern."""
    kept: list[str] = []
    names: list[str] = []
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        option, equals, value = word.partition("=")
        if option != _FILES:
            kept.append(word)
            continue
        if _FILES in kept:
            kept.remove(_FILES)
        kept.append(_FILES)  # where it stands last, since a --config behind it counts more
        names += _listed(value) if equals else []
        while rest and not rest[0].startswith("-"):
            names += _listed(rest.pop(0))
    if len(names) == 0 or _FILES not in kept:
        return kept
    joined = names[0] if len(names) == 1 else json.dumps(names)
    return [f"{_FILES}={joined}" if word == _FILES else word for word in kept]


def _listed(value: str) -> list[str]:
    if not value.startswith("["):
        return [value]
    try:
        names = yaml.safe_load(value)
    except yaml.YAMLError:
        return [value]  # a file of that name, perhaps
    return [str(name) for name in names] if isinstance(names, list) else [value]


def option_pairs(words: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Yield (key, value) for ``--key value``, ``--key=value`` and ``--flag``.

    Raises:
        ConfigError: a word belongs to no option.
    """
    rest = list(words)
    while rest:
        word = "--config" if (word := rest.pop(0)) == "-c" else "--help" if word == "-h" else word
        if not word.startswith("--"):
            raise ConfigError(
                f"'{word}' is left over: settings look like --trainer.max_steps 500, several files go to "
                "--data.files, and a pattern or a name with spaces stands in quotes"
            )
        key, equals, value = word[2:].partition("=")
        if not equals and rest and not rest[0].startswith("--"):
            value, equals = rest.pop(0), "="
        yield key, value if equals else None


def check_words(words: Sequence[str], say_repeated: bool = True) -> None:
    """Look at the words of a command before they are parsed, and say which settings are given twice.

    Raises:
        ConfigError: a word is left over, or a file is given where settings belong.
    """
    seen: dict[str, str | None] = {}
    growing = [key[:-1] for key, _ in option_pairs(words) if key.endswith("+")]
    for key, value in option_pairs(words):
        if key in _GROUPS and value and not value.startswith("{"):
            if not value.lower().endswith((".yaml", ".yml", ".json")):
                raise ConfigError(f"--{key} {value}: --{key} takes settings; {_GROUPS[key]}")
            read_yaml(value)
        of_list = any(key.rstrip("+") == name or key.startswith(f"{name}.") for name in growing)
        if key in ("config", "help", *_GROUPS) or of_list:
            continue
        if say_repeated and key in seen and seen[key] != value:
            print(f"--{key} is given twice: {value} counts, not {seen[key]}")
        seen[key] = value


def config_files_in(argv: Sequence[str]) -> tuple[str, ...]:
    """Return the YAML files named in `argv`."""
    files = [b for a, b in pairwise(argv) if a in ("-c", "--config")]
    return tuple(files + [a.split("=", 1)[1] for a in argv if a.startswith("--config=")])


def settings_in(config: str) -> Any:
    """The settings in a file, or in a text that stands for one."""
    if os.path.isfile(config):
        return read_yaml(config)
    try:
        return yaml.safe_load(config)
    except yaml.YAMLError:
        return None  # whoever parses it says what is wrong


def with_shipped_configs(argv: list[str]) -> list[str]:
    """Replace configs that are not found from here by the shipped ones of the same name."""
    words = list(argv)
    for i, word in enumerate(words):
        if i > 0 and words[i - 1] in ("-c", "--config"):
            words[i] = resolve_config(word)
        elif word.startswith("--config="):
            words[i] = f"--config={resolve_config(word.split('=', 1)[1])}"
    return words


def with_read_configs(argv: Sequence[str]) -> list[str]:
    """Hand over configs beyond ASCII as text: jsonargparse opens files in the machine's encoding."""
    words: list[str] = []
    for word in argv:
        path = word.removeprefix("--config=")
        if words and words[-1] in ("-c", "--config"):
            words.pop()
        elif path == word:
            words.append(word)
            continue
        data = Path(path).read_bytes() if os.path.isfile(path) else b""
        words.append(f"--config={path if data.isascii() else _ascii_yaml(data)}")
    return words


def _ascii_yaml(data: bytes) -> str:
    node = yaml.compose(data.decode("utf-8-sig"), yaml.SafeLoader)
    return yaml.serialize(node, Dumper=yaml.SafeDumper)  # letters as escapes, all else as it was


def saved_config(argv: list[str]) -> Path | None:
    """Return the configuration saved beside a checkpoint, when only ``--ckpt_path`` is given."""
    if any(
        word.split("=")[0] in ("-c", "--config", "--model", "--model.class_path", "-h", "--help")
        for word in argv
    ):
        return None
    paths = [b for a, b in pairwise(argv) if a == "--ckpt_path"]
    paths += [a.split("=", 1)[1] for a in argv if a.startswith("--ckpt_path=")]
    folder = version_dir_of_checkpoint(paths[-1]) if paths else None
    saved = folder / "config.yaml" if folder is not None else None
    return saved if saved is not None and saved.is_file() else None


def without_ckpt_path(argv: list[str]) -> list[str]:
    """Drop ``--ckpt_path X`` and ``--ckpt_path=X``."""
    kept, skip = [], False
    for word in argv:
        if not skip and not word.startswith("--ckpt_path"):
            kept.append(word)
        skip = word == "--ckpt_path"
    return kept
