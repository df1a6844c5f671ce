"""Turning what argument parsers say into one line: the wrong key, where it stands, the nearest right one."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tinyworlds.errors import ConfigError, TinyWorldsError, did_you_mean
from tinyworlds.models.registry import STAGES

_UNKNOWN = (
    re.compile(r"[Uu]nrecognized arguments: (?:--?)?([\w.\-]+)"),
    re.compile(r"does not accept option '([^']+)'"),
    re.compile(r"Option '([^']+)' is not accepted"),
    re.compile(r"(?:Key|option) [\"']([^\"']+)[\"'] (?:is not expected|not accepted)"),
)
_NO_STAGE = re.compile(r"arguments are required: (\w+\.)?model\b|[Kk]ey \"(\w+\.)?model\" is required")
_TOLD_BEFORE = re.compile(r"'([\w.\-]+)' is no setting")  # by the parser of a class within this one
_BAD_VALUE = re.compile(r"Parser key \"([^\"]+)\":\s*(.*)", re.DOTALL)
_WITHIN = re.compile(r"Errors: - (\w+): (.+)")
_KIND = re.compile(r"Expected an? \w+")
_OPTIONAL = re.compile(r"Subtypes: \[(\w+), NoneType\] .*Given value: (.*)$")
_GIVEN = re.compile(r"NestedArg\(key='[^']*', val='?(.*?)'?\)$")
_CLASS_PATH = re.compile(r"Problem with given class_path '([^']+)'|Expected a dot import path string: (\S+)")
_FAILED_CLASS = re.compile(r"Problem with given class_path '(?:[^']*\.)?([^'.]+)':\s+(.+)")
_NOT_SUBCLASS = re.compile(r"Import path (\S+) does not correspond to a subclass of (\w+)")


def one_line(
    message: str, known: Iterable[str], config_files: Sequence[str] = (), typed: Collection[str] = ()
) -> str:
    """Return `message` of jsonargparse as one line a person can act on.

    Args:
        message: what the parser said.
        known: the keys that would have been right, dotted.
        config_files: YAML files that were read; the one with a wrong key in it is named.
        typed: the keys on the command line, whose mistakes are no file's.
    """
    if _NO_STAGE.search(message):
        return "name the stage to work on: --config configs/own_tokenizer.yaml, or another of configs/"
    for pattern in (_TOLD_BEFORE, *_UNKNOWN):
        found = pattern.search(message)
        if found:
            key = found.group(1)
            return unknown_key(key, known, () if key in typed else config_files)
    found = _CLASS_PATH.search(message) or _NOT_SUBCLASS.search(message)
    if found:
        name = next(group for group in found.groups() if group)
        return _unknown_class(name, is_stage='key "model"' in message)
    found = _BAD_VALUE.search(message)
    if found:
        return _bad_value(found.group(1), " ".join(found.group(2).split()))
    return " ".join(message.split())[:400]


def _unknown_class(name: str, is_stage: bool) -> str:
    if not is_stage:
        return f"'{name}' is no class that fits here; give its full import path, such as package.module.Class"
    stages = [spec.module for spec in STAGES.values()]
    hint = did_you_mean(name.rsplit(".", 1)[-1], stages)
    return f"model.class_path '{name}' is no stage; use one of {', '.join(stages)}.{hint}"


def _bad_value(key: str, reason: str) -> str:
    if within := _WITHIN.search(reason):  # a setting of the class that this key names
        kind, given = _KIND.search(within.group(2)), _GIVEN.search(reason)
        if kind is not None:
            told = f"{key}.{within.group(1)}: {kind.group()}"
            return f"{told}. Got value: {given.group(1)}" if given else told
    plain = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", reason)
    if optional := _OPTIONAL.search(plain):
        return f"{key}: Expected a {optional.group(1)}. Got value: {optional.group(2)}"
    value = re.search(r"(?:Got value|Given value): (.*?)$", reason)
    choices = [word for group in re.findall(r"Literal\[([^\]]*)\]", reason) for word in group.split(", ")]
    names = list(dict.fromkeys(word.strip("'") for word in choices))
    if value and names:
        hint = did_you_mean(value.group(1), names)
        return f"{key}: '{value.group(1)}' is none of {', '.join(names)}.{hint}"
    return f"{key}: {plain[:300]}"


@contextmanager
def built_from_settings() -> Iterator[None]:
    """Make one line of what a class says that a configuration names and that cannot be built.

    Raises:
        ConfigError: names the class and its reason, such as a package that is missing.
    """
    try:
        yield
    except TinyWorldsError:
        raise
    except Exception as failure:
        raise ConfigError(_not_built(failure)) from failure


def _not_built(failure: Exception) -> str:
    told = _FAILED_CLASS.search(str(failure))
    if told:
        return f"{told.group(1)} cannot be built: {told.group(2).strip()[:300]}"
    root: BaseException = failure
    while (before := root.__cause__ or root.__context__) is not None:
        root = before
    # the first constructor that was entered is that of the class which the settings name
    trace, name = root.__traceback__, None
    while trace is not None and name is None:
        code, values = trace.tb_frame.f_code, trace.tb_frame.f_locals
        name = type(values["self"]).__name__ if code.co_name == "__init__" and "self" in values else None
        trace = trace.tb_next
    reason = " ".join(str(root).split())[:300] or type(root).__name__
    if name == "Trainer":  # its own checks of its own settings
        return f"trainer: {reason}"
    return f"{name or 'a class of the settings'} cannot be built: {reason}"


def unknown_key(key: str, known: Iterable[str], config_files: Sequence[str] = ()) -> str:
    """Return the line for a key nobody knows, with the nearest known one and the file it stands in."""
    where = next((f" in {path}" for path in config_files if _mentions(path, key.split("."))), "")
    return f"'{key}' is no setting{where}.{_nearest(key, list(known))} `--help` lists all of them"


def _nearest(key: str, known: list[str]) -> str:
    by_last = {name.rsplit(".", 1)[-1]: name for name in reversed(known)}
    if "." in key and (same := by_last.get(key.rsplit(".", 1)[-1])) is not None:
        return f" Did you mean '{same}'?"  # the right name in the wrong group: trainer.batch_size
    begun = [name for name in known if name.startswith(key)]
    hint = did_you_mean(key, begun) or did_you_mean(key, known)
    if hint:
        return hint
    # a name without its group (num_blocs)
    near = re.search(r"'([^']+)'", did_you_mean(key.rsplit(".", 1)[-1], by_last))
    return f" Did you mean '{by_last[near.group(1)]}'?" if near else ""


def _mentions(path: str, words: list[str]) -> bool:
    try:
        text = Path(path).read_text(encoding="utf-8")
        return all(re.search(rf"\b{re.escape(word)}\b", text) for word in words)
    except (OSError, UnicodeDecodeError):
        return False
