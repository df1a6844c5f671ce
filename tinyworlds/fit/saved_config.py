"""The settings saved beside a checkpoint, read as data: whoever sent the checkpoint wrote them, too.

A configuration may name any class, and naming one runs it. So of the file that is found beside a checkpoint
only our stages, our callbacks, torch's optimizers and plain values are taken, and classes in a file of the
user's own that the user has named here before; anything else is refused by name. Whoever trusts the file
gives it with ``--config``, as any other.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.cli import ReduceLROnPlateau

from tinyworlds.data.gameplay import check_followed
from tinyworlds.errors import ConfigError
from tinyworlds.models.registry import ALL_STAGES
from tinyworlds.system.cores import num_cores
from tinyworlds.system.documents import read_yaml
from tinyworlds.system.known_paths import is_known, is_within
from tinyworlds.system.shell import quoted
from tinyworlds.system.user_code import is_class_path, is_known_code

log = logging.getLogger(__name__)

_WORD = "[a-z][a-z0-9_-]{0,30}"  # no dots, slashes or capitals: neither an import path nor a file nor a class
_NAME = "[a-z][a-z0-9_/]{0,40}"  # of a figure, as val/loss
_WORDS = ("monitor", "mode", "threshold_mode", "anneal_strategy")
_PLATEAU = f"{ReduceLROnPlateau.__module__}.{ReduceLROnPlateau.__qualname__}"
_TEXTS = {
    "trainer": {
        **dict.fromkeys(("accelerator", "strategy", "gradient_clip_algorithm", "deterministic"), _WORD),
        "devices": r"auto|[0-9,-]{1,50}",
        "precision": r"[a-z0-9-]{1,30}",
        "profiler": "simple|advanced|pytorch|xla",
        **dict.fromkeys(("max_time", "val_check_interval"), r"[0-9:]{1,20}"),
    },
    "data": {
        "game": r"[a-z_][a-z0-9_]{0,60}",
        **dict.fromkeys(("split", "observe"), _WORD),
        "task": r"[A-Za-z][A-Za-z0-9_/-]{0,60}",  # of games that are known: a colon would import a module
    },
    "rollout": dict.fromkeys(("actions", "schedule", "feedback"), _WORD),
    "model": {
        **dict.fromkeys(("optimizer", "architecture", "actions"), _WORD),
        **dict.fromkeys(("preset", "variant"), "[a-z0-9-]{1,30}"),
    },
    "checkpoint": {},
}
"""Groups of settings, and what those that are text may be; all others are numbers, switches or nothing."""

_SWITCHES = (
    "seed_everything",
    "pictures",
    "compile",
    "tensorboard",
    "scope",
    "find_batch_size",
    "follow_cores",
)
_OF_THE_USER = ("ckpt_path", "weights_only", "run", "wandb")
"""Never taken from a file: what is opened, where is written, and whether anything leaves this machine."""

_PARTNERS = ("tokenizer", "latent_actions")
_OF_TORCH = {
    "optimizer": (torch.optim, torch.optim.Optimizer),
    "lr_scheduler": (torch.optim.lr_scheduler, torch.optim.lr_scheduler.LRScheduler),
}
_MOST = {"num_workers": 4 * num_cores(), "devices": 4 * num_cores(), "num_nodes": 1, "batch_size": 1 << 16}
_LARGEST = 1 << 53


def saved_settings(path: Path, given: Sequence[str] = ()) -> dict[str, Any]:
    """Return the settings in the `config.yaml` of a version folder that may be taken unasked.

    Args:
        path: the file.
        given: names of settings that the user gives, which count instead.

    Raises:
        ConfigError: it names a class, a file or anything else that is no plain value of ours.
    """
    taken: dict[str, Any] = {}
    for key, value in read_yaml(path).items():
        if key in _OF_THE_USER or value is None:
            if key == "run" and isinstance(value, str) and Path(value).resolve() == _run_of(path):
                taken[key] = value  # where it lies anyway
            if key == "wandb" and value is True and key not in given:
                log.warning("%s logged to Weights & Biases; to go on with that, add --wandb", path)
            continue
        if key in _SWITCHES:
            taken[key] = _plain(path, key, value, "")
        elif key == "model":
            taken[key] = _model(path, value)
        elif key in _OF_TORCH:
            if not any(name.startswith(f"{key}.") or name == key for name in given):
                taken[key] = _of_torch(path, key, value)
        elif key in _TEXTS and isinstance(value, dict):
            taken[key] = _group(path, key, value, given)
        else:
            raise _refusal(path, key, value)
    return taken


def _run_of(path: Path) -> Path:
    return path.parent.parent.parent


def _group(path: Path, group: str, values: Mapping[Any, Any], given: Sequence[str]) -> dict[str, Any]:
    taken = {}
    for name, value in values.items():
        key = f"{group}.{name}"
        if key in given:
            continue
        if key == "data.files" and value is not None:
            taken[name] = _files(path, value)
        elif key == "trainer.callbacks":
            taken[name] = _callbacks(path, value)
        else:
            taken[name] = _plain(path, key, value, _TEXTS[group].get(name, ""))
    return taken


def _model(path: Path, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not {*value} <= {"class_path", "init_args"}:
        raise _refusal(path, "model", value)
    named, arguments = value.get("class_path"), value.get("init_args") or {}
    stage = _stage(named)
    if stage is None:
        raise _refusal(path, "model.class_path", named)
    if not isinstance(arguments, dict):
        raise _refusal(path, "model.init_args", arguments)
    words = _WORD if _is_users(named) else ""
    taken = {
        name: _plain(path, f"model.{name}", each, _TEXTS["model"].get(name, words))
        for name, each in arguments.items()
        if name not in _PARTNERS
    }
    for name in _PARTNERS:
        partner = arguments.get(name)
        if isinstance(partner, str) and _may_open(partner, _run_of(path)):
            taken[name] = partner  # else the very network is looked for in the run, by its fingerprint
        elif partner is not None and not isinstance(partner, str):
            raise _refusal(path, f"model.{name}", partner)
    return {"class_path": stage, "init_args": taken}


def _stage(named: Any) -> str | None:
    """The full name of one of our stages, which have been called shorter, too; None for anything else."""
    for spec in ALL_STAGES.values():
        home, _, name = spec.module.rpartition(".")
        home = home or "tinyworlds.training.stages"
        if named in (name, f"tinyworlds.{name}", f"{home}.{name}", f"{home}.{spec.name}.{name}"):
            return f"{home}.{name}"
    return named if _is_users(named) else None


def _is_users(named: Any) -> bool:
    """Whether a class is in a file of which the user has named one here before."""
    return isinstance(named, str) and is_class_path(named) and is_known_code(named.rpartition(".")[0])


def _of_torch(path: Path, key: str, value: Any) -> dict[str, Any]:
    """Return an optimizer or a schedule of torch's; others are code that a file names."""
    named = value.get("class_path") if isinstance(value, dict) else None
    arguments = (value.get("init_args") or {}) if isinstance(value, dict) else None
    home, _, name = named.rpartition(".") if isinstance(named, str) else ("", "", "")
    torchs, base = _OF_TORCH[key]
    kind = vars(torchs).get(name) if f"{home}.".startswith("torch.optim.") else None
    fits = named == _PLATEAU or (isinstance(kind, type) and issubclass(kind, base))
    if not fits or not isinstance(arguments, dict):
        raise _refusal(path, key, named if isinstance(named, str) else value)
    if {*value} - {"class_path", "init_args"}:
        raise _refusal(path, key, value)
    plain = {
        name: [_plain(path, f"{key}.{name}", part, "") for part in each]
        if isinstance(each, list)
        else _plain(path, f"{key}.{name}", each, _NAME if name in _WORDS else "")
        for name, each in arguments.items()
    }
    return {"class_path": named if named == _PLATEAU else f"{torchs.__name__}.{name}", "init_args": plain}


