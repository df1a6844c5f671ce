"""Finding configuration files: the user's own, or the shipped ones wherever the program is installed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tinyworlds.checkpoints.run_folder import default_run
from tinyworlds.errors import ConfigError, did_you_mean
from tinyworlds.models.registry import STAGES
from tinyworlds.system.documents import read_yaml
from tinyworlds.system.files import write_text


def shipped_configs() -> Path:
    """Return the folder of the shipped YAML files."""
    import configs

    return Path(next(iter(configs.__path__)))


def short_name(config: Path) -> Path:
    """`config` as commands name it: a shipped one by the name under which it is found from any folder.

    So a run goes on after its environment has moved, and what is printed can be read.
    """
    return Path("configs") / config.name if config.parent == shipped_configs() else config


def with_short_base(words: Sequence[str]) -> list[str]:
    """Words of a stage, of which the base config comes first, by its `short_name` if it is a shipped one.

    Older runs note where it lay when they were trained. Later configs are the user's own and stay.
    """
    if len(words) < 2 or not Path(words[1]).is_absolute():
        return list(words)
    first, base, *rest = words[0], Path(words[1]), *words[2:]
    shipped = base.parent.name == "configs" and (shipped_configs() / base.name).is_file()
    return [first, str(Path("configs") / base.name), *rest] if shipped else list(words)


def find_config(name: str, needed: bool = False) -> Path | None:
    """Return ``configs/<name>`` of the working folder, else the shipped one, else that of a title, else None.

    A title without configs of its own gets those for a game of one's own, with its rate and its actions.

    Raises:
        ConfigError: it is needed and there is none.
    """
    if file := _file(name):
        return file
    for stage in STAGES.values():
        ending = f"_{stage.config_suffix}.yaml"
        if name.endswith(ending) and (path := _config_of_title(name.removesuffix(ending), stage.name)):
            return path
    if needed:
        raise ConfigError(_missing(name))
    return None


def _file(name: str) -> Path | None:
    folders = (Path("configs"), shipped_configs())
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def has_configs(game: str) -> bool:
    """Whether a config was written for any stage of `game`, here or in what is shipped."""
    return any(_file(f"{game}_{stage.config_suffix}.yaml") for stage in STAGES.values())


def _config_of_title(game: str, stage: str) -> Path | None:
    """Write the config of a registered title's stage into its run folder; None if there is no such title."""
    from games.registry import get, titles

    if game not in titles():
        return None
    spec = get(game)
    base = shipped_configs() / f"own_{STAGES[stage].config_suffix}.yaml"
    own: dict[str, Any] = {"data": {"game": game, "fps": spec.fps, "skip_frames": spec.skip_frames}}
    if stage == "latent_actions":
        own["model"] = {"init_args": {"num_actions": spec.num_actions}}
    return _write(
        _merge(yaml.safe_load(base.read_text(encoding="utf-8")), own), "title", stage, default_run(game)
    )


def resolve_config(path: str) -> str:
    """Return `path` if it is a file, else the shipped config of that name.

    Raises:
        ConfigError: neither exists; the nearest shipped name is told.
    """
    if Path(path).is_file():
        return path
    config = find_config(Path(path).name)
    if config is None:
        raise ConfigError(_missing(path))
    return str(config)


def _missing(path: str) -> str:
    shipped = [file.name for file in sorted(shipped_configs().glob("*.yaml"))]
    hint = did_you_mean(Path(path).name, shipped)
    return f"config file {path} does not exist.{hint} Shipped ones are found by name, from any folder"


def split_overlay(path: str, stage: str, run: Path) -> list[Path]:
    """Return the part of an overlay that is for `stage`, as a file in the run folder.

    Top-level keys named after stages hold settings for one; everything else is for all of them.

    Raises:
        ConfigError: the file does not exist or is no mapping of settings.
    """
    if not Path(path).is_file():
        raise ConfigError(_missing(path))
    content = read_yaml(path)
    if not content:
        raise ConfigError(f"{path} is empty: it holds no setting")
    shared = {key: value for key, value in content.items() if key not in STAGES}
    merged = _merge(shared, content.get(stage) or {})
    if not merged:
        return []
    return [_write(merged, "overlay", stage, run)]


def _write(content: dict[str, Any], kind: str, stage: str, run: Path) -> Path:
    """Write settings under a name that changes with them, so that a run can tell that they did."""
    text = yaml.safe_dump(content, sort_keys=False)
    target = run / f"{kind}_{stage}_{hashlib.sha256(text.encode()).hexdigest()[:8]}.yaml"
    write_text(target, text)
    return target


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged
