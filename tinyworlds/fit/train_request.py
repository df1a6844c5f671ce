"""What is asked of ``tinyworlds train``: the settings of a game, sorted by stage.

Settings go to all stages that know them; ``--dynamics.trainer.max_steps 500`` (or ``video_tokenizer.``,
``latent_actions.``) goes to one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyworlds.checkpoints.run_folder import default_run
from tinyworlds.errors import ConfigError, did_you_mean
from tinyworlds.fit.config_files import find_config, has_configs, short_name, split_overlay
from tinyworlds.fit.known_settings import listed_settings
from tinyworlds.fit.messages import unknown_key
from tinyworlds.fit.words import check_words, option_pairs, with_joined_files
from tinyworlds.models.registry import STAGES
from tinyworlds.system.documents import read_yaml

OWN_MINUTES = 30.0
"""For a game of the user's own, unless the settings say how long to train."""


@dataclass(frozen=True)
class TrainRequest:
    """What ``tinyworlds train`` is asked to do.

    Attributes:
        game: a title, or the name of a game of the user's own.
        run: the run folder.
        fresh: train all stages again.
        arguments: for each stage, the words after ``tinyworlds fit``; the first two name its base config.
        minutes: for everything, by a plan for this machine; None where the settings say how long.
        before_s: seconds of these minutes that are gone already.
        after_s: seconds of them to keep for what follows; None for choosing how codes are drawn.
    """

    game: str
    run: Path
    fresh: bool
    arguments: dict[str, list[str]]
    minutes: float | None = None
    before_s: float = 0.0
    after_s: float | None = None

    def with_words(self, words: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """Return the arguments with a plan's words; of these only the base config counts less."""
        return {stage: [*own[:2], *words[stage], *own[2:]] for stage, own in self.arguments.items()}


def make_request(
    game: str,
    settings: Sequence[str] = (),
    run: str | Path | None = None,
    overlays: Sequence[str] = (),
    fresh: bool = False,
    minutes: float | None = None,
) -> TrainRequest:
    """Sort the settings of a game by stage.

    Args:
        game: a title, or any name together with a setting ``--data.files``.
        settings: words for ``tinyworlds fit``; ``--dynamics.trainer.max_steps 500`` is for one stage.
        run: the run folder; by default the game's own.
        overlays: YAML files with settings over those of the game's configs.
        fresh: train all stages again.
        minutes: plan for so long; None does so for a game of the user's own whose settings do not say.

    Raises:
        ConfigError: an unknown game or setting, a missing value, or two settings say how long.
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
    minutes = _minutes(game, settings, overlays, minutes)
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
    return TrainRequest(game, run, fresh, arguments, minutes)


def needed_stages(words: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the stages that a training with these words needs, in order.

    Dynamics that are told the recorded actions, or none, ask no action model.

    Args:
        words: by stage, those of ``tinyworlds fit``.
    """
    said = [value for key, value in option_pairs(words["dynamics"]) if key == "model.actions"]
    is_told = bool(said) and said[-1] in ("labels", "none")
    return [stage for stage, spec in STAGES.items() if not (is_told and spec.optional)]


_HOW_LONG = ("max_steps", "max_epochs", "max_time")


def _minutes(
    game: str, settings: Sequence[str], overlays: Sequence[str], minutes: float | None
) -> float | None:
    """Return the minutes to plan for; None where configs or settings say how long.

    Raises:
        ConfigError: they do, and minutes are given as well.
    """
    said = [f"--{key}" for key, _ in option_pairs(settings) if _is_how_long(key)]
    said += [overlay for overlay in overlays if Path(overlay).is_file() and _says_how_long(overlay)]
    if minutes is None:
        return None if said or has_configs(game) else OWN_MINUTES
    if said:
        raise ConfigError(f"--minutes {minutes:g} and {said[0]} both say how long to train: leave one out")
    return minutes


def _is_how_long(key: str) -> bool:
    stage, _, rest = key.partition(".")
    return (rest if stage in STAGES else key) in {f"trainer.{name}" for name in _HOW_LONG}


def _says_how_long(overlay: str) -> bool:
    content = read_yaml(overlay)
    parts = [content, *(content.get(stage) for stage in STAGES)]
    trainers = [part["trainer"] for part in parts if isinstance(part, dict) and "trainer" in part]
    return any(name in trainer for trainer in trainers if isinstance(trainer, dict) for name in _HOW_LONG)


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
        return [short_name(config)]
    if "data.files" not in keys:
        raise ConfigError(
            f"game '{game}' is unknown.{did_you_mean(game, titles())} "
            "A game of your own needs its recording: --data.files FILE"
        )
    return [Path("configs") / f"own_{STAGES[stage].config_suffix}.yaml"]


_NO_CLASSES = ("trainer", "checkpoint", "rollout")
"""Groups whose settings are the same whatever is trained."""


def _check_known(key: str) -> None:
    """Raise a ConfigError for a setting that no stage has, before the first one is started."""
    group, _, name = key.partition(".")
    if group in _NO_CLASSES and name and "." not in name and key not in (known := listed_settings()):
        raise ConfigError(unknown_key(key, known))


def _stages_knowing(key: str) -> list[str]:
    """Return the stages that have a setting; all three unless it belongs to some networks only."""
    if not key.startswith("model."):
        _check_known(key)
        return list(STAGES)
    from tinyworlds.fit.parser import settings_by_stage  # imports torch, which few calls need

    name = key.removeprefix("model.").removeprefix("init_args.")
    settings = settings_by_stage()
    stages = [stage for stage in STAGES if name in settings[stage]]
    if not stages:
        names = sorted({f"model.{each}" for names in settings.values() for each in names})
        raise ConfigError(unknown_key(key, names))
    return stages
