"""`tinyworlds play` and `python -m games.<title>` as people type them, with a fake world."""

import dataclasses
import re
import sys
import time
import types
from pathlib import Path

import cv2
import pytest
from fake_game import FakeGame
from fake_world import FakeWorld
from PIL import Image
from small_worlds import random_world
from tiny_worlds import tiny_world

from tinyworlds.api import World
from tinyworlds.commands import play as cli
from tinyworlds.errors import ConfigError, DisplayError, MissingFileError, StorageError
from tinyworlds.keys import KeyBinding, KeyEvent
from tinyworlds.play import launch, opening
from tinyworlds.play.session_log import SessionLog
from tinyworlds.world.file import save_world

PONG = types.SimpleNamespace(name="pong", title="Pong", public_file="")


pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture(autouse=True)
def files(here):
    """What lies where a fake world is opened."""
    for name in ("fake", "a", "b", "c", "x"):
        (here / f"{name}.world").touch()


@pytest.fixture
def world(monkeypatch):
    world = FakeWorld(fps=15)
    monkeypatch.setattr(opening, "load", lambda *_: world)
    return world


def test_headless_writes_a_clip(world, here, capsys):
    assert cli.main(["fake.world", "--headless", "--keys", "left*5 right*3", "--out", "clips/a.mp4"]) == 0
    clips = list((here / "clips").iterdir())
    assert len(clips) == 1
    video = cv2.VideoCapture(str(clips[0]))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 9
    assert (video.get(cv2.CAP_PROP_FRAME_WIDTH), video.get(cv2.CAP_PROP_FPS)) == (512, 15)
    assert str(clips[0].name) in capsys.readouterr().out


def test_headless_names_keys_that_do_nothing(world, here, capsys):
    assert cli.main(["fake.world", "--headless", "--keys", "left q x*2 p p"]) == 0
    assert "note: q, x do nothing" in capsys.readouterr().err
    assert list(here.glob("fake_play.*"))


def test_what_was_not_found_is_said(here, capsys):
    one = random_world()
    one.info = dataclasses.replace(one.info, true_actions={"left": 1, "attack": None})
    save_world(here / "a.world", one)
    words = ["--headless", "--keys", "left*2", "--out", "a.gif"]
    assert cli.main(["a.world", *words]) == 0
    assert "note: nothing found for attack\n" in capsys.readouterr().err
    assert cli.main(["a.world", "a.world", *words]) == 0
    assert "note: a.world: nothing found for attack\n" in capsys.readouterr().err


def test_a_clip_may_be_a_gif(world, here):
    assert cli.main(["fake.world", "--headless", "--keys", "left*2", "--out", "clips/a.gif"]) == 0
    with Image.open(here / "clips" / "a.gif") as gif:
        assert gif.n_frames == 3


@pytest.mark.parametrize("options", [["--out", "file/a.mp4"], ["--record", "--recordings", "file"]])
def test_a_path_that_cannot_be_written_is_refused_before_play(world, here, options):
    (here / "file").touch()
    with pytest.raises(StorageError, match="Could not write file"):
        cli.main(["fake.world", "--headless", "--keys", "left", *options])
    assert world.taken == []


def test_a_recording_that_fails_is_told_at_the_end(world, here, monkeypatch, capsys):
    def add(self, frame, action=None):
        raise StorageError("the disk is full")

    monkeypatch.setattr("tinyworlds.play.recorder.Recorder.add", add)
    assert cli.main(["fake.world", "--headless", "--keys", "left*3", "--record", "--out", "a.mp4"]) == 1
    assert "error: recording stopped: the disk is full\n" in capsys.readouterr().err
    assert list(here.glob("a.*"))


@pytest.mark.parametrize(
    ("name", "words"), [("zeldaa", "Did you mean 'zelda'?"), ("frames.h5", "is gameplay")]
)
def test_what_is_no_world_is_said_before_anything_opens(here, name, words, capsys):
    (here / "frames.h5").touch()
    with pytest.raises((MissingFileError, ConfigError), match=re.escape(words)):
        cli.main([name])
    assert capsys.readouterr().err == ""


