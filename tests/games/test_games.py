"""The contract of every registered title, the registry, and `python -m games`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT

from games import registry
from games.registry import get, own_titles, register, titles
from games.spec import GameSpec
from tinyworlds.errors import ConfigError


@pytest.mark.parametrize("name", sorted({*titles()} - {*own_titles()}))
def test_every_title_keeps_the_contract(name):
    spec = get(name)
    assert spec.name == name
    assert spec.title
    assert spec.data_file == f"data/{name}_frames.h5"
    assert spec.frame_size % 4 == 0
    assert spec.fps > 0
    assert spec.key_map
    assert all(key == key.lower() and key for key in spec.key_map)
    anchor = spec.docs_url.partition("#")[2]
    lines = (ROOT / "games/README.md").read_text(encoding="utf-8").splitlines()
    assert anchor in [line[3:].lower().replace(" ", "-") for line in lines if line.startswith("## ")]


def test_the_titles_of_the_public_files():
    assert titles()[:5] == ["zelda", "sonic", "pole_position", "picodoom", "pong"]
    assert [get(name).frame_size for name in titles()[:5]] == [128, 64, 64, 64, 64]
    assert [get(name).skip_frames for name in titles()[:5]] == [1000, 100, 0, 300, 0]


@pytest.mark.parametrize(
    ("name", "module"),
    [("pong", "ale_py"), ("doom", "vizdoom"), ("racing", "Box2D"), ("platformer", "procgen")],
)
@pytest.mark.filterwarnings("ignore")  # procgen imports the gym of old
def test_true_action_names_are_those_of_the_game(name, module):
    from tinyworlds.sources.record.environments import LiveGame

    spec = get(name)
    pytest.importorskip(module, exc_type=ImportError)
    game = LiveGame(spec.env_id, spec.frame_skip, spec.record_actions, env_kwargs=spec.env_kwargs)
    try:
        assert tuple(action.name for action in game.actions) == spec.action_names
        assert game.env_id == spec.env_id
        assert game.fps == spec.fps
    finally:
        game.close()


def test_an_unknown_title_names_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'pole_position'"):
        get("poleposition")


@pytest.mark.parametrize(
    "settings",
    [{"name": "My Game"}, {"num_actions": 6}, {"fps": 0.0}, {"key_map": {"w": 16}}, {"skip_frames": -1}],
)
def test_bad_specs_are_refused(settings):
    with pytest.raises(ConfigError):
        GameSpec(**{"name": "mine", "title": "Mine", "data_file": "data/mine_frames.h5", **settings})


@pytest.fixture
def mine(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    return GameSpec(name="mine", title="Mine", data_file="data/mine_frames.h5")


def test_a_title_registered_by_hand(mine):
    assert register(mine) is register(mine) is get("mine")
    assert "mine" in titles()
    with pytest.raises(ConfigError, match="registered already"):
        register(GameSpec(name="zelda", title="Other", data_file="x.h5"))


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """A third-party package as pip installs it: a module and the metadata of its entry points."""
    (tmp_path / "their_games.py").write_text(
        "from games.spec import GameSpec\n"
        "SPEC = GameSpec(name='theirs', title='Theirs', data_file='data/theirs_frames.h5')\n"
    )
    info = tmp_path / "their_games-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-games\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[tinyworlds.games]\n"
        "theirs = their_games:SPEC\nbroken = no_such_module:SPEC\nother = their_games:SPEC\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_another_package_adds_a_title(plugin):
    assert "theirs" in titles()
    assert get("theirs").title == "Theirs"
    with pytest.raises(ConfigError, match="'broken' cannot be loaded from 'no_such_module:SPEC'"):
        get("broken")
    with pytest.raises(ConfigError, match="no GameSpec of that name"):
        get("other")


def run(*args, cwd, path=()):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))}
    return subprocess.run(
        [sys.executable, *args], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_the_list_of_titles(tmp_path, plugin):
    result = run("-m", "games", cwd=tmp_path, path=[plugin, ROOT])
    assert result.returncode == 0, result.stderr
    for name in titles():
        assert name in result.stdout
    assert "record it: tinyworlds record pong" in result.stdout


def test_games_are_light(tmp_path):
    code = "import sys, games; games.get('zelda'); print({'torch', 'cv2', 'h5py'} & set(sys.modules))"
    assert run("-c", code, cwd=tmp_path, path=[ROOT]).stdout.strip() == "set()"


@pytest.mark.parametrize("words", [["games.zelda"], ["games", "zelda"]])
def test_a_title_without_a_world_says_what_to_run(words, tmp_path):
    result = run("-m", *words, cwd=tmp_path, path=[ROOT])
    assert result.returncode != 0
    assert "tinyworlds train zelda" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_title_of_another_package_is_trained_without_configs(plugin, tmp_path, monkeypatch):
    from tinyworlds.fit.train_request import make_request

    monkeypatch.chdir(tmp_path)
    config = Path(make_request("theirs").arguments["dynamics"][1])
    assert "game: theirs" in config.read_text(encoding="utf-8")
