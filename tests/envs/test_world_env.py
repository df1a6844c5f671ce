"""A world as a gymnasium environment: made by name, alone and in a batch, and played by agents."""

import importlib.util
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from paths import ROOT
from small_worlds import known_world, random_world

from tinyworlds.envs import register_worlds
from tinyworlds.envs.vector_env import WorldVectorEnv
from tinyworlds.envs.world_env import WorldEnv
from tinyworlds.errors import ConfigError, DataError, MissingFileError
from tinyworlds.world.file import save_world

EXAMPLE = ROOT / "examples" / "agents_in_a_world.py"


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return save_world(tmp_path / "noise.world", random_world())


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    monkeypatch.setattr(gymnasium.envs.registration, "registry", known := dict(gymnasium.registry))
    monkeypatch.setattr(gymnasium, "registry", known)


def apart(first, second):
    return np.abs(first.astype(int) - second).max()


# One environment.


@pytest.mark.parametrize("settings", [{}, {"render_mode": "rgb_array", "max_steps": 3}])
def test_gymnasium_has_nothing_to_say_against_it(settings):
    check_env(random_world(temperature=1.0).as_env(**settings))  # a warning would be an error here


def test_an_episode_ends_after_its_steps():
    env = known_world().as_env(max_steps=3, render_mode="rgb_array")
    first, _ = env.reset(seed=1)
    steps = [env.step(1) for _ in range(3)]
    assert [step[1:4] for step in steps] == [(0.0, False, end) for end in (False, False, True)]
    assert np.array_equal(env.render(), steps[-1][0])
    assert not np.array_equal(first, steps[0][0])
    steps[-1][0][:] = 0  # what a player does to its frame is the player's business
    assert env.render().any()


def test_a_seed_repeats_all_later_episodes():
    def starts(seed):
        env = random_world().as_env()
        return np.stack([env.reset(seed=seed)[0], *(env.reset()[0] for _ in range(6))])

    assert np.array_equal(starts(4), starts(4))
    assert len(np.unique(starts(4), axis=0)) > 1
    assert not np.array_equal(starts(4), starts(5))


def test_environments_of_one_world_do_not_disturb_each_other():
    world = known_world()
    one, other = world.as_env(), world.as_env()
    mine = world.reset(seed=0)
    start, _ = one.reset(seed=1)
    other.reset(seed=2)
    there = one.step(1)[0]
    other.step(3)
    assert np.array_equal(one.step(2)[0], start)  # right and left again
    assert np.array_equal(there, np.roll(start, 4, axis=1))
    assert np.array_equal(world.step(0), mine)


def test_frames_to_start_from(file):
    clip = known_world().start_clips.frames[0]
    env = known_world(num_clips=0).as_env()
    assert np.array_equal(env.reset(options={"frames": clip})[0], clip[-1])
    with pytest.raises(DataError, match="no start clips"):
        env.reset()
    for options, words in (({"frame": clip}, "Did you mean 'frames'"), ({"actions": [0]}, "only with")):
        with pytest.raises(ConfigError, match=words):
            env.reset(options=options)


def test_wrong_settings_are_one_clear_line(file):
    world = known_world()
    for make, words in (
        (lambda: world.as_env(max_steps=0), "at least 1 step"),
        (lambda: world.as_env(render_mode="human"), "rgb_array"),
        (lambda: WorldEnv(world, num_steps=2), "World.load"),
        (lambda: WorldVectorEnv(world, 0), "at least 1 session"),
        (lambda: WorldVectorEnv(world, autoreset_mode="Never"), "'NextStep'"),
    ):
        with pytest.raises(ConfigError, match=words):
            make()
    with pytest.raises(MissingFileError, match=r"lost\.world"):
        gymnasium.make("TinyWorlds/World", world="lost.world")


# By name.


def test_files_are_made_by_name(file):
    (file.parent / "my game.world").write_bytes(file.read_bytes())
    assert register_worlds() == ["TinyWorlds/my_game.world", "TinyWorlds/noise.world"]
    assert register_worlds("nowhere") == []
    env = gymnasium.make("TinyWorlds/noise.world", render_mode="rgb_array", num_steps=2, device="cpu")
    assert env.unwrapped.world.sampling.num_steps == 2
    check_env(env.unwrapped)
    register_worlds()  # again, without a warning
    env = gymnasium.make("TinyWorlds/World", world=file, device="cpu", max_episode_steps=2)
    env.reset(seed=0)
    assert [env.step(0)[3] for _ in range(2)] == [False, True]


