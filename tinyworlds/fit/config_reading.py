"""What ``tinyworlds fit`` would do with some words, without doing it."""

from __future__ import annotations

from collections.abc import Sequence

from jsonargparse import Namespace

from tinyworlds.data import H5DataModule
from tinyworlds.fit.cli import TRAINER_DEFAULTS, StageCLI, hush_parser
from tinyworlds.fit.parser import OneLineParser
from tinyworlds.fit.resolve import share_frame_size, stage_class
from tinyworlds.fit.words import config_files_in, with_shipped_configs
from tinyworlds.training.stages import Stage


class _ParsingOnly(StageCLI):
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
    hush_parser()
    argv = with_shipped_configs(list(words))
    _ParsingOnly.config_files = config_files_in(argv)
    cli = _ParsingOnly(
        Stage,
        H5DataModule,
        subclass_mode_model=True,
        parser_class=OneLineParser,
        auto_configure_optimizers=False,
        save_config_callback=None,
        seed_everything_default=False,
        trainer_defaults=dict(TRAINER_DEFAULTS),
        args=["fit", *argv],
    )
    return cli.config["fit"]


def build_stage(settings: Namespace) -> Stage:
    """Return the untrained stage that settings describe; dynamics know of no partner then.

    Raises:
        ConfigError: settings contradict each other.
    """
    if settings.data.frame_size is not None:
        share_frame_size(settings, settings.model.init_args)
    return stage_class(settings.model)(**settings.model.init_args.as_dict())