def _may_open(name: str, run: Path) -> bool:
    inside = Path(os.path.abspath(name)).is_relative_to(os.path.abspath(run))
    named_by_us = inside or is_known(name) or is_within(name, Path())
    return "\0" not in name and named_by_us and Path(name).exists()


def _files(path: Path, value: Any) -> Any:
    names = value if isinstance(value, list) else [value]
    if not names or not all(isinstance(name, str) and name and "\0" not in name for name in names):
        raise _refusal(path, "data.files", value)
    check_followed({"files": names}, path.parent, "--data.files")
    return value


def _callbacks(path: Path, value: Any) -> list[dict[str, Any]] | None:
    import callbacks

    taken = []
    for each in value if isinstance(value, list) else [] if value is None else [value]:
        named = each.get("class_path") if isinstance(each, dict) else each
        if named not in [f"callbacks.{name}" for name in callbacks.__all__] and not _is_users(named):
            raise _refusal(path, "trainer.callbacks", named if isinstance(named, str) else each)
        spelled = each if isinstance(each, dict) else {}
        arguments = spelled.get("init_args") or {}
        if not isinstance(arguments, dict) or {*spelled} - {"class_path", "init_args"}:
            raise _refusal(path, f"trainer.callbacks {named}", each)
        text = _WORD if _is_users(named) else ""
        plain = {name: _plain(path, f"{named}.{name}", inner, text) for name, inner in arguments.items()}
        taken.append({"class_path": named, "init_args": plain})
    return taken if value is not None else None


def _plain(path: Path, key: str, value: Any, text: str) -> Any:
    """Return a value that is a number, a switch, a word as in `text`, or a list of numbers."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, list) and all(type(each) is int for each in value) and len(value) < 1000:
        return value
    if isinstance(value, str) and text and re.fullmatch(text, value):
        return value
    most = _MOST.get(key.rpartition(".")[2], _LARGEST)
    if isinstance(value, int | float) and abs(value) <= most:
        return value
    raise _refusal(path, key, value)


def _refusal(path: Path, key: str, value: Any) -> ConfigError:
    return ConfigError(
        f"{path} sets {key!a:.100} to {value!a:.200}: from beside a checkpoint only plain values and classes "
        f"of ours are taken unasked; if you trust that file, give it with --config {quoted(path)}"
    )