def test_ctrl_c_keeps_what_was_played(world, here, monkeypatch):
    step = world.step

    def interrupted(action):
        if len(world.taken) == 4:
            raise KeyboardInterrupt
        return step(action)

    monkeypatch.setattr(world, "step", interrupted)
    assert cli.main(["fake.world", "--headless", "--keys", "left*50 ", "--out", "a.mp4"]) == 130
    assert list(here.glob("a.*"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--headless"], "--keys"),
        (["--keys", "w"], "--keys goes with --headless"),
        (["--headless", "--keys", "w", "--port", "80"], "--port goes with --browser"),
        (["--replay", "log.json", "--govern"], "leave --govern out"),
        (["--headless", "--keys", "w*x"], "w*x"),
        (["--headless", "--keys", "w", "--num_step", "3"], "Did you mean '--num_steps'?"),
        (["--headless", "--window"], "not allowed with"),
        (["--fps", "0"], "not above 0"),
        (["--seed", "-1"], "no whole number from 0 on"),
        (["--num_steps", "two"], "invalid int value"),
    ],
)
def test_options_that_do_not_go_together(world, options, words):
    with pytest.raises(ConfigError) as error:
        cli.main(["fake.world", *options])
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.skipif("sys.platform != 'linux'")
def test_no_display_for_a_window_is_one_clear_line(world):
    with pytest.raises(DisplayError, match="--headless --keys"):
        cli.main(["fake.world", "--window"])


@pytest.mark.skipif("sys.platform != 'linux'")
def test_a_display_that_does_not_answer_is_one_clear_line(world, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":987")
    with pytest.raises(DisplayError, match=":987 does not open a window"):
        cli.main(["fake.world", "--window"])


@pytest.mark.skipif("sys.platform != 'linux'")
def test_without_a_display_the_browser_takes_the_windows_place(world, monkeypatch, capsys):
    monkeypatch.setattr(launch, "_browser", lambda args, world, session: Leaving())
    assert cli.main(["fake.world"]) == 0
    assert "playing in the browser instead" in capsys.readouterr().err


class Leaving:
    """A view whose player quits at once."""

    def poll(self):
        return [KeyEvent("esc")]

    def show(self, frame):
        pass

    def wait(self, seconds):
        time.sleep(seconds)

    def close(self):
        pass


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "there is no session log"),
        ("{", "no log of a session"),
        ('{"format": 1}', "no log of a session"),
    ],
)
def test_what_is_no_log_is_refused_in_one_line(world, here, text, reason):
    if text is not None:
        (here / "log.json").write_text(text)
    with pytest.raises((ConfigError, MissingFileError), match=reason):
        cli.main(["fake.world", "--replay", "log.json"])


class Rebinding(Leaving):
    shown = 0

    def show(self, frame):
        self.shown += 1

    def poll(self):
        return [KeyEvent("esc")] if self.shown == 4 else [KeyBinding("x", 3)] if self.shown == 1 else []


def test_changed_keys_are_kept_in_the_file(here, monkeypatch, capsys):
    path = save_world(here / "tiny.world", tiny_world())

    monkeypatch.setattr(launch, "_browser", lambda args, world, session: Rebinding())
    assert cli.main([str(path), "--browser"]) == 0
    assert "saved the changed keys" in capsys.readouterr().out
    assert World.load(path).key_map == {"left": 1, "x": 3}


class Again(Rebinding):
    """A view whose player plays a second time; keys are changed the first time alone."""

    def __init__(self):
        self.recorded = []

    def wants_another(self):
        return len(self.recorded) == 0

    def begin(self, recorded):
        self.recorded.append(recorded())
        self.shown = 1
        keys = {2: "x", 4: "esc"}
        self.poll = lambda: [KeyEvent(keys[self.shown])] if self.shown in keys else []


