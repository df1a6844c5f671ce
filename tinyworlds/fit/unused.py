"""Settings that were asked for and change nothing: each is told, none is dropped in silence.

A config file is for all four commands, so what one of them does not need is no word there. On the command
line it is a mistake, or an expectation that is not met.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from jsonargparse import Namespace

from tinyworlds.fit.own_classes import as_settings
from tinyworlds.fit.words import option_pairs, settings_in
from tinyworlds.training.stages import Stage

_FIT, _MEASURED = ("fit",), ("fit", "validate", "test")
_ALL = (*_MEASURED, "predict")

_TRAINING = (
    "learning_rate", "weight_decay", "warmup_fraction", "final_fraction", "optimizer", "beta2", "ema_decay",
    "cache_codes", "beta1", "clip", "warmup_steps", "imagined_steps", "lam", "free_nats", "entropy",
    "dynamics_scale", "representation_scale", "slow_scale", "replay_scale", "slow_rate", "cuda_graphs",
)  # fmt: skip

HEEDED: tuple[tuple[str, tuple[str, ...]], ...] = (
    *((f"model.{name}", _FIT) for name in _TRAINING),
    ("model*", _ALL),
    ("optimizer*", _FIT),
    ("lr_scheduler*", _FIT),
    ("checkpoint*", _FIT),
    ("rollout*", ("predict",)),
    ("data.steps_per_epoch", _FIT),
    *((f"data.{name}", _FIT) for name in ("num_envs", "train_ratio", "length", "capacity", "prefill")),
    ("data.max_env_steps", _FIT),
    ("data.eval_episodes", _MEASURED),
    ("data.predict_frames", ("predict",)),
    ("data*", _ALL),
    *((f"trainer.{name}", _FIT) for name in ("max_*", "min_*", "limit_train_batches", "val_check_interval")),
    *((f"trainer.{name}", _FIT) for name in ("check_val_every_n_epoch", "num_sanity_val_steps")),
    *((f"trainer.{name}", _FIT) for name in ("accumulate_grad_batches", "gradient_clip_*", "detect_anomaly")),
    *((f"trainer.{name}", _FIT) for name in ("enable_checkpointing", "log_every_n_steps")),
    *((f"trainer.{name}", _FIT) for name in ("enable_model_summary", "reload_dataloaders_every_n_epochs")),
    ("trainer.limit_val_batches", ("fit", "validate")),
    ("trainer.overfit_batches", ("fit", "validate")),
    ("trainer.limit_test_batches", ("test",)),
    ("trainer.limit_predict_batches", ("predict",)),
    ("trainer.inference_mode", ("validate", "test", "predict")),
    ("trainer.default_root_dir", ()),
    ("trainer", _ALL),
    *((f"trainer.{name}", _ALL) for name in ("accelerator", "strategy", "devices", "num_nodes", "precision")),
    *((f"trainer.{name}", _ALL) for name in ("logger", "callbacks", "fast_dev_run", "enable_progress_bar")),
    *((f"trainer.{name}", _ALL) for name in ("deterministic", "benchmark", "use_distributed_sampler")),
    *((f"trainer.{name}", _ALL) for name in ("profiler", "barebones", "plugins", "sync_batchnorm")),
    *((f"trainer.{name}", _ALL) for name in ("enable_autolog_hparams", "model_registry")),
    *((name, _MEASURED) for name in ("wandb", "tensorboard", "scope", "pictures")),
    *((name, _FIT) for name in ("find_batch_size", "follow_cores")),
    *((name, _ALL) for name in ("seed_everything", "run", "compile", "ckpt_path")),
    ("weights_only", ()),
    ("verbose", ("validate", "test")),
    ("return_predictions", ("predict",)),
)
"""Which commands a setting changes anything for; the first pattern that fits counts. Each has one."""

_INSTEAD = {
    "trainer.default_root_dir": "everything goes to the run folder, --run",
    "weights_only": "checkpoints are always read as plain data",
}


@dataclass(frozen=True)
class Asked:
    """Settings that somebody wrote down, by dotted name and without ``init_args``.

    Attributes:
        here: those on the command line, with their values.
        in_files: those in configs.
    """

    here: Mapping[str, Any] = field(default_factory=dict)
    in_files: Mapping[str, Any] = field(default_factory=dict)

    def both(self) -> dict[str, Any]:
        """All of them; the command line counts more."""
        return {**self.in_files, **self.here}


def asked_settings(words: Sequence[str]) -> Asked:
    """Return what the words of a command set, themselves and by the configs in them."""
    here: dict[str, Any] = {}
    in_files: dict[str, Any] = {}
    for key, value in option_pairs(words):
        if key == "config":
            in_files |= _flat("", settings_in(value or ""))
        elif not key.startswith(("print_config", "help")) and not key.endswith(".help"):
            here |= _flat(key.rstrip("+"), as_settings(key, value))
    return Asked(here, in_files)


def commands_of(setting: str) -> tuple[str, ...]:
    """Return the commands that a setting changes anything for.

    Raises:
        KeyError: nobody has said so of a setting of that name.
    """
    for pattern, commands in HEEDED:
        if fnmatchcase(setting, pattern):
            return commands
    raise KeyError(setting)


def of_no_effect(asked: Asked, command: str, stage: type[Stage], config: Namespace) -> Iterator[str]:
    """Yield a line for each kind of setting that is asked for and changes nothing.

    Args:
        asked: what was written down.
        command: one of the four.
        stage: that it is about.
        config: all settings.
    """
    yield from _of_other_commands(asked.here, command, stage)
    if command != "fit":
        return
    yield from _replaced(asked.both(), stage, config)
    trainer = config.trainer
    if str(trainer.get("strategy")).startswith("fsdp") and config.pictures:
        yield "--pictures: none are drawn with trainer.strategy fsdp, where no process has all weights"
    saving = [name for name in asked.here if name.startswith("checkpoint.")]
    logging = [name for name in ("wandb", "tensorboard", "scope") if config.get(name)]
    if trainer.get("fast_dev_run") and (saving or logging):
        names = _options([*saving, *logging])
        yield f"{names}: no effect with trainer.fast_dev_run, which logs and saves nothing"
    elif trainer.get("enable_checkpointing") is False and saving:
        yield f"{_options(saving)}: no effect with trainer.enable_checkpointing false"


def _of_other_commands(here: Mapping[str, Any], command: str, stage: type[Stage]) -> Iterator[str]:
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in here:
        try:
            heeded = commands_of(name)
        except KeyError:
            continue  # the parser has said that there is no such setting
        if name in _INSTEAD:
            yield f"--{name}: no effect, {_INSTEAD[name]}"
        elif command not in heeded:
            groups.setdefault(heeded, []).append(name)
    for heeded, names in groups.items():
        yield f"{_options(names)}: no effect on {command}, only on {', '.join(heeded)}"
    rolls_out = stage.prepare_predict is not Stage.prepare_predict
    if command == "predict" and not rolls_out and (names := [n for n in here if n.startswith("rollout.")]):
        yield f"{_options(names)}: no effect on predict of {stage.name}, which rolls nothing out"


def _replaced(asked: Mapping[str, Any], stage: type[Stage], config: Namespace) -> Iterator[str]:
    """A line for settings of a stage's own optimizer and schedule, where others are named."""
    option = next((name for name in ("optimizer", "lr_scheduler") if config.get(name)), None)
    names = [f"model.{name}" for name in stage.counts_no_more[option]] if option else []
    if option is None or not (names := [name for name in names if name in asked]):
        return
    named = str(config[option].class_path).rpartition(".")[2]
    line = f"--{option} {named}: {', '.join(names)} no longer {'count' if len(names) > 1 else 'counts'}"
    if option == "optimizer":
        line += "; the rate is that of --optimizer.lr"
        line += "" if config.get("lr_scheduler") else ", constant without --lr_scheduler"
    yield line


def _options(names: Sequence[str]) -> str:
    return ", ".join(f"--{name}" for name in names)


def _flat(key: str, value: Any) -> dict[str, Any]:
    name = key.replace(".init_args", "").removesuffix(".class_path")
    if not isinstance(value, dict) or not value:
        return {name: value}
    found: dict[str, Any] = {}
    for each, inner in value.items():
        found |= _flat(f"{key}.{each}" if key else str(each), inner)
    return {each.removeprefix("."): inner for each, inner in found.items()}
