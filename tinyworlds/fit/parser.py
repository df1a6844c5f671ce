"""The parser of ``fit``, ``validate``, ``test``, ``predict``: every complaint is one line."""

from __future__ import annotations

import inspect
from typing import Any

from lightning.pytorch.cli import LightningArgumentParser

from tinyworlds.fit.messages import one_line
from tinyworlds.models.registry import ALL_STAGES, named, network_class
from tinyworlds.system.files import write_text
from tinyworlds.system.options import OptionParser


class OneLineParser(OptionParser, LightningArgumentParser):
    """Knows the settings of all stages, and what Lightning's parser says of a wrong one."""

    stores_aloud = False  # `tinyworlds.fit.words` looks at the words of several parsers at once
    config_files: tuple[str, ...] = ()
    typed: frozenset[str] = frozenset()
    stage_parsers: tuple[LightningArgumentParser, ...] = ()

    def explain(self, message: str) -> str:
        """Say what is wrong in one line."""
        return one_line(message, self.known_keys(), self.config_files, self.typed)

    def save(self, cfg: Any, path: Any, **unused: Any) -> None:
        """Write a configuration as UTF-8, whole or not at all, whatever the machine's own encoding is."""
        write_text(path, self.dump(cfg, skip_none=False))

    def known_keys(self) -> list[str]:
        """Return the dotted names of all settings, those of the stages and networks included."""
        parsers = [self, *self.stage_parsers]
        keys = [option[2:] for p in parsers for action in p._actions for option in action.option_strings]
        return [key for key in keys if len(key) > 1] + [f"model.{name}" for name in model_keys()]


def model_keys() -> list[str]:
    """Return the names of all settings of the stages and their networks."""
    return sorted(set().union(*settings_by_stage().values()))


def settings_by_stage() -> dict[str, set[str]]:
    """Return the names of the settings of each stage and its network."""
    settings = {}
    for name, spec in ALL_STAGES.items():
        stage = named(spec.module, "tinyworlds.training.stages")
        own = {*inspect.signature(stage).parameters, *inspect.signature(network_class(name)).parameters}
        settings[name] = own - {"network", "agent"}
    return settings
