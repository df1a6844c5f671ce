"""What ``tinyworlds fit --help`` and its kin say: the settings of the stage that is meant, by use."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from tinyworlds.fit.own_classes import import_classes
from tinyworlds.fit.words import with_shipped_configs
from tinyworlds.models.registry import ALL_STAGES, STAGES, named, network_class
from tinyworlds.system.help import examples_text
from tinyworlds.training.settings import TrainingSettings
from tinyworlds.training.stages import Stage

_WHAT = {
    "fit": "Train one stage.",
    "validate": "Measure a stage on its validation split; nothing is trained.",
    "test": "Measure a stage on its test split, which no training looks at.",
    "predict": "Roll a world out from held-out clips: pictures, clips and metrics.",
}
_RUN = {
    "--config FILE": "the stage and its settings: configs/GAME_tokenizer.yaml, _latent_actions, _dynamics; "
    "later files and words count more",
    "--run DIR": "run folder (default: lightning_logs/GAME)",
    "--ckpt_path FILE": "go on from it or measure it: a file, last or best",
    "--seed_everything N": "of all that is drawn (default: 0)",
    "--tensorboard, --wandb, --scope": "log there, too; metrics.csv is always written",
}
_CHOSEN = {"--optimizer CLASS, --lr_scheduler CLASS": "PyTorch's or your own, in place of the stage's"}
_TRAINER = {
    "--trainer.max_steps N": "updates",
    "--trainer.max_time DD:HH:MM:SS": "or until then",
    "--trainer.precision P": "32-true, bf16-mixed, ...",
    "--trainer.accumulate_grad_batches N": "batches an update",
    "--trainer.devices N": "GPUs, or processes",
    "--checkpoint.every_n_steps N": "how often it is saved",
}
_PREDICT = {
    "--rollout.horizon N": "frames to roll out",
    "--rollout.num_steps N": "decoding steps a frame",
    "--rollout.action_source S": "actions: recorded, inferred or random",
}
_DATA = ("files", "batch_size", "num_frames", "frame_size", "fps", "task", "num_envs", "train_ratio")
_MODEL = (
    "preset", "architecture", "embed_dim", "num_blocks", "num_heads", "hidden_dim", "patch_size",
    "num_actions", "actions", "learning_rate", "optimizer", "warmup_fraction", "ema_decay",
    "label_share", "outcomes",
)  # fmt: skip
_WIDTH, _COLUMN = 100, 34


def help_text(command: str, argv: Sequence[str]) -> str:
    """Return the help of a command.

    Args:
        command: fit, validate, test or predict.
        argv: its words; a stage's name, a config or a class among them says which stage is meant.
    """
    stage = _stage_named(argv) or import_classes(with_shipped_configs(list(argv)))
    lines = [f"usage: tinyworlds {command} --config FILE [SETTINGS]", "", _WHAT[command]]
    lines += _section("the run", _RUN.items())
    lines += _section("training" if command == "fit" else "measuring", _trainer(command))
    if stage is None:
        names = ", ".join(spec.config_suffix for spec in ALL_STAGES.values())
        lines += ["", f"With a stage ({names}) or a config, its settings are listed, too:"]
        lines += [f"  tinyworlds {command} {STAGES['dynamics'].config_suffix} --help"]
    else:
        data = stage.datamodule_class or named(ALL_STAGES[stage.name].data)
        network = network_class(stage.name)
        lines += _section(f"{stage.name}: its data", _settings("data", _DATA, data))
        lines += _section(
            f"{stage.name}: the network and how it learns",
            _settings("model", _MODEL, stage, network, TrainingSettings),
        )
    lines += ["", *_rest(command), "", examples_text(_examples(command))]
    return "\n".join(lines)


def _stage_named(argv: Sequence[str]) -> type[Stage] | None:
    """The stage whose name is the only word; None where there are others."""
    if len(argv) != 1:
        return None
    specs = [spec for spec in ALL_STAGES.values() if argv[0] in (spec.name, spec.config_suffix)]
    return named(specs[0].module, "tinyworlds.training.stages") if specs else None


def _trainer(command: str) -> Iterator[tuple[str, str]]:
    if command == "fit":
        yield from {**_TRAINER, **_CHOSEN}.items()
    elif command == "predict":
        yield from _PREDICT.items()
    else:
        name = "val" if command == "validate" else "test"
        yield f"--trainer.limit_{name}_batches N", "batches at most; 1.0 takes all"


def _rest(command: str) -> list[str]:
    return [
        "All settings, those of Lightning's Trainer too:",
        f"  tinyworlds {command} --config FILE --help all",
        f"  tinyworlds {command} --config FILE --print_config     (as YAML, with their values)",
    ]


def _examples(command: str) -> list[str]:
    first = f"tinyworlds {command} --config configs/doom_tokenizer.yaml"
    if command == "fit":
        return [first + " --trainer.max_steps 500", "tinyworlds fit --config configs/dreamer_catch.yaml"]
    if command == "predict":
        return ["tinyworlds predict --config configs/doom_dynamics.yaml", first + " --ckpt_path best"]
    return [first, f"tinyworlds {command} --config configs/doom_dynamics.yaml --ckpt_path best"]


def _settings(group: str, most_used: Sequence[str], *kinds: Any) -> Iterator[tuple[str, str]]:
    """The most used settings of classes, with their defaults, then the names of the others."""
    from docstring_parser import parse

    parameters: dict[str, inspect.Parameter] = {}
    told: dict[str, str] = {}
    for kind in reversed(kinds):
        if kind is not TrainingSettings:  # which only tells what some of a stage's settings are
            parameters |= inspect.signature(kind).parameters
        docs = [parse(each.__doc__ or "") for each in inspect.getmro(kind) if each is not object]
        for doc in reversed(docs):
            params = [one for one in doc.params if one.args[0] == "param"]
            told |= {one.arg_name: " ".join((one.description or "").split()) for one in params}
    usual = [name for name in most_used if name in parameters]
    for name in usual:
        yield (
            f"--{group}.{name} {_kind(parameters[name])}",
            _first_sentence(told.get(name, ""), parameters[name]),
        )
    others = sorted({*parameters} - {*usual, "network", "agent", "settings", "training"})
    if others:
        yield "and", ", ".join(others)


def _kind(parameter: inspect.Parameter) -> str:
    return {bool: "true|false", int: "N", float: "X"}.get(type(parameter.default), "VALUE")


def _first_sentence(text: str, parameter: inspect.Parameter) -> str:
    said = text.replace("`", "").split(". ")[0].split("; ")[0].rstrip(".")
    said = said[:1].lower() + said[1:]
    default: Any = parameter.default
    known = default is not inspect.Parameter.empty and default is not None and "default" not in said
    return f"{said} (default: {default})".strip() if known else said


def _section(title: str, rows: Iterator[tuple[str, str]] | Any) -> list[str]:
    lines = ["", f"{title}:"]
    for option, text in rows:
        wrapped = textwrap.wrap(text, _WIDTH - _COLUMN) or [""]
        head = f"  {option}"
        if len(head) > _COLUMN - 2:
            lines.append(head)
            head = ""
        lines += [f"{head:<{_COLUMN}}{wrapped[0]}".rstrip(), *(" " * _COLUMN + line for line in wrapped[1:])]
    return lines
