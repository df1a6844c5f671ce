"""Words as shells hand them over: lists, patterns, repeats, left-overs, and files that are no settings."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import train

from tinyworlds.checkpoints.run_folder import game_of
from tinyworlds.commands.cli import main
from tinyworlds.errors import ConfigError
from tinyworlds.fit.config_files import with_short_base
from tinyworlds.fit.config_reading import read_settings
from tinyworlds.fit.train_request import make_request
from tinyworlds.fit.words import check_words, with_joined_files

_open = open
TWO = f"--data.files={json.dumps(['a.h5', 'b c.h5'])}"


@pytest.mark.parametrize(
    ("words", "joined"),
    [
        (["--data.files", "a.h5", "b c.h5", "--wandb"], [TWO, "--wandb"]),
        (["--data.files=a.h5", "b c.h5"], [TWO]),
        (["--data.files", "a.h5", "--x", "1", "--data.files", "b c.h5"], ["--x", "1", TWO]),
        (["--data.files=[a.h5, 'b c.h5']"], [TWO]),
        (["--data.files=[a.h5]", "--data.files", "b c.h5", "--x=1"], [TWO, "--x=1"]),
        (["--data.files", "a.h5"], ["--data.files=a.h5"]),
        (["--data.files", "[1].h5"], ["--data.files=[1].h5"]),
        (["--data.files=s3://bucket/a/"], ["--data.files=s3://bucket/a/"]),
        (["--data.files"], ["--data.files"]),
        (["--trainer.max_steps", "-1"], ["--trainer.max_steps", "-1"]),
    ],
)
def test_several_files(words: list[str], joined: list[str]) -> None:
    assert with_joined_files(words) == joined


def test_files_arrive_as_a_list(tmp_path: Path) -> None:
    words = ["--config", "own_tokenizer.yaml", TWO]
    assert read_settings(words).data.files == ["a.h5", "b c.h5"]
    request = make_request("mine", ["--data.files", "a.h5", "b c.h5", "--trainer.max_steps", "3"], tmp_path)
    assert all(TWO in words for words in request.arguments.values())


def test_shipped_configs_are_named_the_same_wherever_they_are_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a run would begin anew once its environment has moved: a stage is done if its words are the same."""
    in_the_clone = make_request("zelda", [], tmp_path).arguments
    monkeypatch.chdir(tmp_path)
    assert make_request("zelda", [], tmp_path).arguments == in_the_clone
    mine = make_request("mine", ["--data.files", "a.h5"], tmp_path).arguments
    assert [Path(words[1]).as_posix() for words in mine.values()] == [
        "configs/own_tokenizer.yaml", "configs/own_latent_actions.yaml", "configs/own_dynamics.yaml"
    ]  # fmt: skip
    assert read_settings(in_the_clone["dynamics"]).data.game == "zelda"


