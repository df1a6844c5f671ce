"""What a stranger's world calls itself and its actions is shown as text; no default file lies elsewhere."""

import os
from pathlib import Path

import pytest
from tiny_worlds import change, tiny_world

from tinyworlds import World
from tinyworlds.commands.cli import main
from tinyworlds.evaluation.report import Report
from tinyworlds.play.browser.messages import world_text
from tinyworlds.world.file import save_world

GAMES = (
    "../../x",
    "/tmp/hostile",
    "C:\\x",
    "CON",
    "x.",
    "\x1b]0;t\x07",
    "a\u202eb",
    "a\nb",
    "~",
    "a/b",
    "\0",
    "x" * 5000,
)


@pytest.mark.parametrize("game", GAMES, ids=lambda name: ascii(name)[:20])
def test_files_of_play_stay_in_the_folder(game, tmp_path, monkeypatch, capsys):
    here = tmp_path / "a" / "b" / "here"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    path = save_world(here / "stranger.world", tiny_world())
    names = [f"jump{game[:50]}", "<img src=x onerror=alert(1)>"]
    change(path, game=game, action_names=names, key_map={game[:50]: 1, "left": 1})
    assert main(["play", str(path), "--headless", "--keys", "left*3", "--record"]) == 0
    inside = sorted(str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file())
    assert all(file.startswith(os.path.join("a", "b", "here")) for file in inside), inside
    assert [Path(file).suffix for file in inside if "_play" in file] == [".mp4"]
    assert not Path("/tmp/hostile_play.mp4").exists()
    said = capsys.readouterr()
    assert all(char.isprintable() or char == "\n" for char in said.out + said.err)


def test_windows_pages_and_reports_show_names_as_text(tmp_path):
    path = save_world(tmp_path / "stranger.world", tiny_world())
    name = "\x1b[2J<img src=x>\u202e\n![x](http://x)|"
    change(path, game=name, action_names=[name, name])
    world = World.load(path)
    for text in (world.game, *world.action_names, world_text(world.game, 15.0, world.action_names, {})):
        assert text.isprintable(), text
    told = {"game": world.game, "data": name, "true_action_names": [name], "confusion": [[1]]}
    report = Report({}, "pressed", 1, 1, [1.0], {}, {}, pressed_as={name: 1}, action_shares=[1.0], **told)
    text = report.to_markdown()
    assert "<img" not in text
    assert "![x]" not in text
    assert all(char.isprintable() or char == "\n" for char in text)
