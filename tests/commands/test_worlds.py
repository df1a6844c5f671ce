"""``tinyworlds worlds``, and which world a name means."""

import json
from pathlib import Path

import pytest
from tiny_worlds import tiny_world

from tinyworlds import shipped
from tinyworlds.api import World
from tinyworlds.checkpoints.titles import named_world
from tinyworlds.commands.cli import main
from tinyworlds.errors import MissingFileError
from tinyworlds.evaluation.run import default_folder
from tinyworlds.world.file import save_world


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with a world called doom, and an empty folder to stand in."""
    folder = tmp_path / "package"
    folder.mkdir()
    save_world(folder / "doom.world", tiny_world(), "half")
    monkeypatch.setattr(shipped, "_FOLDER", folder)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return folder


def test_ones_own_world_comes_before_the_one_of_the_package(package):
    told = []
    assert named_world("doom", told.append) == package / "doom.world"
    assert "comes with TinyWorlds" in told.pop()
    for file in ("lightning_logs/doom/a.world", "worlds/doom.world", "doom.world"):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).touch()
        assert named_world("doom", told.append) == Path(file)
        assert told.pop() == f"doom: your own world {Path(file)}"
    assert named_world("doom.world", told.append) == "doom.world"
    assert named_world("lightning_logs/doom", told.append) == "lightning_logs/doom"
    assert told == []  # who names a path knows which


def test_a_world_of_ones_own_needs_no_title(package):
    Path("mine.world").touch()
    assert named_world("mine", print) == Path("mine.world")


@pytest.mark.parametrize(
    ("named", "hint"),
    [("dooom", "Did you mean 'doom'"), ("mime", "Did you mean 'mine'"), ("doom.world", "is `doom`, without")],
)
def test_near_names_are_proposed(package, named, hint):
    Path("mine.world").touch()
    with pytest.raises(MissingFileError, match=hint) as caught:
        named_world(named)
    assert "\n" not in str(caught.value)


def test_a_name_is_loaded_and_played_at_once(package, capsys):
    assert World.load("doom").game == "tiny"
    assert main(["play", "doom", "--headless", "--keys", "left*3", "--out", "a.mp4"]) == 0
    assert "doom: the world that comes with TinyWorlds" in capsys.readouterr().out
    assert Path("a.mp4").is_file()
    assert sorted(path.name for path in package.iterdir()) == ["doom.world"]


def test_every_command_takes_the_name_and_leaves_the_package_alone(package, capsys):
    assert main(["actions", "doom", "--sheet", "none", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stored"]["action_names"]
    assert main(["actions", "doom"]) == 0
    assert Path("doom_actions.png").is_file()
    before = (package / "doom.world").read_bytes()
    assert main(["actions", "doom", "--name", "1=jump"]) == 0
    assert World.load("doom.world").action_names[1] == "jump"
    assert (package / "doom.world").read_bytes() == before
    assert [path.name for path in package.iterdir()] == ["doom.world"]


def test_a_world_of_ones_own_is_not_replaced_by_a_changed_one_of_the_package(package, error_line):
    Path("doom.world").write_bytes(b"mine")
    assert "lies here" in error_line("actions", str(package / "doom.world"), "--name", "1=jump")
    assert Path("doom.world").read_bytes() == b"mine"


def test_a_report_on_a_world_of_the_package_lies_here(package, tmp_path):
    assert default_folder(package / "doom.world") == Path("doom_evaluation")
    assert default_folder(tmp_path / "doom.world") == tmp_path / "doom_evaluation"


def test_the_list_names_all_and_a_damaged_one_hides_no_other(package, capsys):
    save_world("mine.world", tiny_world())
    Path("bad.world").write_bytes(b"nothing")
    assert main(["worlds"]) == 0
    told = capsys.readouterr().out
    assert "comes with TinyWorlds" in told
    assert "left" in told
    assert str(package / "doom.world") in told
    assert [line.split()[0] for line in told.splitlines() if "your own" in line] == ["bad", "mine"]
    assert main(["worlds", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == ["doom", "bad", "mine"]
    assert "error" in rows[1]
    assert rows[0]["frames"] == "16x16 at 15 fps"


def test_a_card_is_made_from_the_file(package, capsys):
    assert main(["worlds", "--card", "doom", "--out", "cards/doom.md"]) == 0
    page = Path("cards/doom.md").read_text(encoding="utf-8")
    assert "as half" in page
    assert "(doom.png)" in page
    assert Path("cards/doom.png").read_bytes().startswith(b"\x89PNG")
    assert main(["worlds", "--card", "dom"]) != 0
    assert "Did you mean 'doom'" in capsys.readouterr().err
    assert main(["worlds", "--out", "a.md"]) == 2


def test_keys_that_were_changed_in_play_go_to_a_copy(package):
    from types import SimpleNamespace

    from tinyworlds.play.launch import _store_keys
    from tinyworlds.world.keys import read_keys

    before = (package / "doom.world").read_bytes()
    world = World.load("doom")
    _store_keys([package / "doom.world"], world, SimpleNamespace(rebound={"x": 3}))
    assert read_keys(Path("doom.world")).key_map["x"] == 3
    assert (package / "doom.world").read_bytes() == before
    assert named_world("doom") == Path("doom.world")
