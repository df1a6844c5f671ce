"""What all commands have in common: help without torch, and one line for wrong words with the right ones."""

import contextlib
import subprocess
import sys

import pytest

from tinyworlds.commands.cli import COMMANDS, main
from tinyworlds.errors import ConfigError, MissingFileError

LIGHTNING = ("fit", "validate", "test", "predict")  # their options are those of Lightning and the networks

MISSPELT = {
    "quickstart": ("--gmae pong", "--game"),
    "record": ("pong --polcy random", "--policy"),
    "ingest": ("a.mp4 --game mine --skip-statik", "--skip_static"),
    "download": ("datasets --dry-rum", "--dry_run"),
    "inspect": ("a.h5 --sheat none", "--sheet"),
    "optimize": ("a.h5 --overwrit", "--overwrite"),
    "train": ("pong --model.num_blcks=3", "model.num_blocks"),
    "evaluate": ("a.world --num-clip 3", "--num_clips"),
    "runs": ("lightning_logs --outt x", "--out"),
    "episodes": ("--epsodes 3", "--episodes"),
    "export": ("run a.world --tokeniser x", "--tokenizer"),
    "actions": ("a.world --bnd left=1", "--bind"),
    "convert": ("a.pth b.ckpt --stge dynamics", "--stage"),
    "play": ("a.world --num_step 4", "--num_steps"),
    "worlds": ("--crad doom", "--card"),
    "bench": ("play --rouns 3", "--rounds"),
    "doctor": ("--timout 3", "--timeout"),
    "completion": ("bash --shel x", "--help"),
} | {name: ("--config pong_tokenizer.yaml --data.batch_siz 3", "data.batch_size") for name in LIGHTNING}

WRONG = {
    "quickstart --seed x": "--seed: invalid int value: 'x'",
    "quickstart pong": "'pong' is left over",
    "record": "required: ENV_ID",
    "record pong --crop 1 2": "--crop: expected 4 arguments",
    "record pong --size": "--size: expected one argument",
    "ingest a.mp4": "required: --game",
    "ingest --game mine": "required: PATH",
    "ingest a.mp4 --game mine --size 0": "--size: '0' is not above 0",
    "download world": "Did you mean 'worlds'?",
    "inspect": "required: FILE",
    "inspect a.h5 b.h5": "'b.h5' is left over",
    "optimize": "required: FILE",
    "train --run x": "needs a game first",
    "train pong --run": "--run: expected one argument",
    "train pong word": "'word' is left over",
    "evaluate": "required: RUN_OR_WORLD",
    "evaluate a.world --precision b16": "Did you mean 'bf16'?",
    "evaluate a.world --seed -1": "'-1' is no whole number from 0 on",
    "runs nowhere": "there is no nowhere",
    "episodes --episodes 0": "'0' is not above 0",
    "episodes --greedy --sample": "exclude each other",
    "export a.world": "name RUN and OUT.world",
    "export a.h5": "name an agent's RUN and the file to write",
    "actions": "required: WORLD",
    "actions a.world --by trth": "Did you mean 'truth'?",
    "convert a.pth": "name what to read and what to write",
    "convert a.pth b.pth --stage dynamic": "Did you mean 'dynamics'?",
    "play": "there is no world here; play one that comes along (doom, platformer, racing)",
    "play a.wrld": "there is no a.wrld",
    "completion bsh": "Did you mean 'bash'?",
    "play a.world --schedule cosin": "Did you mean 'cosine'?",
    "play a.world --window --browser": "not allowed with argument --window",
    "worlds doom": "'doom' is left over",
    "bench plya": "Did you mean 'play'?",
    "bench --rounds x": "--rounds: invalid int value: 'x'",
    "doctor --timeout 0": "'0' is not above 0",
    "doctor disk": "'disk' is left over",
    "fit": "name the stage to work on: --config configs/own_tokenizer.yaml",
    "fit --config pong_tokenizer.yaml --data.batch_size x": "data.batch_size: Expected a int",
    "fit --config pong_tokenizer.yaml --model.learning_rate x": "rate: Expected a float. Got value: x",
    "fit --config pong_dynamics.yaml --model.num_actions x": "num_actions: Expected a int. Got value: x",
    "fit --config dreamer_catch.yaml --model.entropy x": "model.entropy: Expected a float. Got value: x",
    "fit --config dreamer_catch.yaml --data.grey 7": "data.grey: Expected a bool. Got value: 7",
    "fit --config dreamer_catch.yaml --model.entrpy 1": "Did you mean 'model.entropy'?",
}


