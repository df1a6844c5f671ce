"""The facade: whoever builds or loads a world gets one that can be played and made an environment of."""

import numpy as np
import pytest
from small_worlds import random_world

import tinyworlds
from tinyworlds import World
from tinyworlds.errors import ConfigError
from tinyworlds.export.loading import open_world
from tinyworlds.play.clip import compare
from tinyworlds.world.core import WorldCore
from tinyworlds.world.file import save_world


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save_world(tmp_path_factory.mktemp("worlds") / "noise.world", random_world())


def test_a_loaded_world_is_the_facade_and_its_sessions_are(path):
    world = World.load(path)
    assert type(world) is type(world.session()) is World
    assert len(world.play("left*2", seed=0)) == 3
    assert world.codes is None  # played in a session of its own
    env = world.as_env(max_steps=2)
    frame, _ = env.reset(seed=0)
    assert frame.shape == world.frame_shape
    assert type(env.world) is World
    assert tinyworlds.compare is compare


def test_a_class_of_ones_own_is_what_is_loaded(path):
    class Louder(World):
        pass

    assert type(Louder.load(path)) is Louder


def test_rooms_below_the_facade_load_the_core(path):
    core = open_world(path)
    assert type(core) is WorldCore
    frames = [core.reset(seed=0), core.step(1)]
    world = World.load(path)
    assert np.array_equal(frames, [world.reset(seed=0), world.step(1)])


def test_play_says_which_key_means_nothing(path):
    with pytest.raises(ConfigError, match="q"):
        World.load(path).play("q*2")


def test_a_world_says_what_it_is(path):
    told = repr(World.load(path, device="cpu"))
    assert told.count("\n") == 1
    for part in ("World of noise", "16 px", "15 fps", "4 latent actions\n", " thousand parameters on cpu"):
        assert part in told
    assert f"from {path}" in told
    assert repr(World.load(path).session()) == told


def test_a_world_that_comes_along_names_no_place_on_this_machine():
    assert "from doom.world, which comes with TinyWorlds" in repr(World.load("doom"))


def test_what_a_world_says_of_its_networks():
    world = random_world()
    networks = world.tokenizer, world.dynamics, world.latent_actions
    assert world.num_parameters == sum(p.numel() for part in networks for p in part.parameters())
    assert "made of networks, not loaded" in repr(world)


def test_a_world_of_a_hostile_file_says_it_harmlessly(path, tmp_path):
    world = World.load(path)
    world.source = "a\x1b[2J\nb.world"
    assert "\x1b" not in repr(world)
    assert repr(world).count("\n") == 1


def test_what_a_notebook_prints_is_short(path):
    world = World.load(path)
    env = world.as_env(max_steps=7)
    assert repr(env).startswith("WorldEnv of noise, episodes of at most 7 steps\n  World of noise")
    clips = world.start_clips
    assert repr(clips).startswith(f"{len(clips)} StartClips of {clips.frames.shape[1]} frames, 16 x 16, ")
    assert repr(tinyworlds.StartClips()) == "no StartClips"