def test_another_session_follows_with_the_changed_keys(here, monkeypatch, capsys):
    path = save_world(here / "tiny.world", tiny_world())
    view = Again()
    monkeypatch.setattr(launch, "_browser", lambda args, world, session: view)
    assert cli.main([str(path), "--browser", "--record"]) == 0
    said = capsys.readouterr().out
    assert said.count("frames/s") == 3  # the world's, and two sessions
    assert said.count("saved the changed keys") == 1
    logs = sorted(Path(here / "recordings").glob("*.json"))
    assert len(logs) == 2  # each session its own
    first, second = (SessionLog.read(log) for log in logs)
    assert "x" not in first.key_map
    assert second.key_map["x"] == 3
    assert len(view.recorded[0]) == 4  # the list of the new session, seen after its end
    assert World.load(path).key_map["x"] == 3


def test_changed_keys_of_two_worlds_are_not_kept(world, monkeypatch, capsys):
    monkeypatch.setattr(launch, "_browser", lambda args, world, session: Rebinding())
    assert cli.main(["a.world", "b.world", "--browser"]) == 0
    assert "are not kept" in capsys.readouterr().out


def test_three_worlds_are_too_many(world):
    with pytest.raises(ConfigError, match="one world, or two to compare; got 3"):
        cli.main(["a.world", "b.world", "c.world", "--headless", "--keys", "w"])


def test_record_and_replay(world, here, capsys):
    keys = "left*5 right*3 space r up*2"
    assert cli.main(["fake.world", "--headless", "--keys", keys, "--record", "--out", "a.mp4"]) == 0
    said, written = capsys.readouterr().out, sorted((here / "recordings").iterdir())
    assert [path.suffix for path in written] == [".gif", ".h5", ".json", ".mp4"]
    assert all(path.name in said for path in written)
    assert cli.main(["fake.world", "--replay", str(written[2]), "--out", "b.mp4"]) == 0
    assert (here / "a.mp4").read_bytes() == (here / "b.mp4").read_bytes()


def test_two_worlds_replay_as_they_were_decoded(here):
    for name, seed in (("a.world", 0), ("b.world", 1)):
        save_world(here / name, random_world(seed, num_steps=4))
    play = ["a.world", "b.world", "--headless", "--keys", "left*6", "--record", "--num_steps", "1"]
    assert cli.main([*play, "--temperature", "1", "--out", "a.mp4"]) == 0
    log = next((here / "recordings").glob("*.json"))
    assert cli.main(["a.world", "b.world", "--replay", str(log), "--out", "b.mp4"]) == 0
    assert (here / "a.mp4").read_bytes() == (here / "b.mp4").read_bytes()
    with pytest.raises(ConfigError, match="the log is of 2 worlds, here are 1"):
        cli.main(["a.world", "--replay", str(log)])


def test_a_replay_elsewhere_says_that_it_may_differ(world, here, capsys):
    assert cli.main(["fake.world", "--headless", "--keys", "left", "--record", "--out", "a.mp4"]) == 0
    world.device = "cuda:0"
    log = next((here / "recordings").glob("*.json"))
    assert cli.main(["fake.world", "--replay", str(log), "--out", "b.mp4"]) == 0
    assert "note: played on cpu, replayed on cuda:0: the frames may differ" in capsys.readouterr().err


def test_only_a_kept_log_costs_a_look_at_the_weights(world, here, monkeypatch):
    looks = []
    monkeypatch.setattr(
        "tinyworlds.checkpoints.load.fingerprint", lambda network: looks.append(1) or "0" * 16
    )
    world.dynamics = object()
    play = ["fake.world", "--headless", "--keys", "left", "--out", "a.mp4"]
    assert cli.main(play) == 0
    assert looks == []
    assert cli.main([*play, "--record"]) == 0
    assert looks == [1]


def test_a_game_without_a_world_says_what_to_run(capsys):
    code = cli.play_game(PONG, ["--headless", "--keys", "w"])
    message = capsys.readouterr().err
    assert code == MissingFileError.exit_code
    assert "tinyworlds train pong" in message
    assert "tinyworlds export" in message
    assert message.count("\n") == 1


