"""Games as an agent meets them, and the names they are called by."""

import gymnasium as gym
import numpy as np
import pytest

from tinyworlds.dreamer.games import AgentGame
from tinyworlds.dreamer.spaces import Spaces
from tinyworlds.dreamer.tasks import Task, find_task
from tinyworlds.errors import ConfigError, MissingExtraError


@pytest.mark.parametrize(
    ("asked", "name", "env_id"),
    [
        ("catch", "catch", "TinyWorlds/Catch-v0"),
        ("atari_pong", "atari_pong", "ALE/Pong-v5"),
        ("ALE/Pong-v5", "atari_pong", "ALE/Pong-v5"),
        ("atari_ms_pacman", "atari_ms_pacman", "ALE/MsPacman-v5"),
        ("atari_kung_fu_master", "atari_kung_fu_master", "ALE/KungFuMaster-v5"),
        ("doom", "doom", "VizdoomDefendLine-v1"),
        ("CartPole-v1", "cart_pole", "CartPole-v1"),
    ],
)
def test_tasks_by_the_names_that_people_write(asked, name, env_id):
    task = find_task(asked)
    assert (task.name, task.env_id) == (name, env_id)
    assert task.pooled == env_id.startswith("ALE/")


def test_unknown_tasks_are_said():
    with pytest.raises(ConfigError, match="Did you mean 'boxing'"):
        find_task("atari_boxin")
    with pytest.raises(ConfigError, match=r"no game is called 'dooom'\. Did you mean 'doom'"):
        find_task("dooom")
    with pytest.raises(MissingExtraError, match="shimmy"):
        find_task("dmc_walker_walk")


@pytest.mark.parametrize(
    ("asked", "settings", "spaces"),
    [
        ("catch", {}, Spaces(16, 1, num_actions=3)),
        ("catch", {"frame_size": 32, "grey": False}, Spaces(32, 3, num_actions=3)),
        ("atari_boxing", {}, Spaces(64, 3, num_actions=18)),
        ("atari_pong", {"grey": True, "frame_size": 96}, Spaces(96, 1, num_actions=6)),
        ("doom", {}, Spaces(64, 3, num_actions=4)),
        ("CartPole-v1", {}, Spaces(vector=4, num_actions=2)),
        ("CartPole-v1", {"observe": "both"}, Spaces(64, 3, vector=4, num_actions=2)),
        ("Pendulum-v1", {}, Spaces(vector=3, action_dim=1)),
    ],
)
def test_what_is_seen_and_done(asked, settings, spaces):
    game = AgentGame(find_task(asked), **settings)
    try:
        assert game.spaces == spaces
        moment = game.reset(1)
        for _ in range(3):
            assert (moment.picture is None) == (spaces.frame_size == 0)
            if moment.picture is not None:
                assert moment.picture.shape == (spaces.frame_size, spaces.frame_size, spaces.channels)
                assert moment.picture.dtype == np.uint8
            assert (moment.vector is None) == (spaces.vector == 0)
            moment = game.step(np.eye(spaces.action_width, dtype=np.float32)[0])
    finally:
        game.close()


@pytest.mark.parametrize("asked", ["catch", "atari_boxing", "doom", "CartPole-v1"])
def test_a_seed_begins_the_same_episode(asked):
    game = AgentGame(find_task(asked))

    def seen(seed):
        moment = game.reset(seed)
        shown = []
        for number in range(12):
            shown.append((moment.picture, moment.vector, moment.reward))
            moment = game.step(np.eye(game.spaces.num_actions)[number % game.spaces.num_actions])
            if moment.last:
                break
        return shown

    try:
        one, other = seen(5), seen(5)
    finally:
        game.close()
    for (picture, vector, reward), (picture2, vector2, reward2) in zip(one, other, strict=True):
        assert reward == reward2
        assert np.array_equal(picture, picture2) if picture is not None else np.array_equal(vector, vector2)


class Flicker(gym.Env):
    """Draws one thing in even frames, another in odd ones; ends or is cut as told."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012
    observation_space = gym.spaces.Box(0, 255, (32, 32, 3), np.uint8)
    action_space = gym.spaces.Box(np.array([-2.0, 0.0]), np.array([2.0, 1.0]), dtype=np.float64)

    def __init__(self, ends=True, render_mode=None):
        self.ends, self.steps, self.told = ends, 0, []
        self.render_mode = render_mode

    def _picture(self):
        picture = np.zeros((32, 32, 3), np.uint8)
        picture[: 16 if self.steps % 2 else None, :, 0 if self.steps % 2 else 1] = 100
        return picture

    def reset(self, *, seed=None, options=None):
        self.steps = 0
        return self._picture(), {}

    def step(self, action):
        self.told.append(action)
        self.steps += 1
        over = self.steps == 6
        return self._picture(), 1.0, over and self.ends, over and not self.ends, {}


@pytest.fixture
def flicker(monkeypatch):
    monkeypatch.setitem(gym.registry, "Flicker-v0", gym.envs.registration.EnvSpec("Flicker-v0", Flicker))
    return Task("flicker", "Flicker-v0", frame_skip=4, pooled=True)


def test_things_that_are_drawn_in_turn_are_both_seen(flicker):
    game = AgentGame(flicker)
    game.reset(0)
    moment = game.step(np.zeros(2, np.float32))
    assert moment.reward == 4.0
    assert moment.picture[0, 0].tolist() == [100, 100, 0]
    assert moment.picture[31, 0].tolist() == [0, 100, 0]
    game.close()


@pytest.mark.parametrize("ends", [True, False])
def test_an_end_is_not_a_cut(flicker, ends):
    game = AgentGame(flicker, env_kwargs={"ends": ends})
    game.reset(0)
    first, second = (game.step(np.zeros(2, np.float32)) for _ in range(2))
    assert (first.last, first.terminal) == (False, False)
    assert (second.last, second.terminal, second.reward) == (True, ends, 2.0)
    game.close()


def test_numbers_reach_the_ends_of_what_a_game_takes(flicker):
    game = AgentGame(flicker)
    game.reset(0)
    for value in ([-1.0, -1.0], [1.0, 1.0], [0.0, 0.0], [9.0, -9.0]):
        game.step(np.array(value, np.float32))
        game.reset(0)
    told = [value.tolist() for value in game._live._env.unwrapped.told[::4]]
    assert told == [[-2.0, 0.0], [2.0, 1.0], [0.0, 0.5], [2.0, 0.0]]
    game.close()


def test_nothing_of_that_kind_to_see_is_said():
    with pytest.raises(ConfigError, match="no numbers"):
        AgentGame(find_task("catch"), observe="vector")
    with pytest.raises(ConfigError, match="Did you mean 'vector'"):
        AgentGame(find_task("catch"), observe="vectors")
