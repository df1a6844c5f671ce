"""Procgen and stable-retro: with stand-ins that have their faces, and for real where they are installed."""

import sys
import types

import gymnasium as gym
import h5py
import numpy as np
import pytest

from tinyworlds.commands import cli
from tinyworlds.errors import ConfigError, MissingExtraError, MissingFileError
from tinyworlds.sources.record.environments import LiveGame
from tinyworlds.sources.record.record import record

COMBOS = [("LEFT",), (), ("RIGHT",), ("RIGHT", "UP"), ("D",)]
BUTTONS = ["B", None, "MODE", "START", "UP", "DOWN", "LEFT", "RIGHT", "C"]


class FakeProcgen:
    """As Procgen: observed before acting; a level that ends is followed by the next one by itself."""

    def __init__(self, num, env_name, rand_seed, distribution_mode="hard", render_mode=None):
        assert render_mode in (None, "rgb_array")
        self.mode = distribution_mode
        assert num == 1
        self.level, self.steps, self.action, self.closed = rand_seed % 200, 0, 99, False

    def get_combos(self):
        return COMBOS

    def act(self, actions):
        assert actions.dtype == np.int32
        self.action, self.steps = int(actions[0]), self.steps + 1
        if self.action == -1 or self.steps == 5:
            self.level, self.steps, self.action = self.level + 1, 0, 99

    def observe(self):
        frame = np.zeros((1, 64, 64, 3), np.uint8)
        frame[:] = (self.steps, self.action, self.level)
        return np.array([float(self.steps)]), {"rgb": frame}, np.array([self.steps == 0])

    def get_info(self):
        frame = np.zeros((512, 512, 3), np.uint8)
        frame[:] = (self.steps, self.action, self.mode == "easy")
        return [{"rgb": frame}]

    def close(self):
        self.closed = True


