"""A name inside a file is not followed unasked: neither an address nor a path of this machine."""

import http.server
import json
import threading
from pathlib import Path

import pytest
import yaml
from gameplay_files import write_gameplay
from made_runs import make_run
from tiny_worlds import change, tiny_world

from tinyworlds import World
from tinyworlds.commands.cli import main
from tinyworlds.world.file import save_world


@pytest.fixture
def visits():
    """An address that a stranger names, and what was asked of it."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/private_frames.h5", asked
    server.shutdown()
    server.server_close()


@pytest.fixture
def opened(monkeypatch):
    """Every gameplay file that is opened."""
    import tinyworlds.data.module as module

    found = []
    find = module.find_files
    monkeypatch.setattr(module, "find_files", lambda files, game: found.append(files) or find(files, game))
    return found


NAMES = ("address", "absolute", "relative", "above", "pattern", "folder", "home", "share", "list")


@pytest.fixture
def named(request, tmp_path, visits, monkeypatch):
    """What a stranger's file names as its data; the local ones are there and fit."""
    away = tmp_path / "private"
    away.mkdir()
    private = write_gameplay(away / "private_frames.h5", num_episodes=2)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    write_gameplay(here / "mine_frames.h5", num_episodes=2)
    return {
        "address": visits[0],
        "absolute": str(private),
        "relative": "mine_frames.h5",
        "above": "../private/private_frames.h5",
        "pattern": f"{away}/*.h5",
        "folder": str(away),
        "home": "~/private_frames.h5",
        "share": r"\\attacker\share\x.h5",
        "list": ["mine_frames.h5", visits[0]],
    }[request.param]


COMMANDS = {
    "evaluate": lambda path: ["evaluate", path, "--num_clips", "2", "--horizon", "2", "--out", "report"],
    "actions": lambda path: ["actions", path, "--sheet", "none"],
}


@pytest.mark.parametrize("named", NAMES, indirect=True)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_strangers_world_names_data_in_vain(command, named, visits, opened, tmp_path, capsys, caplog):
    path = save_world(tmp_path / "stranger.world", tiny_world())
    change(path, provenance={"data_settings": {"files": named, "fps": 15.0}})
    code = main(COMMANDS[command](str(path)))
    err = capsys.readouterr().err + caplog.text
    assert (visits[1], opened) == ([], [])
    assert "not followed unasked" in err
    assert "--data" in err
    assert code == (2 if command == "evaluate" else 0), "actions goes on with dreams alone"
    assert not Path("report").exists()


@pytest.mark.parametrize(
    ("command", "named"),
    [
        *(("load", name) for name in NAMES if name != "relative"),
        *((command, name) for command in (*COMMANDS, "export", "play") for name in ("address", "absolute")),
    ],
    indirect=["named"],
)
def test_a_strangers_run_names_data_in_vain(command, named, visits, opened, tmp_path, capsys, caplog):
    run = tmp_path / "stranger"
    make_run(run, None)
    config = run / "dynamics" / "version_0" / "config.yaml"
    config.write_text(yaml.safe_dump({"data": {"files": named, "fps": 15.0}}))
    if command == "load":
        assert not World.load(run).start_clips
    elif command == "export":
        assert main(["export", str(run), "out.world"]) == 2
    elif command == "play":
        main(["play", str(run), "--headless", "--keys", "w*2"])
    else:
        main(COMMANDS[command](str(run)))
    assert (visits[1], opened) == ([], [])
    assert "not followed unasked" in capsys.readouterr().err + caplog.text


@pytest.mark.slow
def test_data_that_the_user_named_once_are_found_again(tmp_path, monkeypatch):
    data = write_gameplay(tmp_path / "away" / "mine_frames.h5")
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    make_run(here / "run", data, by_stranger=True)
    words = ["--num_clips", "2", "--horizon", "2"]
    assert main(["evaluate", "run", *words]) == 2
    assert main(["evaluate", "run", *words, "--data", "../away/mine_frames.h5"]) == 0
    assert main(["evaluate", "run", *words]) == 0, "trained or measured on it here: known"
    assert main(["export", "run", "mine.world", "--num_clips", "2"]) == 0
    change(here / "mine.world", provenance={"data_settings": {"files": str(data)}})
    assert main(["evaluate", "mine.world", *words]) == 0


def test_an_older_run_finds_its_data_in_the_folder_we_are_in_but_not_by_links_out_of_it(
    tmp_path, monkeypatch
):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    write_gameplay(here / "data" / "mine_frames.h5")
    make_run(here / "run", "data/mine_frames.h5", by_stranger=True)
    words = ["evaluate", "run", "--num_clips", "2", "--horizon", "2"]
    away = tmp_path / "away"
    (here / "data").rename(away)
    (here / "data").symlink_to(away)
    assert main(words) == 2
    (here / "data").unlink()
    away.rename(here / "data")
    assert main(words) == 0


DAMAGED = ([], "text", {"files": 3}, {"files": [3]}, {"files": "a\0b"}, {"files": {"a": 1}}, {"fps": "x"},
           {"fps": float("nan")}, {"frame_size": 1 << 62}, {"frame_size": True}, {"split": 1}, {"game": [1]},
           {"skip_frames": -1}, {"val_fraction": "x"})  # fmt: skip


@pytest.mark.parametrize("noted", DAMAGED, ids=lambda value: json.dumps(value))
def test_what_a_file_says_of_its_data_is_checked(noted, tmp_path, error_line):
    path = save_world(tmp_path / "stranger.world", tiny_world())
    change(path, provenance={"data_settings": noted or ["x"]})
    assert "--data FILE" in error_line("evaluate", str(path))
    make_run(tmp_path / "run", None)
    config = tmp_path / "run" / "dynamics" / "version_0" / "config.yaml"
    config.write_text(yaml.safe_dump({"data": noted or ["x"]}))
    assert "--data FILE" in error_line("evaluate", str(tmp_path / "run"))
