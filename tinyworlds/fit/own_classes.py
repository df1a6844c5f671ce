"""Classes that settings name: imported before the parser meets them, so that what is wrong with one is told.

A stage, a callback or an optimizer of one's own may lie in a file in the current folder. Only names that the
user gives, on the command line or in a config, come here; see `tinyworlds.fit.saved_config` for others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from lightning.pytorch import Callback
from lightning.pytorch.cli import ReduceLROnPlateau
from lightning.pytorch.loggers import Logger
from lightning.pytorch.profilers import Profiler
from lightning.pytorch.strategies import Strategy
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from tinyworlds.errors import ConfigError, did_you_mean
from tinyworlds.fit.words import option_pairs, settings_in
from tinyworlds.models.registry import ALL_STAGES, named, spec_of_module
from tinyworlds.system.user_code import import_object, is_class_path, remember_code
from tinyworlds.training.stages import Stage

_KINDS: dict[str, tuple[type, ...]] = {
    "model": (Stage,),
    "optimizer": (Optimizer,),
    "lr_scheduler": (LRScheduler, ReduceLROnPlateau),
    "trainer.callbacks": (Callback,),
    "trainer.logger": (Logger,),
    "trainer.profiler": (Profiler,),
    "trainer.strategy": (Strategy,),
}
"""What a class must be under each setting that may name one; under others the parser knows."""

_HOMES = {"optimizer": torch.optim, "lr_scheduler": torch.optim.lr_scheduler}
"""Where classes lie that are named without a module."""


def import_classes(words: Sequence[str]) -> type[Stage] | None:
    """Import what the words of a command and the configs in them name; return the stage that they ask for.

    Raises:
        ConfigError: there is no such module or class, it cannot be imported, or does not fit there.
    """
    stage = None
    for key, path in named_classes(words):
        if key == "model":
            stage = _stage(path)
        elif key in _HOMES and "." not in path:
            _check_short(key, path)
        elif is_class_path(path):
            _import(key, path)
    return stage


def is_of_the_user(kind: type) -> bool:
    """Whether a class is neither ours nor of the packages that we are made of."""
    return kind.__module__.split(".")[0] not in ("tinyworlds", "callbacks", "lightning", "torch")


def named_classes(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield (setting, name of a class) in the order of the words, configs and values in YAML included."""
    for key, value in option_pairs(words):
        if value is None:
            continue
        name = key.rstrip("+").removesuffix(".class_path")
        settings = settings_in(value) if key == "config" else as_settings(key, value)
        if isinstance(settings, list | dict):
            yield from _walk("" if key == "config" else name, settings)
        elif name in _KINDS and value not in ("null", "None", ""):
            yield name, value


def as_settings(key: str, value: str | None) -> Any:
    """Return the value of an option, read where it is YAML of several settings or names a file of them."""
    text = value or ""
    is_file = text.lower().endswith((".yaml", ".yml", ".json")) and os.path.isfile(text)
    if (is_file and "." not in key) or text.lstrip().startswith(("[", "{")):
        return settings_in(text)
    return value


def _walk(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for each in value:
            yield from _walk(key, each)
    elif isinstance(value, dict):
        for name, each in value.items():
            inner = key if name == "class_path" else f"{key}.{name}" if key else str(name)
            if name == "class_path" and isinstance(each, str) and key not in _KINDS:
                yield key, each
            else:
                yield from _walk(inner, each)
    elif isinstance(value, str) and key in _KINDS:
        yield key, value


def _stage(path: str) -> type[Stage] | None:
    if not is_class_path(path):
        spec = spec_of_module(path)  # for others without a module, the parser says what there is
        return named(spec.module, "tinyworlds.training.stages") if spec is not None else None
    found = _import("model", path)
    if getattr(found, "name", None) not in ALL_STAGES:
        raise ConfigError(f"--model {path} does not say which stage it is: derive it from one of {_stages()}")
    return found


def _import(key: str, path: str) -> Any:
    kinds = _KINDS.get(key, (object,))
    try:
        found = import_object(path, kinds[0])
    except ImportError as error:
        raise ConfigError(f"--{key} {path}: {error}") from error
    if not isinstance(found, type):
        if key == "model" or not callable(found):
            raise ConfigError(f"--{key} {path} is no class")
        return found  # a function that returns one: the parser looks at its type
    if not issubclass(found, kinds):
        raise ConfigError(f"--{key} {path} is no {_wanted(key, kinds)}")
    if is_of_the_user(found):
        remember_code(found)
    return found


def _wanted(key: str, kinds: tuple[type, ...]) -> str:
    if key != "model":
        return f"{kinds[0].__module__.split('.')[0]} {kinds[0].__name__}: derive it from that"
    return f"stage: derive it from one of {_stages()}, all in `tinyworlds`"


def _stages() -> str:
    return ", ".join(spec.module.rpartition(".")[2] for spec in ALL_STAGES.values())


def _check_short(key: str, name: str) -> None:
    """Raise a ConfigError for a name without a module that torch does not have."""
    kinds, home = _KINDS[key], vars(_HOMES[key])
    names = [each for each, value in home.items() if isinstance(value, type) and issubclass(value, kinds)]
    known = {*names, *(kind.__name__ for kind in _subclasses(kinds))}
    spelt = {each.lower(): each for each in names}
    if name not in known:
        near = did_you_mean(spelt.get(name.lower(), name), names)
        raise ConfigError(
            f"--{key} {name}: there is none of that name in {_HOMES[key].__name__}.{near} One of your own is "
            f"named with its module, as my_file.{name}"
        )


def _subclasses(kinds: Sequence[type]) -> Iterator[type]:
    for kind in kinds:
        yield kind
        yield from _subclasses(kind.__subclasses__())
