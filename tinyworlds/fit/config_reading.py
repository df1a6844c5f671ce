"""What ``tinyworlds fit`` would do with some words, without doing it."""

from __future__ import annotations

from collections.abc import Sequence

from jsonargparse import Namespace

from tinyworlds.data.module import WINDOW_FRAMES
from tinyworlds.fit.cli import StageCLI
from tinyworlds.fit.parser import OneLineParser
from tinyworlds.fit.resolve import network_frame_size, stage_class, window_frames
from tinyworlds.fit.subcommands import SUBCOMMANDS
from tinyworlds.fit.words import with_shipped_configs
from tinyworlds.training.stages import Stage


class _ParsingOnly(StageCLI):
    def _set_seed(self) -> None:
        """Leave random numbers alone."""

    def before_instantiate_classes(self) -> None:
        """Look at no data, run or checkpoint."""

    def instantiate_classes(self) -> None:
        """Build nothing."""

    def _run_subcommand(self, subcommand: str) -> None:
        """Run nothing."""


def read_settings(words: Sequence[str]) -> Namespace:
    """Return all settings of ``tinyworlds fit WORDS``, defaults included; the data need not be there.

    Raises:
        ConfigError: a setting is unknown or of another type.
    """
    settings = _ParsingOnly("fit", with_shipped_configs(list(words))).config["fit"]
    model = settings.model.init_args
    if "context_frames" in model:
        model.context_frames = settings.data.num_frames = window_frames(model, settings.data.num_frames)
    settings.data.num_frames = settings.data.num_frames or WINDOW_FRAMES
    return settings


def known_keys(words: Sequence[str]) -> set[str]:
    """Return the dotted names of all settings that ``fit WORDS`` or one of its kin takes."""
    keys: set[str] = set()
    for command in SUBCOMMANDS:
        parser = _ParsingOnly(command, with_shipped_configs(list(words))).parser
        assert isinstance(parser, OneLineParser)
        keys |= {*parser.known_keys()}
    return keys


def build_stage(settings: Namespace) -> Stage:
    """Return the untrained stage that settings describe; dynamics know of no partner then.

    Raises:
        ConfigError: settings contradict each other.
    """
    model = settings.model.init_args.as_dict()
    if settings.data.frame_size is not None:
        model |= network_frame_size(model, settings.data.frame_size)
    return stage_class(settings.model)(**model)