class FakeRetro(gym.Env):
    """As a console: shows the number of pressed buttons and which ones."""

    buttons = BUTTONS
    observation_space = gym.spaces.Box(0, 255, (40, 60, 3), np.uint8)
    action_space = gym.spaces.MultiBinary(len(BUTTONS))

    def __init__(self, state):
        self.state, self.steps = state, 0

    def _see(self, pressed):
        frame = np.zeros((40, 60, 3), np.uint8)
        frame[:] = (self.steps, int(np.sum(pressed)), int(np.flatnonzero(pressed).sum()))
        return frame

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self._see([]), {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.steps += 1
        return self._see(action), 1.0, self.steps == 40, False, {}


@pytest.fixture
def fakes(monkeypatch):
    procgen, env, retro = (types.ModuleType(name) for name in ("procgen", "procgen.env", "retro"))
    procgen.ProcgenGym3Env, env.ENV_NAMES = FakeProcgen, ["coinrun", "ninja"]

    def make(game, render_mode, use_restricted_actions, state=None):
        assert use_restricted_actions == "ALL"
        if game == "Sonic-Genesis-v0":
            raise FileNotFoundError(f"Game not found: {game}. Did you make sure to import the ROM?")
        return FakeRetro(state)

    retro.make, retro.Actions = make, types.SimpleNamespace(ALL="ALL")
    games = ["Airstriker-Genesis-v0", "Sonic-Genesis-v0"]
    retro.data = types.SimpleNamespace(
        list_games=lambda integrations: games, Integrations=types.SimpleNamespace(ALL=0)
    )
    for module in (procgen, env, retro):
        monkeypatch.setitem(sys.modules, module.__name__, module)


def columns(path):
    with h5py.File(path) as file:
        return {name: file[name][:] for name in file}


def test_procgen_frames_and_actions_are_aligned(tmp_path, fakes):
    recording = record("procgen/coinrun", tmp_path / "a.h5", 23, "random", seed=7, progress=False)
    data = columns(recording.path)
    step, action, level = (data["frames"][:, 0, 0, channel] for channel in range(3))
    assert recording.fps == 15
    assert recording.action_names == ("left", "noop", "right", "right+up", "d")
    assert step.tolist() == [i % 5 for i in range(23)]
    assert level.tolist() == [7 + i // 5 for i in range(23)]  # no level is left out
    inside = ~data["episode_ends"][:-1]
    np.testing.assert_array_equal(action[1:][inside], data["actions"][:-1][inside])


def test_a_procgen_level_can_be_given_up(fakes):
    game = LiveGame("procgen/ninja")
    game.reset(3)
    game.step(0)
    assert game.reset()[0, 0].tolist() == [0, 99, 4]
    assert game.reset(3)[0, 0].tolist() == [0, 99, 3]
    game.close()


def test_procgen_takes_settings_of_its_own(fakes):
    game = LiveGame("procgen/coinrun", env_kwargs={"distribution_mode": "easy", "render_mode": "rgb_array"})
    picture = game.reset(3)
    assert picture.shape == (512, 512, 3)
    assert picture[0, 0].tolist() == [0, 99, 1]
    assert game.step(2)[0][0, 0].tolist() == [1, 2, 1]  # after seeding, too
    game.close()
    with pytest.raises(ConfigError, match=r"does not take mode=easy .*'mode'"):
        LiveGame("procgen/coinrun", env_kwargs={"mode": "easy"})


def test_retro_presses_named_buttons(tmp_path, fakes):
    game = LiveGame("retro/Airstriker-Genesis-v0/Level2", frame_skip=1)
    names = [action.name for action in game.actions]
    assert names[:7] == ["noop", "left", "right", "up", "down", "b", "c"]
    assert not {"start", "mode", "none"} & set(names)
    game.reset(0)
    assert game.step(names.index("noop"))[0][0, 0].tolist() == [1, 0, 0]
    assert game.step(names.index("right+b"))[0][0, 0].tolist() == [2, 2, 7]
    game.close()
    recording = record(
        "retro/Airstriker-Genesis-v0", tmp_path / "a.h5", 25, actions=["right", "right+c"], progress=False
    )
    assert recording.fps == 15
    assert columns(recording.path)["episode_ends"].sum() == 3  # 40 pictures are 10 stored frames


@pytest.mark.parametrize(
    ("env_id", "error", "told"),
    [
        ("procgen/coinrum", ConfigError, "Did you mean 'coinrun'"),
        ("retro/Sonik-Genesis-v0", ConfigError, "Did you mean 'Sonic-Genesis-v0'"),
        ("retro/Sonic-Genesis-v0", MissingFileError, "python -m retro.import FOLDER"),
    ],
)
def test_what_is_not_there_is_one_line(fakes, env_id, error, told):
    with pytest.raises(error, match=told) as caught:
        LiveGame(env_id)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("env_id", "module", "told"),
    [
        ("procgen/coinrun", "procgen", "pip install --no-deps procgen2"),
        ("retro/Airstriker-Genesis-v0", "retro", "pip install stable-retro"),
    ],
)
def test_a_missing_package_is_one_line(tmp_path, monkeypatch, capsys, env_id, module, told):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=told):
        LiveGame(env_id)
    assert cli.main(["record", env_id, "--out", str(tmp_path / "a.h5")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("env_id", "module"), [("procgen/coinrun", "procgen"), ("retro/Airstriker-Genesis-v0", "retro")]
)
@pytest.mark.filterwarnings("ignore")
def test_the_real_one_where_it_is_installed(tmp_path, env_id, module):
    pytest.importorskip(module, exc_type=ImportError)
    for name in ("a.h5", "b.h5"):
        record(env_id, tmp_path / name, 80, seed=2, progress=False)
    first, second = columns(tmp_path / "a.h5"), columns(tmp_path / "b.h5")
    np.testing.assert_array_equal(first["frames"], second["frames"])
    assert (np.diff(first["frames"].astype(int), axis=0) != 0).any(axis=(1, 2, 3)).mean() > 0.5