@pytest.mark.parametrize(
    "script",
    [
        "import gymnasium, tinyworlds; gymnasium.spec('TinyWorlds/noise.world')",
        "import tinyworlds, gymnasium, tinyworlds.envs; gymnasium.spec('TinyWorlds/noise.world')",
        "import gymnasium; gymnasium.make('tinyworlds:TinyWorlds/noise.world').reset(seed=0)",
    ],
)
@pytest.mark.slow
def test_names_work_in_a_new_process(file, script):
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, cwd=file.parent)


def test_importing_the_library_does_not_import_gymnasium():
    script = "import sys, tinyworlds; assert not {'gymnasium', 'torch', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


# Many sessions.


@pytest.mark.parametrize("mode", [None, "sync"])
def test_make_vec(file, mode):
    register_worlds()
    settings = {"num_envs": 3, "max_episode_steps": 2, "device": "cpu", "vectorization_mode": mode}
    env = gymnasium.make_vec("TinyWorlds/noise.world", **settings)
    assert isinstance(env, SyncVectorEnv if mode else WorldVectorEnv)
    assert env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    frames, _ = env.reset(seed=3)
    assert env.observation_space.contains(frames)
    assert [env.step(env.action_space.sample())[3].tolist() for _ in range(4)] == [
        [False] * 3, [True] * 3, [False] * 3, [False] * 3,
    ]  # fmt: skip


def test_each_session_does_what_it_would_alone():
    world = random_world()
    together, alone = WorldVectorEnv(world, 4, max_steps=3), SyncVectorEnv([lambda: world.as_env(3)] * 4)
    for seeds in (7, [5, 5, None, 0], None):  # None goes on with what the seeds before it began
        first, expected = together.reset(seed=seeds)[0], alone.reset(seed=seeds)[0]
        assert len(np.unique(first, axis=0)) > 1  # sessions start from clips of their own
        assert apart(first, expected) <= 1
        for actions in np.array([[0, 1, 2, 3], [3, 3, 0, 1], [1, 0, 0, 2], [2, 2, 2, 2], [1, 1, 3, 3]]):
            ours, theirs = together.step(actions), alone.step(actions)
            assert apart(ours[0], theirs[0]) <= 1
            assert all(np.array_equal(a, b) for a, b in zip(ours[1:4], theirs[1:4], strict=True))


def test_sessions_of_one_seed_repeat_together_and_sample_apart():
    world = random_world(temperature=1.0)
    same = np.repeat(world.start_clips.frames[:1], 3, axis=0)
    batches = []
    for _ in range(2):
        world.reset_many(same, seed=3)
        batches.append(world.step_many([1, 1, 1]))
    assert np.array_equal(*batches)
    first, second, third = batches[0]
    assert not np.array_equal(first, second)
    assert not np.array_equal(second, third)


def test_the_same_seeds_sample_the_same_batch():
    def play(seeds):
        env = WorldVectorEnv(random_world(temperature=1.0), 3)
        return np.stack([env.reset(seed=seeds)[0], *(env.step([0, 1, 2])[0] for _ in range(3))])

    assert np.array_equal(play(3), play([3, 4, 5]))
    assert not np.array_equal(play([3, 4, 5]), play([3, 4, 6]))


def test_the_frames_of_the_last_step_are_kept_in_the_same_step_mode():
    world = known_world()
    env = WorldVectorEnv(world, 2, max_steps=2, autoreset_mode="SameStep")
    start, _ = env.reset(options={"frames": world.start_clips.frames[:2]})
    env.step([1, 3])
    frames, _, _, truncated, infos = env.step([1, 3])
    assert truncated.all()
    assert np.array_equal(infos["final_obs"][0], np.roll(start[0], 8, axis=1))
    assert np.array_equal(infos["final_obs"][1], np.roll(start[1], 8, axis=0))
    assert np.array_equal(frames, np.stack(env.render() or frames))
    assert not env.step([0, 0])[3].any()


