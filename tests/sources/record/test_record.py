"""Recording real games: ViZDoom, Atari, and environments without a picture of their own."""

import builtins
import os
import subprocess
import sys
from importlib.util import find_spec

import gymnasium as gym
import h5py
import numpy as np
import pytest
from toy_games import CountingEnv  # importing it registers TinyCounting-v0, too

from tinyworlds.commands.record import record_command
from tinyworlds.data.reader import FrameFile
from tinyworlds.data.schema import read_info
from tinyworlds.errors import ConfigError, DataError, MissingExtraError
from tinyworlds.sources.record.action_table import action_table, select_actions
from tinyworlds.sources.record.environments import LiveGame
from tinyworlds.sources.record.record import fit_picture, record
from tinyworlds.sources.record.titles import default_file

DOOM, PONG = "VizdoomBasic-v1", "ALE/Pong-v5"
needs_doom = pytest.mark.skipif(find_spec("vizdoom") is None, reason="needs the extra games")
needs_atari = pytest.mark.skipif(find_spec("ale_py") is None, reason="needs the extra atari")


def columns(path):
    with h5py.File(path) as file:
        return {name: file[name][:] for name in file}


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


# ---- alignment


def test_the_action_beside_a_frame_leads_to_the_next(tmp_path):
    recording = record("TinyCounting-v0", tmp_path / "a.h5", 40, size=24, policy="random", progress=False)
    data = columns(recording.path)
    step, action, episode = (data["frames"][:, 0, 0, channel] for channel in range(3))
    assert step.tolist() == [i % 7 for i in range(40)]
    assert data["episode_ends"].tolist() == [i % 7 == 6 or i == 39 for i in range(40)]
    assert data["rewards"].tolist() == [i % 7 + 1 for i in range(40)]
    inside = ~data["episode_ends"][:-1]
    np.testing.assert_array_equal(action[1:][inside], data["actions"][:-1][inside])
    assert (action[step == 0] == 99).all()
    assert recording.num_episodes == 6 == episode.max() + 1
    assert recording.fps == 24.0


def test_frame_skip_repeats_the_action_and_adds_up_rewards(tmp_path):
    recording = record("TinyCounting-v0", tmp_path / "a.h5", 10, size=8, frame_skip=3, progress=False)
    data = columns(recording.path)
    assert recording.fps == 8.0
    assert data["frames"][:4, 0, 0, 0].tolist() == [0, 3, 6, 0]
    assert data["rewards"][:4].tolist() == [6, 15, 7, 6]


def test_chosen_actions_are_renumbered(tmp_path):
    wanted = ["action_3", "action_1"]
    recording = record("TinyCounting-v0", tmp_path / "a.h5", 50, actions=wanted, size=8, progress=False)
    data = columns(recording.path)
    assert recording.action_names == ("action_3", "action_1")
    inside = ~data["episode_ends"][:-1]
    shown = data["frames"][1:, 0, 0, 1][inside]
    np.testing.assert_array_equal(shown, np.array([3, 1])[data["actions"][:-1][inside]])


def test_a_function_may_play(tmp_path):
    path = tmp_path / "a.h5"
    record("TinyCounting-v0", path, 10, policy=lambda frame: int(frame[0, 0, 0]) % 5, size=8, progress=False)
    data = columns(path)
    np.testing.assert_array_equal(data["actions"], data["frames"][:, 0, 0, 0] % 5)


# ---- real games


