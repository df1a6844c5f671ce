"""The replay and who fills it, by what comes out again."""

from dataclasses import asdict

import numpy as np
import pytest
import torch

from tinyworlds.dreamer.agent import Agent
from tinyworlds.dreamer.collector import Collector, Moment
from tinyworlds.dreamer.replay import Replay, classes_of, one_hot
from tinyworlds.dreamer.rssm import Carry
from tinyworlds.dreamer.sizes import sizes_of
from tinyworlds.dreamer.spaces import Spaces
from tinyworlds.errors import ConfigError

SIZES = sizes_of("cpu-tiny")
SPACES = Spaces(vector=1, num_actions=3)


def row(number, first=False, last=False, terminal=False):
    return {
        "vector": [number], "action": np.eye(3)[number % 3], "reward": number, "first": first, "last": last,
        "terminal": terminal, "deter": np.full(SIZES.deter, number), "classes": np.full(16, number % 8),
    }  # fmt: skip


def filled(num_envs=2, capacity=40, steps=30, window=5):
    replay = Replay(SPACES, SIZES, num_envs, capacity, window, seed=0)
    for number in range(steps):
        for env in range(num_envs):
            replay.add(env, row(1000 * env + number))
    return replay


def test_windows_are_steps_in_a_row_of_one_environment():
    replay = filled()
    seen = set()
    for _ in range(300):
        steps = replay.windows(replay.draw(4))
        numbers = steps.seen.vector[..., 0]
        assert torch.equal(numbers, numbers[:, :1] + torch.arange(5.0))
        assert torch.equal(steps.rewards, numbers)
        assert torch.equal(steps.memory.deter[..., 0], numbers)
        assert (numbers % 1000 >= 10).all()  # the first ten of thirty are overwritten
        seen |= {int(number) for number in numbers[:, 0]}
    assert seen == {*range(10, 26), *range(1010, 1026)}
    assert replay.num_steps == 40
    assert replay.num_windows == 32


def test_what_is_fresh_comes_first_and_once():
    replay = filled(num_envs=1, capacity=100, steps=20)
    places = replay.draw(6)
    assert places.starts[:4].tolist() == [0, 5, 10, 15]
    replay.add(0, row(20))
    again = [replay.draw(1).starts[0] for _ in range(50)]
    assert len({*again}) > 10


def test_fresh_windows_that_were_overwritten_are_not_drawn():
    replay = filled(num_envs=1, capacity=10, steps=38)
    steps = replay.windows(replay.draw(8))
    assert (steps.seen.vector >= 28).all()


def test_newer_states_are_kept_but_for_the_first():
    replay = filled(num_envs=1, capacity=100, steps=20)
    places = replay.draw(1)
    classes = torch.full((1, 4, 16), 7)
    replay.write_back(places, Carry(torch.full((1, 4, SIZES.deter), -1.0), one_hot(classes, 8)))
    memory = replay.windows(places).memory
    assert memory.deter[0, :, 0].tolist() == [0, -1, -1, -1, -1]
    assert classes_of(memory.stoch, SIZES)[0, :, 0].tolist() == [0, 7, 7, 7, 7]
    late = filled(num_envs=1, capacity=10, steps=10)
    places = late.draw(1)
    for number in range(10, 20):
        late.add(0, row(number))
    late.write_back(places, Carry(torch.full((1, 4, SIZES.deter), -1.0), one_hot(classes, 8)))
    assert (late.windows(late.draw(20)).memory.deter >= 0).all()


def test_where_a_run_was_cut_an_episode_ends():
    replay = Replay(SPACES, SIZES, 1, 20, 5)
    for number in range(10):
        replay.add(0, row(number, first=number in (0, 4, 7), last=number == 6, terminal=number == 6))
    steps = replay.windows(type(replay.draw(1))(np.array([0]), np.array([2])))
    assert steps.last[0].tolist() == [False, True, False, False, True]  # 3 was never marked
    assert steps.terminal[0].tolist() == [False, False, False, False, True]


def test_too_little_room_and_too_few_steps_are_said():
    with pytest.raises(ConfigError, match="at least 130"):
        Replay(SPACES, SIZES, 2, 100, 65)
    with pytest.raises(ConfigError, match="take more steps"):
        filled(steps=3).draw(1)


class Counting:
    """Shows how many steps were taken, and notes what it was told."""

    spaces = SPACES

    def __init__(self, length):
        self.length, self.told, self.now = length, [], 0

    def reset(self, seed=None):
        self.now = 0
        return Moment(None, np.zeros(1, np.float32))

    def step(self, action):
        self.now += 1
        self.told.append(int(action.argmax()))
        over = self.now == self.length
        return Moment(None, np.full(1, self.now, np.float32), 1.0, terminal=over, last=over)


def test_every_step_lands_in_the_replay_with_the_action_that_was_taken():
    torch.manual_seed(0)
    agent, game, heard = Agent(**asdict(SPACES), preset="cpu-tiny"), Counting(6), []
    replay = Replay(SPACES, SIZES, 1, 100, 5)
    collector = Collector([game], replay, heard=heard.append)
    for _ in range(21):
        collector.step(agent)
    steps = replay.windows(type(replay.draw(1))(np.zeros(17, np.int64), np.arange(17)))
    assert steps.seen.vector[:, 0, 0].tolist() == [n % 7 for n in range(17)]
    assert steps.first[:, 0].tolist() == [n % 7 == 0 for n in range(17)]
    assert steps.last[:, 0].tolist() == [n % 7 == 6 for n in range(17)]
    assert steps.terminal[:, 0].tolist() == [n % 7 == 6 for n in range(17)]
    assert steps.rewards[:, 0].tolist() == [float(n % 7 > 0) for n in range(17)]
    taken = [int(action.argmax()) for n, action in enumerate(steps.actions[:, 0]) if n % 7 < 6]
    assert taken == game.told[: len(taken)]
    assert all(action.sum() == 0 for n, action in enumerate(steps.actions[:, 0]) if n % 7 == 6)
    assert [(episode.score, episode.length) for episode in heard] == [(6.0, 7)] * 3
    remembers = steps.memory.deter[:, 0].abs().sum(-1) > 0
    assert remembers.tolist() == [n % 7 > 0 for n in range(17)]  # nothing when an episode begins
