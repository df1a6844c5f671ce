"""The parser of ``fit``, ``validate``, ``test``, ``predict``: every complaint is one line."""

from __future__ import annotations

import inspect
from typing import Any, NoReturn

from lightning.pytorch.cli import LightningArgumentParser

import tinyworlds.models as models
from tinyworlds.checkpoints.load import NETWORKS
from tinyworlds.errors import ConfigError
from tinyworlds.system.parser_messages import one_line
from tinyworlds.training import stages

STAGE_CLASSES = (stages.VideoTokenizerStage, stages.LatentActionsStage, stages.DynamicsStage)


class OneLineParser(LightningArgumentParser):
    """Raises a ConfigError of one line instead of printing a usage of hundreds."""

    config_files: tuple[str, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, allow_abbrev=False, **kwargs)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Say what is wrong in one line."""
        raise ConfigError(one_line(message, self.known_keys(), self.config_files)) from None

    def known_keys(self) -> list[str]:
        """Return the dotted names of all settings, those of the stages and networks included."""
        parsers = [self, *getattr(self, "stage_parsers", ())]
        keys = [option[2:] for p in parsers for action in p._actions for option in action.option_strings]
        return [key for key in keys if len(key) > 1] + [f"model.{name}" for name in model_keys()]


def model_keys() -> list[str]:
    """Return the names of all settings of the three stages and their networks."""
    return sorted(set().union(*settings_by_stage().values()))


def settings_by_stage() -> dict[str, set[str]]:
    """Return the names of the settings of each stage and its network."""
    found = {}
    for stage in STAGE_CLASSES:
        network: Any = getattr(models, NETWORKS[stage.name])
        own = {*inspect.signature(stage).parameters, *inspect.signature(network).parameters}
        found[stage.name] = own - {"network"}
    return found