def test_no_command_is_left_out() -> None:
    assert {*MISSPELT} == {*COMMANDS} == {words.split()[0] for words in WRONG} | {*LIGHTNING}


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in LIGHTNING])
def test_help_needs_no_torch(name: str) -> None:
    code = """
import atexit, sys
from tinyworlds.commands.cli import main
atexit.register(lambda: print("loaded:", {"torch", "jsonargparse"} & {*sys.modules}))
sys.exit(main(sys.argv[1:]))
"""
    done = subprocess.run([sys.executable, "-c", code, name, "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: tinyworlds {name}")
    assert done.stdout.endswith("loaded: set()\n")
    assert not done.stderr


@pytest.mark.parametrize("name", LIGHTNING)
def test_help_of_lightning(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--config", "configs/doom_tokenizer.yaml", "--help", "all"]) == 0
    assert "--trainer.limit_val_batches" in capsys.readouterr().out


@pytest.fixture(autouse=True)
def usual_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 100 columns."""
    monkeypatch.setenv("COLUMNS", "100")


def lines_of_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    with contextlib.suppress(SystemExit):  # as argparse ends after its help
        assert main(words) == 0
    out, err = capsys.readouterr()
    assert not err
    return out.splitlines()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_can_be_read(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Short, in sections, two examples at the end, no markup; asked for in any of three ways."""
    lines = lines_of_help([name, "--help"], capsys)
    assert lines == lines_of_help(["help", name], capsys) == lines_of_help([name, "-h"], capsys)
    assert lines[0].startswith(f"usage: tinyworlds {name}")
    assert len(lines[0]) <= 100
    assert len(lines) <= 80
    assert max(map(len, lines)) <= 100
    assert lines[-3] == "examples:"
    assert all(line.startswith("  tinyworlds ") for line in lines[-2:])
    assert not [line for line in lines if "``" in line or "**" in line or ":class:" in line]
    titles = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert len(titles) >= 2 + (len(lines) > 45)


@pytest.mark.parametrize("name", LIGHTNING)
@pytest.mark.parametrize(
    ("stage", "config"),
    [
        ("tokenizer", "doom_tokenizer"),
        ("latent_actions", "doom_latent_actions"),
        ("dynamics", "doom_dynamics"),
        ("agent", "dreamer_catch"),
    ],
)
def test_the_help_of_a_stage_shows_its_settings(
    name: str, stage: str, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = lines_of_help([name, stage, "--help"], capsys)
    assert lines == lines_of_help([name, "--config", f"configs/{config}.yaml", "--help"], capsys)
    assert lines == lines_of_help(["help", name, stage], capsys)
    assert len(lines) <= 85
    assert max(map(len, lines)) <= 100
    assert any(line.strip().startswith("--model.learning_rate") for line in lines)
    assert any(line.strip().startswith("--data.") for line in lines)
    assert "--model.num_blocks" in " ".join(lines) or stage == "agent"


def test_train_with_a_game_tells_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert lines_of_help(["train", "doom", "--help"], capsys) == lines_of_help(["help", "train"], capsys)


@pytest.mark.parametrize(("name", "words", "right"), [(name, *case) for name, case in MISSPELT.items()])
def test_a_misspelt_option(name: str, words: str, right: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal([name, *words.split()], capsys).count(f"Did you mean '{right}'?") == 1


@pytest.mark.parametrize(("words", "told"), WRONG.items())
def test_wrong_words(words: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert told in refusal(words.split(), capsys)


def refusal(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that says why a command did nothing."""
    assert main(argv) in (ConfigError.exit_code, MissingFileError.exit_code)
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err