def test_a_game_finds_its_newest_world(world, here, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(opening, "load", lambda paths, *_: asked.extend(paths) or world)
    (here / "lightning_logs" / "pong").mkdir(parents=True)
    newest = here / "lightning_logs" / "pong" / "pong.world"
    newest.touch()
    assert cli.play_game(PONG, ["--headless", "--keys", "w", "--out", "a.mp4"]) == 0
    assert cli.play_game(PONG, ["--world", "x.world", "--headless", "--keys", "w", "--out", "a.mp4"]) == 0
    assert [str(path) for path in asked] == ["lightning_logs/pong/pong.world", "x.world"]


def test_a_game_reports_wrong_options_in_one_line(capsys):
    assert cli.play_game(PONG, ["--headles"]) == ConfigError.exit_code
    assert capsys.readouterr().err.count("\n") == 1


def test_help(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--help"])
    assert stop.value.code == 0
    assert "--keys" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["c.webm", "c.MP4", "c.gif", "12:30.mp4"])
def test_the_clip_has_the_name_and_the_format_that_were_asked_for(here, world, name):
    if sys.platform == "win32" and ":" in name:
        pytest.skip("Windows has no such names")
    (here / "c.mp4").write_text("mine")
    before = set(here.iterdir())
    assert cli.main(["fake.world", "--headless", "--keys", "left*3", "--out", name]) == 0
    assert [path.name for path in set(here.iterdir()) - before] == [name]
    assert (here / "c.mp4").read_text() == "mine"


@pytest.mark.parametrize("name", ["c", "c.png", "c.avi", "new/c.txt", "."])
def test_an_ending_that_is_of_no_clip_is_refused_before_any_work(here, name):
    with pytest.raises(ConfigError, match="a clip"):  # and not that there is no world
        cli.main(["fake.world", "--headless", "--keys", "left*3", "--out", name])
    assert {path.suffix for path in here.iterdir()} == {".world"}


def beside_a_game(monkeypatch):
    game = FakeGame()
    monkeypatch.setattr(cli, "_open_game", lambda env_id, world: game)
    return game


def test_a_real_game_and_its_dream_are_in_one_clip(here, monkeypatch, capsys):
    game = beside_a_game(monkeypatch)
    save_world(here / "walk.world", random_world())
    words = ["walk.world", "--real", "--headless", "--keys", "left*5 t q idle", "--out", "a.mp4"]
    assert cli.main([*words, "--seed", "1"]) == 0
    said = capsys.readouterr()
    assert "note: q does nothing" in said.err  # but t does
    video = cv2.VideoCapture(str(here / "a.mp4"))
    shape = [video.get(key) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)]
    assert shape == [512, 278]
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 9
    assert game.taken.count("left") == 5
    assert game.closed


def test_a_session_beside_a_game_replays_beside_it(here, monkeypatch, capsys):
    beside_a_game(monkeypatch)
    save_world(here / "walk.world", random_world())
    words = ["walk.world", "--real", "walk", "--headless", "--keys", "left*5 b down*3", "--out", "a.gif"]
    assert cli.main([*words, "--record"]) == 0
    [log] = (here / "recordings").glob("*.json")
    with pytest.raises(ConfigError, match="beside a real game: add --real walk"):
        cli.main(["walk.world", "--replay", str(log), "--out", "b.gif"])
    assert cli.main(["walk.world", "--real", "walk", "--replay", str(log), "--out", "b.gif"]) == 0
    assert (here / "a.gif").read_bytes() == (here / "b.gif").read_bytes()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["a.world", "b.world", "--real"], "--real goes with one world"),
        (["a.world", "--real", "--start", "a.png"], "leave --start out"),
        (["--real", "a.world"], "a.world is a world, no game: write it before --real"),
        (["a.world", "--real"], "'noise' is no title"),
    ],
)
def test_what_does_not_go_with_a_real_game(here, words, told):
    for name in ("a", "b"):
        save_world(here / f"{name}.world", random_world())
    with pytest.raises(ConfigError, match=told):
        cli.main([*words, "--headless", "--keys", "left", "--out", "a.gif"])


def test_keys_changed_beside_a_game_are_the_dreams(here, monkeypatch):
    beside_a_game(monkeypatch)
    path = save_world(here / "tiny.world", tiny_world())
    monkeypatch.setattr(launch, "_browser", lambda args, world, session: Rebinding())
    assert cli.main([str(path), "--real", "--browser"]) == 0
    assert World.load(path).key_map == {"left": 1, "x": 3}