@needs_doom
def test_doom(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recording = record(DOOM, tmp_path / "doom.h5", 160, progress=False)
    assert visible(tmp_path) == ["doom.h5"]  # the engine leaves nothing behind
    assert recording.fps == 35 / 4
    assert recording.action_names == ("noop", "attack", "move_right", "move_left")
    data = columns(recording.path)
    assert data["frames"].shape == (160, 64, 64, 3)
    assert data["frames"].reshape(160, -1).max(1).min() > 0  # the black picture after an episode is left out
    assert recording.num_episodes > 1
    lengths = np.diff(np.flatnonzero(data["episode_ends"]), prepend=-1)
    assert lengths.max() == 75  # 300 tics, 4 per frame
    assert (np.diff(data["frames"].astype(int), axis=0) != 0).any(axis=(1, 2, 3)).mean() > 0.5


@needs_doom
def test_doom_walks_where_it_was_told(tmp_path):
    """Moving right shifts the picture left: the same start, two actions, opposite shifts."""
    shifts = {}
    for name in ("move_left", "move_right"):
        path = tmp_path / f"{name}.h5"
        record(DOOM, path, 8, actions=[name], seed=1, progress=False)
        rows = columns(path)["frames"][:, 20:40].mean((1, 3))  # the far wall as one line of pixels
        first, last = rows[0] - rows[0].mean(), rows[5] - rows[5].mean()
        scores = {d: float((np.roll(first, d)[12:-12] * last[12:-12]).sum()) for d in range(-12, 13)}
        shifts[name] = max(scores, key=scores.get)
    assert shifts["move_left"] > 0 > shifts["move_right"]


@needs_atari
def test_pong_is_deterministic_and_moves(tmp_path):
    paths = [tmp_path / f"{i}.h5" for i in range(3)]
    for path, seed in zip(paths, (0, 0, 1), strict=True):
        recording = record(PONG, path, 120, seed=seed, progress=False)
    assert recording.fps == 15.0
    assert recording.action_names[:3] == ("noop", "fire", "right")
    first, same, other = (columns(path) for path in paths)
    np.testing.assert_array_equal(first["frames"], same["frames"])
    np.testing.assert_array_equal(first["actions"], same["actions"])
    assert (first["actions"] != other["actions"]).any()
    assert (np.diff(first["frames"][60:].astype(int), axis=0) != 0).any()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is a display")
def test_a_game_drawn_with_sdl_is_quiet_without_a_display(tmp_path):
    unset = ("DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR", "SDL_VIDEODRIVER")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    words = ["record", "CartPole-v1", "--frames", "2", "--out", str(tmp_path / "cart.h5")]
    command = [sys.executable, "-m", "tinyworlds", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "error" not in done.stderr


def test_an_environment_without_pictures_is_rendered(tmp_path):
    recording = record("CartPole-v1", tmp_path / "cart.h5", 40, progress=False)
    assert recording.fps == 50.0
    assert columns(recording.path)["frames"].std() > 1


@needs_doom
def test_a_dropped_version_is_the_same_game():
    game = LiveGame("VizdoomBasic-v0")
    assert game.env_id == "VizdoomBasic-v1"
    game.close()


# ---- bad input


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        pytest.param({"env_id": "ALE/Pogn-v5"}, ConfigError, "Did you mean 'ALE/P", marks=needs_atari),
        pytest.param({"env_id": "VizdoomBasik-v1"}, ConfigError, "Did you mean '" + DOOM, marks=needs_doom),
        ({"env_id": "no_such_module:Game-v0"}, MissingExtraError, "no_such_module"),
        ({"env_id": "FrozenLake-v1", "size": 0}, ConfigError, "size is 0"),
        ({"env_id": "FrozenLake-v1", "size": 63}, ConfigError, "multiple of 4"),
        ({"num_frames": 0}, ConfigError, "num_frames is 0"),
        ({"frame_skip": 0}, ConfigError, "frame_skip is 0"),
        ({"policy": "stiky"}, ConfigError, "Did you mean 'sticky'"),
        ({"hold": 0.5}, ConfigError, "hold is 0.5"),
        ({"actions": ["action_9"]}, ConfigError, "Unknown action 'action_9'"),
        ({"crop": (0, 0, 99, 10)}, ConfigError, "24x32"),
        ({"processes": 0}, ConfigError, "processes is 0"),
        ({"append": True, "overwrite": True}, DataError, "exclude each other"),
    ],
)
def test_bad_settings_leave_nothing(tmp_path, settings, error, words):
    arguments = {"env_id": "TinyCounting-v0", "num_frames": 5, "progress": False, **settings}
    with pytest.raises(error, match=words) as caught:
        record(out=tmp_path / "a.h5", **arguments)
    assert "\n" not in str(caught.value)
    assert visible(tmp_path) == []
    assert not (tmp_path / ".record").exists()


def test_an_existing_file_is_kept(tiny_h5):
    before = tiny_h5.read_bytes()
    with pytest.raises(DataError, match="--overwrite"):
        record("TinyCounting-v0", tiny_h5, 5, progress=False)
    assert tiny_h5.read_bytes() == before
    record("TinyCounting-v0", tiny_h5, 5, progress=False, overwrite=True)
    assert read_info(tiny_h5).num_frames == 5