def test_home_is_expanded_in_files_of_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    config = tmp_path / "mine.yaml"
    config.write_text(
        "data: {files: [~/a.h5, b.h5]}\nrun: ~/run\ntrainer: {default_root_dir: ~/x}\n"
        "model: {class_path: DynamicsStage, init_args: {tokenizer: ~/t.ckpt}}\n"
    )
    found = read_settings(["--config", str(config)])
    assert found.data.files == [str(tmp_path / "a.h5"), "b.h5"]
    assert found.run == str(tmp_path / "run")
    assert found.trainer.default_root_dir == str(tmp_path / "x")
    assert found.model.init_args.tokenizer == str(tmp_path / "t.ckpt")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--a 1 --a 2", "--a is given twice: 2 counts, not 1"),
        ("--a=1 --b --a 2", "--a is given twice: 2 counts, not 1"),
        ("--a 1 --a=1", ""),
        ("--config a.yaml --config b.yaml -c c.yaml", ""),
        ("--trainer.callbacks+=A --trainer.callbacks.n=1 --trainer.callbacks+=B --trainer.callbacks.n=2", ""),
    ],
)
def test_the_last_of_two_is_not_taken_silently(
    words: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    check_words(words.split())
    assert capsys.readouterr().out.strip() == told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--trainer.max_steps 3 stray.h5", "'stray.h5' is left over: .*--data.files"),
        ("data/zelda1.h5", "'data/zelda1.h5' is left over: .*quotes"),
        ("--data x.h5", "--data takes settings; the gameplay file goes to --data.files"),
        ("--trainer=3", "--trainer takes settings; such as --trainer.max_steps 500"),
    ],
)
def test_words_in_the_wrong_place(words: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        check_words(words.split())


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ("data/zelda*.h5", "zelda1"), ("data/*", "pong"), (["data/z?lda2*.h5", "x.h5"], "zelda2"),
        ("nothing/zelda*_frames.h5", "zelda"), ("s3://bucket/zelda*.h5", "zelda"),
        ("data/pong_frames.h5", "pong"),
        ("my run.h5", "my run"), ("data/", "data"), (".", "HERE"), ("..", "ABOVE"), ("data/[1].h5", "[1]"),
        ("data/jeu-\udce9.h5", "jeu-"), ("a:b.h5", "a_b"), ("con.h5", "_con"), (None, "unnamed"),
    ],
)  # fmt: skip
def test_a_run_is_named_after_a_file(
    files: str | list[str] | None, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "ABOVE" / "HERE"
    (here / "data").mkdir(parents=True)
    monkeypatch.chdir(here)
    for file in ("zelda1_frames.h5", "zelda2_frames.h5", "pong_frames.h5", "[1].h5"):
        (here / "data" / file).touch()
    if files == "data/*":
        (here / "data" / "[1].h5").unlink()
    assert game_of(None, files) == name


BAD = {
    "utf16.yaml": "trainer: {max_steps: 3}".encode("utf-16"),
    "latin1.yaml": b"trainer: {max_steps: 3}  # caf\xe9",
    "picture.yaml": b"\x89PNG\r\n\x1a\n\0\0",
    "empty.yaml": b"",
    "comments.yaml": b"# nothing\n",
}


@pytest.mark.parametrize("name", BAD)
def test_a_config_that_holds_no_settings(
    name: str, tmp_path: Path, error_line: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(BAD[name])
    told = "is empty: it holds no setting" if name[0] in "ec" else "is no UTF-8 text but "
    assert f"{name} {told}" in error_line("fit", "--config", name, code=2)
    assert f"{name} {told}" in error_line("train", "pong", "--config", name, code=2)
    if name[0] not in "ec":
        assert f"{name} {told}" in error_line("fit", "--data", name, code=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


def open_in_cp1252(file: Any, mode: str = "r", *rest: Any, **more: Any) -> Any:
    """Open a file as Windows does."""
    if "b" not in mode and not rest and "encoding" not in more:
        more["encoding"] = "cp1252"
    return _open(file, mode, *rest, **more)


def test_configs_are_utf_8_whatever_the_machine_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, where files are opened in cp1252."""
    config, game = tmp_path / "mine.yaml", "\u0417\u0435\u043b\u044c\u0434\u0430"
    config.write_text(
        f"# {game}\nmodel: {{class_path: DynamicsStage, init_args: &a {{learning_rate: 1e-4}}}}\n"
        f"data: {{files: [{game}.h5, b.h5]}}\nrun: runs/{game}\n",
        encoding="utf-8-sig",
    )

    monkeypatch.setattr("builtins.open", open_in_cp1252)
    found = read_settings(["--config", str(config)])
    assert found.data.files == [f"{game}.h5", "b.h5"]
    assert found.run == f"runs/{game}"
    assert found.model.init_args.learning_rate == 1e-4


@pytest.mark.slow
def test_a_run_of_any_name_is_saved(tiny_h5: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    game = "\u0417\u0435\u043b\u044c\u0434\u0430"
    data = tiny_h5.rename(tmp_path / f"{game}_frames.h5")
    monkeypatch.setattr("builtins.open", open_in_cp1252)
    version = train("video_tokenizer", Path(data.name), Path("runs", game), "--trainer.max_steps=1")
    assert game in (version / "config.yaml").read_text(encoding="utf-8")
    assert main(["validate", "--config", str(version / "config.yaml"), "--trainer.limit_val_batches=1"]) == 0


def test_the_base_config_of_an_older_run_is_known_by_its_name_and_ones_own_stay() -> None:
    own = ["--config", "/home/me/configs/own_tokenizer.yaml"]
    assert with_short_base(["--config", "/opt/configs/own_tokenizer.yaml", *own]) == [
        "--config",
        str(Path("configs/own_tokenizer.yaml")),
        *own,
    ]
    for words in (["--config", "/opt/configs/mygame_tokenizer.yaml"], ["--config", "a.yaml", *own], []):
        assert with_short_base(words) == words
