"""Options are taken as people type them, by every parser alike."""

import argparse
from collections.abc import Sequence

import pytest

from tinyworlds.commands import episodes, export, play
from tinyworlds.errors import ConfigError
from tinyworlds.system.options import OptionParser, call, parser_of


def parsed(words: str) -> argparse.Namespace:
    parser = OptionParser("test")
    parser.add_argument("paths", nargs="*")
    group = parser.add_argument_group("a section")
    group.add_argument("--num_clips", type=int, default=16)
    group.add_argument("--tune", action="store_true")
    group.add_argument("--no_graphs", action="store_false", dest="graphs")
    group.add_argument("--data", nargs="+", action="extend")
    group.add_argument("--task", nargs="+")
    return parser.parse_intermixed_args(words.split())


@pytest.mark.parametrize("words", ["--num-clips 3", "--num_clips 3", "--num-clips=3", "--num_clips=3"])
def test_dashes_and_underscores(words: str) -> None:
    assert parsed(words).num_clips == 3


@pytest.mark.parametrize(
    ("words", "tune"),
    [
        ("", False),
        ("--tune", True),
        ("--tune true", True),
        ("--tune=true", True),
        ("--tune false", False),
        ("--no_tune", False),
        ("--no-tune", False),
        ("--tune --no_tune", False),
        ("--no-tune --tune", True),
        ("--no_tune false", True),
    ],
)
def test_a_switch(words: str, tune: bool) -> None:
    assert parsed(words).tune is tune
    assert parsed(f"{words} a b").paths == ["a", "b"]


@pytest.mark.parametrize(
    ("words", "graphs"),
    [
        ("", True),
        ("--no-graphs", False),
        ("--graphs", True),
        ("--graphs=false", False),
        ("--no_graphs false", True),
    ],
)
def test_a_switch_that_turns_off(words: str, graphs: bool) -> None:
    assert parsed(words).graphs is graphs


@pytest.mark.parametrize("name", ["data", "task"])
@pytest.mark.parametrize("words", ["--{0} a b", "--{0} a --{0} b", "--{0}=[a,b]", "--{0} [a,b]"])
def test_a_list(name: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert getattr(parsed(words.format(name)), name) == ["a", "b"]
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--tune=maybe", "--tune takes true or false, not 'maybe'"),
        ("--tun true", "--tun is no option"),
        ("--no_data", "--no_data is no option"),
    ],
)
def test_what_is_no_switch(words: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parsed(words)


def test_options_of_a_function() -> None:
    def command(file: str, fresh: bool = False, keep: bool = True, names: list[str] | None = None) -> object:
        return file, fresh, keep, names

    def given(words: str) -> object:
        return call(command, words.split(), "test")

    assert given("a --fresh true --keep=false --names=[x,y]") == ("a", True, False, ["x", "y"])
    assert given("--no-keep --names x --names y --no-fresh a") == ("a", False, False, ["x", "y"])


@pytest.mark.parametrize(
    ("main", "words", "name", "value"),
    [
        (play.main, ["--headless", "true"], "headless", True),
        (play.main, ["--headless", "--no-headless"], "headless", False),
        (play.main, ["--num-steps", "2"], "num_steps", 2),
        (play.main, ["--compile", "true"], "compile", True),
        (play.main, ["--compile=false"], "compile", None),
        (play.main, ["--cuda-graphs=false"], "cuda_graphs", False),
        (export.main, ["--tune=false"], "tune", False),
        (episodes.main, ["--output", "videos"], "out", "videos"),
        (episodes.main, ["--checkpoint", "a", "--checkpoint", "b"], "checkpoint", ["a", "b"]),
    ],
)
def test_real_commands(main: object, words: Sequence[str], name: str, value: object) -> None:
    parsed = parser_of(main).parse_intermixed_args(words)  # type: ignore[arg-type]
    assert getattr(parsed, name) == value
