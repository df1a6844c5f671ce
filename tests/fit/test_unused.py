"""No setting is dropped in silence: each counts for a command, or a line says that it does not."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import train, words

from tinyworlds.commands.cli import main
from tinyworlds.dreamer.stage import DreamerStage
from tinyworlds.fit.config_reading import _ParsingOnly
from tinyworlds.fit.parser import model_keys
from tinyworlds.fit.subcommands import SUBCOMMANDS
from tinyworlds.fit.unused import HEEDED, Asked, asked_settings, commands_of, of_no_effect
from tinyworlds.fit.words import with_shipped_configs
from tinyworlds.training.stages import DynamicsStage, Stage, VideoTokenizerStage

AGENT = ["--model", "DreamerStage"]


class _Settings(_ParsingOnly):
    """Asks the parser of a command what settings there are."""

    def parse_arguments(self, parser, args):
        kinds = ("_HelpAction", "ActionConfigFile", "_ActionPrintConfig", "_ActionHelpClassPath")
        (own,) = self._subcommand_parsers.values()
        self.found = {action.dest for action in own._actions if type(action).__name__ not in kinds}
        raise InterruptedError


@cache
def all_settings() -> dict[str, set[str]]:
    """The settings of each command, of all stages."""
    found = {name: {f"model.{key}" for key in model_keys()} for name in SUBCOMMANDS}
    for name, argv in product(SUBCOMMANDS, ([], AGENT)):
        cli = _Settings.__new__(_Settings)
        with pytest.raises(InterruptedError):
            cli.__init__(name, argv)
        found[name] |= cli.found
    return found


def settings_of(command: str) -> list[str]:
    return sorted(all_settings()[command])


def parsed(argv: list[str]) -> Any:
    return _ParsingOnly("fit", with_shipped_configs(argv)).config["fit"]


@pytest.mark.parametrize("command", SUBCOMMANDS)
def test_every_setting_of_every_command_counts_or_is_told(command: str) -> None:
    config = parsed(["--config", "pong_dynamics.yaml"])
    silent = []
    for name in settings_of(command):
        lines = [*of_no_effect(Asked({name: "x"}), command, DynamicsStage, config)]
        counts = command in commands_of(name)
        assert len(lines) == (0 if counts else 1), (name, lines)
        assert counts or f"--{name}: no effect" in lines[0]
        silent += [name] if counts else []
    told = {*settings_of(command)} - {*silent}
    expected = {
        "fit": {"rollout.horizon", "trainer.limit_test_batches", "trainer.default_root_dir", "weights_only"},
        "validate": {
            "trainer.max_steps",
            "checkpoint.keep",
            "model.learning_rate",
            "optimizer",
            "rollout.seed",
        },
        "test": {"trainer.limit_val_batches", "find_batch_size", "data.steps_per_epoch", "lr_scheduler"},
        "predict": {"wandb", "tensorboard", "scope", "pictures", "trainer.val_check_interval"},
    }
    assert expected[command] <= told
    assert {"data.files", "model.num_blocks", "trainer.precision", "seed_everything", "run"} <= {*silent}


def test_the_table_has_no_line_for_what_is_not_there() -> None:
    known = {name for command in SUBCOMMANDS for name in settings_of(command)}
    for pattern, _ in HEEDED:
        assert any(fnmatchcase(name, pattern) for name in known), pattern


def test_a_setting_that_nobody_classified_fails_here() -> None:
    with pytest.raises(KeyError):
        commands_of("trainer.something_new")


def test_one_line_for_each_kind(tiny_h5: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train("video_tokenizer", tiny_h5, tmp_path, "--trainer.max_steps=1", "--rollout.horizon=3")
    assert "--rollout.horizon: no effect on fit, only on predict\n" in capsys.readouterr().out
    more = ["--trainer.max_steps=9", "--checkpoint.keep=2", "--rollout.horizon=3", "--weights_only=true"]
    assert main(["validate", *words("video_tokenizer", tiny_h5, tmp_path, *more)]) == 0
    out = capsys.readouterr().out
    assert (
        "--trainer.log_every_n_steps, --trainer.max_steps, --checkpoint.keep: no effect on validate, only "
        "on fit" in out
    )
    assert "--rollout.horizon: no effect on validate, only on predict" in out
    assert "--weights_only: no effect, checkpoints are always read as plain data" in out
    assert (
        main(["predict", *words("video_tokenizer", tiny_h5, tmp_path, "--rollout.horizon=3", "--wandb")]) == 0
    )
    out = capsys.readouterr().out
    assert "--rollout.horizon: no effect on predict of video_tokenizer, which rolls nothing out" in out
    assert "--pictures, --wandb: no effect on predict, only on fit, validate, test" in out
    assert not [*tmp_path.rglob("wandb")], "and nothing was begun there"


def lines_of(argv: list[str], command: str = "fit", stage: type[Stage] = VideoTokenizerStage) -> list[str]:
    return [*of_no_effect(asked_settings(with_shipped_configs(argv)), command, stage, parsed(argv))]


def test_what_one_setting_takes_from_others() -> None:
    base = ["--config", "pong_tokenizer.yaml"]
    (line,) = lines_of([*base, "--trainer.fast_dev_run=1", "--wandb", "--tensorboard", "--checkpoint.keep=1"])
    assert line.startswith("--checkpoint.keep, --wandb, --tensorboard: no effect with trainer.fast_dev_run")
    (line,) = lines_of([*base, "--trainer.enable_checkpointing=false", "--checkpoint.keep=1"])
    assert line == "--checkpoint.keep: no effect with trainer.enable_checkpointing false"
    (line,) = lines_of([*base, "--trainer.strategy=fsdp"])
    assert line.startswith("--pictures: none are drawn with trainer.strategy fsdp")
    assert lines_of(base) == []


def test_a_config_is_for_all_commands(tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text(
        "trainer: {max_steps: 3}\nrollout: {horizon: 4}\nmodel: {init_args: {learning_rate: 0.1}}\n"
    )
    asked = asked_settings(["--config", str(config), "--trainer", '{"max_epochs": 2}'])
    assert {"trainer.max_steps", "rollout.horizon", "model.learning_rate"} <= {*asked.in_files}
    assert asked.here == {"trainer.max_epochs": 2}


def test_the_settings_of_an_agents_optimizer_are_told() -> None:
    argv = [*AGENT, "--data.task=catch", "--optimizer=Adam", "--model.clip=0.1", "--model.entropy=0.1"]
    (line,) = lines_of(argv, stage=DreamerStage)
    assert line.startswith("--optimizer Adam: model.clip no longer counts")


@pytest.mark.slow
def test_wandb_of_the_user_is_not_begun_twice(
    tiny_h5: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "disabled")
    mine = ["--trainer.logger=WandbLogger", f"--trainer.logger.save_dir={tmp_path}", "--wandb"]
    train("video_tokenizer", tiny_h5, tmp_path / "run", "--trainer.max_steps=1", *mine)
    wandb.finish()
    assert "--wandb: trainer.logger names a W&B logger, which is used instead" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flag", "extra"), [("--wandb", "wandb"), ("--tensorboard", "tensorboard"), ("--scope", "scope")]
)
def test_a_package_that_is_missing_is_named_with_its_extra(
    flag: str, extra: str, tiny_h5: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, error_line: Callable[..., str],
) -> None:  # fmt: skip
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == extra else found(name, *more)
    )
    line = error_line("fit", *words("video_tokenizer", tiny_h5, tmp_path / "run", flag), code=1)
    assert f'pip install "tinyworlds[{extra}]"' in line
    assert not (tmp_path / "run" / "video_tokenizer").exists()
