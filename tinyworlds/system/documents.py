"""YAML and JSON that anybody may have written: read within bounds, complained of in one line.

A few hundred bytes of YAML can stand for gigabytes, since an alias repeats what it names. So everything has a
largest size here, counted with the repetitions, before anything is built of it.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyworlds.errors import ConfigError, MissingFileError

if TYPE_CHECKING:
    from yaml import Node

MOST_YAML_BYTES = 256 << 10
MOST_JSON_BYTES = 16 << 20
_MOST_ENTRIES = 50_000
_DEEPEST = 50
_LONGEST_NUMBER = 400
_BINARY = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")  # control characters that no text holds
_LFS = b"version https://git-lfs.github.com/spec/"


def is_pointer(path: Path) -> bool:
    """Whether Git LFS left a few lines in place of a file."""
    with path.open("rb") as file:
        return file.read(len(_LFS)) == _LFS


def check_is_no_pointer(path: Path) -> None:
    """Raise a MissingFileError when Git LFS left a few lines in place of the file itself."""
    if is_pointer(path):
        raise MissingFileError(
            f"{path} is a Git LFS pointer, not the file itself: run `git lfs pull` in its repository"
        )


def read_yaml(path: str | Path, what: str = "settings") -> dict[str, Any]:
    """Return the mapping in a YAML file, {} for an empty one.

    Args:
        path: the file.
        what: what it should hold, for messages.

    Raises:
        MissingFileError: there is none, or Git LFS has not fetched it.
        ConfigError: it is too large, no YAML, or no mapping.
    """
    import yaml

    path = Path(path)
    text = _text(path, MOST_YAML_BYTES, "YAML")
    try:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            if node is not None:
                _check_size(node)
            content = loader.construct_document(node) if node is not None else {}
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{path} is no YAML of {what}: {_reason(error)}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds no {what} but a {type(content).__name__}; write `key: value` lines")
    return {str(key): value for key, value in content.items()}


def read_json(path: str | Path, most_bytes: int = MOST_JSON_BYTES) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises:
        MissingFileError: there is none, or Git LFS has not fetched it.
        ConfigError: it is too large, no JSON, or no object.
    """
    text = _text(Path(path), most_bytes, "JSON")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is no JSON: {_reason(error)}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds no JSON object but a {type(content).__name__}")
    return content


def _text(path: Path, most_bytes: int, kind: str) -> str:
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a {kind} file in it")
    if not path.is_file():
        raise MissingFileError(f"{path} is no file; check the path")
    check_is_no_pointer(path)
    with path.open("rb") as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise ConfigError(f"{path} is no {kind} of ours: it is larger than {most_bytes >> 10:,} KiB")
    if told := _other_encoding(data):
        raise ConfigError(f"{path} is no UTF-8 text but {told}")
    return data.decode("utf-8-sig")


def _other_encoding(data: bytes) -> str:
    """Return what bytes are that are no UTF-8 text, and what to do; "" for those that are."""
    num_zeros = data.count(0)
    has_mark = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if has_mark or num_zeros > len(data) / 4:  # every second byte of Latin letters
        wide = "utf-32" if num_zeros > len(data) / 2 else "utf-16"
        with contextlib.suppress(UnicodeDecodeError):
            ending = "" if has_mark else "-le" if data[1:2] == b"\0" else "-be"
            if "\0" not in data.decode(wide + ending):
                return f"{wide.upper()}; save it as UTF-8"
    try:
        if num_zeros == 0:
            data.decode("utf-8")
            return ""
        place = data.index(0)
    except UnicodeDecodeError as error:
        place = error.start
        line = data.count(b"\n", 0, place) + 1
        if not _BINARY.search(data):
            return f"another encoding (line {line} has {data[place : place + 1]!r}); save it as UTF-8"
    return f"binary (byte {place:,}); name a text file"


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return " ".join(str(error).split())[:200]


def _check_size(root: Node) -> None:
    """Raise a ValueError unless a tree of YAML is small, with every alias written out."""
    import yaml

    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: Node, depth: int) -> int:
        if id(node) in open_nodes:
            raise ValueError("an alias stands within what it names")
        if depth > _DEEPEST:
            raise ValueError(f"it is nested more than {_DEEPEST} deep")
        if id(node) in sizes:
            return sizes[id(node)]
        open_nodes.add(id(node))
        count = 1
        if isinstance(node, yaml.ScalarNode):
            if node.tag != "tag:yaml.org,2002:str" and len(node.value) > _LONGEST_NUMBER:
                raise ValueError("it holds a number of hundreds of digits")
        else:
            pairs = node.value if isinstance(node, yaml.MappingNode) else [(each,) for each in node.value]
            for inner in (each for pair in pairs for each in pair):
                count += size(inner, depth + 1)
                if count > _MOST_ENTRIES:
                    raise ValueError(
                        f"with its aliases written out it has more than {_MOST_ENTRIES:,} entries"
                    )
        open_nodes.discard(id(node))
        sizes[id(node)] = count
        return count

    size(root, 0)