@pytest.mark.parametrize(
    ("env_id", "module", "command"),
    [
        (PONG, "ale_py", "pip install 'tinyworlds[atari]'"),
        (DOOM, "vizdoom", "pip install 'tinyworlds[games]'"),
    ],
)
def test_a_missing_extra_quotes_the_command(tmp_path, monkeypatch, env_id, module, command):
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    real_import = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.split(".")[0] == module:
            raise ImportError(f"No module named '{name}'")
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    monkeypatch.setattr("importlib.import_module", refuse)
    with pytest.raises(MissingExtraError) as caught:
        record(env_id, tmp_path / "a.h5", 5)
    assert command in str(caught.value)


# ---- parts


SPACES = gym.spaces


@pytest.mark.parametrize(
    ("space", "count"),
    [
        (SPACES.Discrete(3, start=5), 3),
        (SPACES.MultiBinary(4), 5),
        (SPACES.MultiDiscrete([2, 3]), 4),
        (SPACES.Box(-1, 1, (2,), np.float32), 5),
        (SPACES.Box(-np.inf, np.inf, (1,), np.float32), 3),
        (SPACES.Tuple((SPACES.Discrete(3), SPACES.MultiBinary(2))), 5),
        (SPACES.Dict(binary=SPACES.Discrete(3), stick=SPACES.Box(-1, 1, (1,), np.float32)), 5),
    ],
)
def test_every_listed_action_is_one_of_the_space(space, count):
    actions = action_table(CountingEnv(space))
    assert len(actions) == count
    assert len({action.name for action in actions}) == count
    assert all(space.contains(action.value) for action in actions)


def test_actions_are_chosen_whatever_their_letters():
    actions = action_table(CountingEnv(SPACES.Dict(Jump=SPACES.Discrete(2), Turn=SPACES.Discrete(3))))
    chosen = select_actions(actions, ["turn_action_2", "Jump_action_1"])
    assert [action.value for action in chosen] == [{"Jump": 0, "Turn": 2}, {"Jump": 1, "Turn": 0}]


def test_a_space_that_cannot_be_listed():
    with pytest.raises(ConfigError, match="wrap the environment"):
        action_table(CountingEnv(SPACES.Text(5)))


def test_pictures_are_cropped_and_resized_by_area():
    picture = np.zeros((40, 80, 3), np.uint8)
    picture[10:30, 20:60] = 200
    np.testing.assert_array_equal(fit_picture(picture, 10, (20, 10, 40, 20)), 200)
    assert fit_picture(picture, 10).mean() == pytest.approx(50, abs=1)


# ---- the command


@pytest.mark.parametrize(
    ("env_id", "path"),
    [
        ("ALE/Pong-v5", "pong"), ("VizdoomMyWayHome-v1", "vizdoom_my_way_home"), ("CartPole-v1", "cart_pole"),
        ("my.module:Super-Game-v0", "super_game"),
    ],
)  # fmt: skip
def test_where_a_recording_goes(env_id, path):
    assert default_file(env_id).replace("\\", "/") == f"data/{path}_frames.h5"


@needs_atari
def test_the_command_records_a_title_as_its_spec_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert record_command("pong", frames=30) == 0
    file = FrameFile("data/pong_frames.h5")
    assert file.info.action_names == ("noop", "right", "left")
    assert file.info.fps == 15.0
    assert "30 frames at 15 fps" in capsys.readouterr().out
    assert record_command("ALE/Pong-v5", frames=5, out="other.h5") == 0
    assert len(read_info("other.h5").action_names) == 6


def test_the_command_refuses_what_cannot_be_recorded():
    with pytest.raises(ConfigError, match="no environment plays it"):
        record_command("zelda")


def test_an_end_is_kept_apart_from_a_cut(tmp_path):
    whole, cut = tmp_path / "whole_frames.h5", tmp_path / "cut_frames.h5"
    record("TinyWorlds/Catch-v0", whole, 30, size=16)
    record("TinyWorlds/Catch-v0", cut, 30, size=16, env_kwargs={"max_episode_steps": 4})
    with h5py.File(whole) as file:
        ends, terminations = file["episode_ends"][:], file["terminations"][:]
    assert np.flatnonzero(terminations).tolist() == [6, 13, 20, 27]
    assert np.flatnonzero(ends).tolist() == [6, 13, 20, 27, 29]  # the recording ends in an episode
    with h5py.File(cut) as file:
        assert not file["terminations"][:].any()
        assert np.flatnonzero(file["episode_ends"][:]).tolist()[:2] == [3, 7]
    record("TinyWorlds/Catch-v0", whole, 10, size=16, append=True)
    with h5py.File(whole) as file:
        assert np.flatnonzero(file["terminations"][:]).tolist() == [6, 13, 20, 27, 36]
