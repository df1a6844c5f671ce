"""What is asked of ``tinyworlds train``: the settings of a game, sorted by stage.

Settings go to all stages that know them; ``--dynamics.trainer.max_steps 500`` (or ``video_tokenizer.``,
``latent_actions.``) goes to one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyworlds.checkpoints.run_folder import default_run
from tinyworlds.errors import ConfigError, did_you_mean
from tinyworlds.fit.config_files import find_config, split_overlay
from tinyworlds.fit.messages import unknown_key
from tinyworlds.fit.words import check_words, option_pairs, with_joined_files
from tinyworlds.models.registry import STAGES


@dataclass(frozen=True)
class TrainRequest:
    """What ``tinyworlds train`` is asked to do.

    Attributes:
        game: a title, or the name of a game of the user's own.
        run: the run folder.
        fresh: train all stages again.
        arguments: for each stage, the words after ``tinyworlds fit``.
    """

    game: str
    run: Path
    fresh: bool
    arguments: dict[str, list[str]]


def make_request(
    game: str,
    settings: Sequence[str] = (),
    run: str | Path | None = None,
    overlays: Sequence[str] = (),
    fresh: bool = False,
) -> TrainRequest:
    """Sort the settings of a game by stage.

    Args:
        game: a title, or any name together with a setting ``--data.files``.
        settings: words for ``tinyworlds fit``; ``--dynamics.trainer.max_steps 500`` is for one stage.
        run: the run folder; by default the game's own.
        overlays: YAML files with settings over those of the game's configs.
        fresh: train all stages again.

    Raises:
        ConfigError: an unknown game or setting, or a missing value.
    """
    run = Path(run) if run else default_run(game)
    shared: list[tuple[str, str | None]] = []
    own: dict[str, list[str]] = {stage: [] for stage in STAGES}
    settings = with_joined_files(settings)
    check_words(settings)
    for key, value in option_pairs(settings):
        stage, _, rest = key.partition(".")
        _check_trains(rest if stage in STAGES else key, value)
        if stage in STAGES:
            own[stage] += _words(rest, value)
        else:
            shared.append((key, value))
    arguments = {}
    for stage in STAGES:
        base = _base_config(game, stage, [key for key, _ in shared])
        extra = [part for overlay in overlays for part in split_overlay(overlay, stage, run)]
        configs = [word for path in (*base, *extra) for word in ("--config", str(path))]
        arguments[stage] = configs
    for key, value in shared:
        for stage in _stages_knowing(key):
            arguments[stage] += _words(key, value)
    for stage in STAGES:  # last, so that they win over those for all
        arguments[stage] += own[stage]
    return TrainRequest(game, run, fresh, arguments)


_TRAIN_NOTHING = ("help", "h", "print_config", "trainer.fast_dev_run")


def _check_trains(key: str, value: str | None) -> None:
    """Raise a ConfigError for a setting with which `fit` ends well and leaves no trained network behind."""
    if key.split("=")[0] in _TRAIN_NOTHING and str(value).lower() not in ("false", "0"):
        raise ConfigError(
            f"--{key} trains nothing, so the next stage would find no network; it is for one stage alone: "
            f"tinyworlds fit --config FILE.yaml --{key}"
        )


def _words(key: str, value: str | None) -> list[str]:
    return [f"--{key}"] if value is None else [f"--{key}={value}"]


def _base_config(game: str, stage: str, keys: list[str]) -> list[Path]:
    """Return the shipped config of a stage, or the general one for a game of the user's own."""
    from games.registry import titles

    config = find_config(f"{game}_{STAGES[stage].config_suffix}.yaml")
    if config is not None:
        return [config]
    if "data.files" not in keys:
        raise ConfigError(
            f"game '{game}' is unknown.{did_you_mean(game, titles())} "
            "A game of your own needs its recording: --data.files FILE"
        )
    return [find_config(f"own_{STAGES[stage].config_suffix}.yaml", needed=True)]  # type: ignore[list-item]


def _stages_knowing(key: str) -> list[str]:
    """Return the stages that have a setting; all three unless it belongs to some networks only."""
    if not key.startswith("model."):
        return list(STAGES)
    from tinyworlds.fit.parser import settings_by_stage  # imports torch, which few calls need

    name = key.removeprefix("model.").removeprefix("init_args.")
    settings = settings_by_stage()
    stages = [stage for stage in STAGES if name in settings[stage]]
    if not stages:
        names = sorted({f"model.{each}" for names in settings.values() for each in names})
        raise ConfigError(unknown_key(key, names))
    return stages