def test_without_autoreset_the_caller_has_to():
    env = WorldVectorEnv(known_world(), 2, max_steps=1, autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=0)
    env.step([0, 0])
    with pytest.raises(ConfigError, match=r"call reset\(\)"):
        env.step([0, 0])
    env.reset(options={"reset_mask": np.array([True, True])})
    env.step([0, 0])
    with pytest.raises(ConfigError, match="all True"):
        env.reset(options={"reset_mask": np.array([True, False])})


def test_what_does_not_fit_a_batch_is_one_clear_line():
    world = known_world()
    env = WorldVectorEnv(world, 2)
    with pytest.raises(ConfigError, match="as many seeds, got 3"):
        env.reset(seed=[1, 2, 3])
    with pytest.raises(ConfigError, match="as many clips, got 3"):
        env.reset(options={"frames": world.start_clips.frames[:3]})
    env.reset(seed=0)
    for actions, words in (([0], "as many actions"), ([0, 9], "action 9")):
        with pytest.raises(ConfigError, match=words):
            env.step(actions)


# Agents.


@pytest.fixture
def example():
    spec = importlib.util.spec_from_file_location("agents_in_a_world", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_plays_a_world(example, file, capsys):
    scores = example.main([str(file), "--steps", "5", "--device", "cpu", "--out", "both.mp4"])
    assert scores.keys() == {"random", "greedy"}
    assert all(0 < score < 255 for score in scores.values())
    assert "greedy: the picture changes by" in capsys.readouterr().out
    assert list(file.parent.glob("both.*"))


def test_the_greedy_agent_takes_the_action_that_changes_most(example, file):
    env = gymnasium.make("TinyWorlds/World", world=file, device="cpu")
    clip = env.unwrapped.world.start_clips.frames[2]
    outcomes = []
    for action in range(4):
        env.reset(options={"frames": clip[-1:]})
        outcomes.append(env.step(action)[0])
    agent = example.GreedyAgent(str(file), 4, memory=3, device="cpu")
    chosen = agent(clip[-1])
    changes = example.change(clip[-1], np.stack(outcomes))
    assert changes[chosen] == pytest.approx(changes.max(), abs=0.01)
    assert changes.max() > changes.min()


def test_an_episode_can_start_from_the_first_frame_of_a_clip_alone():
    world = random_world()
    env = WorldEnv(world, start_frames=1)
    env.reset(seed=3)
    assert env.world.codes.shape[1] == 1
    env.step(0)
    assert env.world.codes.shape[1] == 2
    again = gymnasium.make(env.spec)
    assert again.unwrapped.start_frames == 1
    with pytest.raises(ConfigError, match="start_frames is 0"):
        WorldEnv(world, start_frames=0)


# Worlds that expect rewards and ends.


class Expects(torch.nn.Module):
    """Stands for what was learned: an action earns its own number; action 1 ends it with a chance of 0.5."""

    def tell(self, ids, actions):
        return actions.float(), 0.5 * (actions == 1).float()


@pytest.fixture
def rewarding():
    world = random_world()
    world.dynamics.outcomes = Expects()
    return world


def test_rewards_are_those_that_the_world_expects(rewarding):
    env = rewarding.as_env()
    env.reset(seed=0)
    assert [env.step(action)[1] for action in (0, 2, 3)] == [0.0, 2.0, 3.0]
    assert not any(env.step(2)[2] for _ in range(5))
    assert env.world.said == "reward +2.0"
    env.reset()
    assert env.world.said == ""


def test_episodes_end_as_often_as_the_world_expects_and_repeat_with_the_seed(rewarding):
    env = rewarding.as_env()

    def lengths(seed):
        found = []
        for episode in range(30):
            env.reset(seed=seed if episode == 0 else None)
            steps = 1
            while not env.step(1)[2]:
                steps += 1
            found.append(steps)
        return found

    assert lengths(5) == lengths(5)
    assert 1.3 < np.mean(lengths(6)) < 3.5  # a coin is thrown twice on average


def test_sessions_of_a_batch_tell_the_chance_of_an_end(rewarding):
    env = WorldVectorEnv(rewarding, num_envs=2)
    env.reset(seed=0)
    _, rewards, terminated, _, infos = env.step(np.array([1, 3]))
    assert rewards.tolist() == [1.0, 3.0]
    assert not terminated.any()
    assert infos["end_chance"].tolist() == [0.5, 0.0]
