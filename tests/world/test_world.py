"""`World`: reset and step, alone and as a gymnasium environment; the `.world` file and its bad versions."""

import warnings

import numpy as np
import pytest
import torch
from fake_networks import SIZE, FakeActions, FakeDynamics, FakeTokenizer, walk
from gymnasium.utils.env_checker import check_env
from safetensors.torch import load_file, save_file
from tiny_worlds import SIZES, change, tiny_world

from tinyworlds.api import World
from tinyworlds.errors import CheckpointError, ConfigError, DataError, MissingFileError
from tinyworlds.models import LatentActionModel
from tinyworlds.nn.kernels import loading, transformer_pass
from tinyworlds.world.file import load_world, read_header, save_world
from tinyworlds.world.info import WorldInfo
from tinyworlds.world.start_clips import StartClips


def as_uint8(frames):
    return ((frames + 1) * 127.5).round().to(torch.uint8).movedim(-3, -1).numpy()


@pytest.fixture
def clip():
    """A true clip, uint8 [12, 16, 16, 3], and its actions [12]."""
    frames, actions = walk(batch=1, length=12, seed=3)
    return as_uint8(frames[0]), actions[0].numpy()


@pytest.fixture
def known_world():
    """A world that predicts exactly (see `fake_networks`)."""
    return World(FakeTokenizer(), FakeDynamics(), FakeActions(), info=WorldInfo(game="walk", fps=10))


def test_a_known_world_is_predicted_exactly(known_world, clip):
    frames, actions = clip
    first = known_world.reset(frames[:3])
    assert np.array_equal(first, frames[2])
    for t in range(3, 12):
        assert np.array_equal(known_world.step(int(actions[t - 1])), frames[t])


@pytest.mark.parametrize("feedback", ["codes", "pixels"])
@pytest.mark.parametrize("context", [1, 2, 3, 8])
def test_rollout(clip, feedback, context):
    frames, actions = clip
    world = World(FakeTokenizer(), FakeDynamics(), FakeActions(), feedback=feedback, context_frames=context)
    played = world.rollout(frames[:5], actions[4:11])
    assert np.array_equal(played, frames[5:])
    assert world.rollout(frames[:5], []).shape == (0, SIZE, SIZE, 3)


@pytest.mark.parametrize("architecture", ["v1", "v2"])
@pytest.mark.parametrize("actions", ["latent", "labels", "none"])
@pytest.mark.parametrize("feedback", ["codes", "pixels"])
def test_real_networks_play(architecture, actions, feedback):
    world = tiny_world(architecture, actions, feedback=feedback)
    frame = world.reset(seed=0)
    for action in range(world.num_actions):
        frame = world.step(action)
    assert (frame.dtype, frame.shape) == (np.uint8, (16, 16, 3))


@pytest.mark.parametrize("feedback", ["codes", "pixels"])
@pytest.mark.parametrize("architecture", ["v1", "v2"])
def test_an_earlier_state_is_gone_on_from(architecture, feedback):
    world = tiny_world(architecture, temperature=1.0, feedback=feedback)
    world.reset(seed=0)
    world.step(1)
    state = world.state()
    onward = [world.step(action) for action in (0, 1, 2, 3)]
    drawn = world.reset()
    world.restore(state)
    again = [world.step(action) for action in (0, 1, 2, 3)]
    world.restore(state)
    assert np.array_equal(world.step(0), again[0])  # a state is used as often as wanted
    assert np.array_equal(world.reset(), drawn)  # the drawing of clips went back, too
    if architecture == "v1":  # v2 remembers more than its window shows, and that is gone
        assert np.array_equal(onward, again)


def test_what_really_followed_a_start_is_known(known_world, clip):
    frames, actions = clip
    known_world.start_clips = StartClips(frames[None], actions[None, :-1])
    known_world.context_frames = 3
    first = known_world.reset(seed=0)
    assert np.array_equal(first, frames[2])
    assert np.array_equal(known_world.truth, frames[3:])
    dreamt = [known_world.step(int(actions[t - 1])) for t in range(3, 12)]
    assert np.array_equal(dreamt, known_world.truth)
    known_world.reset(frames[:3])
    assert known_world.truth is None


def test_back_to_the_real_frame_most_like_a_drifted_one(known_world, clip):
    frames, actions = clip
    known_world.start_clips = StartClips(frames[None], actions[None, :-1])
    known_world.context_frames = 3
    place = next(t for t in range(2, 12) if np.array_equal(frames[t], frames[7]))  # a walk may come back
    drifted = np.clip(frames[7].astype(int) + 20, 0, 255).astype(np.uint8)
    assert np.array_equal(known_world.reset_near(drifted), frames[7])
    assert np.array_equal(known_world.truth, frames[place + 1 :])
    assert np.array_equal(known_world.step(int(actions[place])), frames[place + 1])
    with pytest.raises(DataError, match="stores no start clips"):
        World(FakeTokenizer(), FakeDynamics(), FakeActions()).reset_near(drifted)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_the_same_seed_dreams_the_same(temperature):
    def play(seed):
        world = tiny_world(temperature=temperature)
        world.reset(seed=seed)
        return np.stack([world.step(1) for _ in range(6)])

    assert np.array_equal(play(1), play(1))
    if temperature:
        assert not np.array_equal(play(1), play(2))


@pytest.mark.parametrize("architecture", ["v1", "v2"])
@pytest.mark.parametrize("feedback", ["codes", "pixels"])
def test_many_sessions_play_as_each_would_alone(architecture, feedback):
    world = tiny_world(architecture, feedback=feedback)
    actions = np.array([[0, 1, 2, 3, 1], [3, 3, 0, 0, 2], [1, 0, 1, 0, 1]])
    first = world.reset_many(world.start_clips.frames)
    together = np.stack([first, *(world.step_many(taken) for taken in actions.T)], axis=1)
    for clip, taken, dreamt in zip(world.start_clips.frames, actions, together, strict=True):
        alone = np.stack([world.reset(clip), *(world.step(int(action)) for action in taken)])
        assert np.abs(alone.astype(int) - dreamt).max() <= 1


def test_a_memory_that_slides_is_for_v2_only():
    world = tiny_world("v2", feedback="memory")
    world.reset(seed=0)
    assert all(world.step(action).shape == (16, 16, 3) for action in (0, 1, 2, 3, 0, 1))
    with pytest.raises(ConfigError, match="needs v2 dynamics"):
        tiny_world("v1", feedback="memory").reset(seed=0)


def test_what_has_left_the_window_is_forgotten():
    """So that a state holds all there is, and going back to it leads to the same frames."""
    world = tiny_world("v2", context_frames=2)
    world.reset(seed=0)
    for action in (0, 1, 2, 3):
        world.step(action)
    state = world.state()
    went_on = [world.step(action) for action in (1, 2)]
    world.restore(state)
    assert np.array_equal([world.step(action) for action in (1, 2)], went_on)


def test_stored_clips_start_many_sessions(known_world):
    world = tiny_world()
    assert world.reset_many(5, seed=0).shape == (5, 16, 16, 3)
    assert world.step_many([0, 1, 2, 3, 0]).shape == (5, 16, 16, 3)
    with pytest.raises(ConfigError, match="5 sessions take as many actions, got 1"):
        world.step(0)
    with pytest.raises(DataError, match=r"uint8 frames \[N, T, 16, 16, 3\]"):
        world.reset_many(np.zeros((3, 16, 16, 3), np.uint8))


def test_actions_in_the_context_can_be_given_or_inferred(known_world, clip):
    frames, actions = clip
    known_world.reset(frames[:3])
    inferred = known_world._dream.past.action_ids
    known_world.reset(frames[:3], action_ids=actions[:2])
    assert torch.equal(inferred, known_world._dream.past.action_ids)


def test_bf16_is_close_to_fp32():
    plain, half = tiny_world(precision="32"), tiny_world(precision="bf16")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Mismatch dtype")  # torch's own, from RMSNorm
        first, second = plain.reset(seed=0), half.reset(seed=0)
        second = half.step(1)
    first = plain.step(1)
    assert np.abs(first.astype(int) - second.astype(int)).mean() < 20


@pytest.mark.parametrize("architecture", ["v1", "v2"])
def test_precision_may_change_between_two_steps(architecture):
    world = tiny_world(architecture)
    world.bf16 = False  # nothing to remember yet
    world.reset(seed=0)
    world.step(1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Mismatch dtype")  # torch's own, from RMSNorm
        world.bf16 = True
        frames = [world.step(1) for _ in range(6)]
    world.bf16 = False
    assert world.step(1).shape == frames[0].shape


def test_names_and_idle_action():
    world = tiny_world()
    assert world.action_names == ("noop", "left", "action 2", "action 3")
    assert (world.idle_action, world.num_actions, world.fps, world.game) == (2, 4, 15.0, "tiny")
    assert tiny_world(actions="none").num_actions == 1


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        (np.zeros((3, 8, 8, 3), np.uint8), r"\[3, 8, 8, 3\]"),
        (np.zeros((3, 16, 16, 3), np.float32), "float32"),
        (np.zeros((16, 16, 3), np.uint8), "uint8 frames"),
        (np.zeros((0, 16, 16, 3), np.uint8), r"\[0, 16"),
    ],
)
def test_wrong_frames_are_one_clear_line(known_world, frames, words):
    with pytest.raises(DataError, match=words):
        known_world.reset(frames)


def test_wrong_use_is_one_clear_line(known_world, clip):
    with pytest.raises(ConfigError, match=r"reset\(\) first"):
        known_world.step(0)
    with pytest.raises(DataError, match="no start clips"):
        known_world.reset()
    with pytest.raises(DataError, match="2 actions"):
        known_world.reset(clip[0][:3], action_ids=[1])
    known_world.reset(clip[0][:3])
    for action in (4, -1):
        with pytest.raises(ConfigError, match="0 to 3"):
            known_world.step(action)
    with pytest.raises(ConfigError, match="feedback"):
        World(FakeTokenizer(), FakeDynamics(), feedback="code")
    with pytest.raises(ConfigError, match="precision"):
        World(FakeTokenizer(), FakeDynamics(), precision="fp8")
    with pytest.raises(ConfigError, match="gpu0"):
        World(FakeTokenizer(), FakeDynamics(), device="gpu0")


def test_gymnasium_accepts_the_world():
    env = tiny_world().as_env(max_steps=5, render_mode="rgb_array")
    check_env(env, skip_render_check=True)
    env.reset(seed=1)
    ends = [env.step(env.action_space.sample())[3] for _ in range(5)]
    assert ends == [False] * 4 + [True]
    assert env.render().shape == (16, 16, 3)


# The file.


@pytest.mark.parametrize("architecture", ["v1", "v2"])
@pytest.mark.parametrize("actions", ["latent", "labels"])
def test_a_world_survives_its_file(tmp_path, architecture, actions):
    world = tiny_world(architecture, actions, num_steps=3)
    path = save_world(tmp_path / "new" / "tiny.world", world)
    again = World.load(path)
    assert again.info == world.info
    assert (again.sampling.num_steps, again.context_frames) == (3, world.context_frames)
    assert World.load(str(path), num_steps=2, temperature=0.5).sampling.num_steps == 2
    assert np.array_equal(again.reset(seed=4), world.reset(seed=4))
    for action in (1, 3, 0):
        assert np.array_equal(again.step(action), world.step(action))


@pytest.fixture
def file(tmp_path):
    return save_world(tmp_path / "tiny.world", tiny_world())


def one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("kept", [0, 4, 200, 0.5, 0.999])
def test_a_truncated_file_is_one_clear_line(file, kept):
    data = file.read_bytes()
    file.write_bytes(data[: kept if isinstance(kept, int) else int(kept * len(data))])
    with pytest.raises(CheckpointError, match=r"tiny\.world is truncated") as error:
        load_world(file)
    one_line(error)


@pytest.mark.parametrize(
    "content", [b"hello, I am no world at all", b"\x89HDF\r\n\x1a\n" * 40, b"PK\x03\x04" * 300]
)
def test_other_files_are_one_clear_line(file, content):
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"no \.world file") as error:
        load_world(file)
    one_line(error)


def test_a_missing_file_is_one_clear_line(tmp_path):
    with pytest.raises(MissingFileError, match=r"zelda\.world"):
        World.load(tmp_path / "zelda.world")


def test_weights_that_are_not_finite_are_refused(file):
    name, weight = next(
        (k, v) for k, v in load_file(file).items() if k.startswith("dynamics") and v.ndim == 2
    )
    weight[0, 0] = float("nan")
    change(file, {name: weight})
    with pytest.raises(CheckpointError, match="dynamics are not finite") as error:
        load_world(file)
    one_line(error)


def test_nan_is_never_written(tmp_path):
    world = tiny_world()
    with torch.no_grad():
        next(world.tokenizer.parameters()).fill_(float("inf"))
    with pytest.raises(CheckpointError, match="not finite"):
        save_world(tmp_path / "bad.world", world)
    assert list(tmp_path.iterdir()) == []


def test_foreign_safetensors_are_refused(file):
    save_file({"a": torch.zeros(2)}, file)
    with pytest.raises(CheckpointError, match="no TinyWorlds world"):
        load_world(file)


def test_newer_files_are_refused(file):
    change(file, schema_version=99)
    with pytest.raises(CheckpointError, match="upgrade"):
        load_world(file)


def test_unknown_metadata_of_later_versions_is_ignored(file):
    change(file, something_new=[1])
    assert load_world(file).game == "tiny"


def test_weights_and_configuration_must_fit(file):
    configs = read_header(file)["configs"]
    configs["dynamics"]["embed_dim"] = 32
    change(file, configs=configs)
    with pytest.raises(CheckpointError, match="dynamics do not fit") as error:
        load_world(file)
    one_line(error)


def test_networks_must_belong_together(tmp_path):
    world = tiny_world()
    world.latent_actions = LatentActionModel(**SIZES, num_actions=8)
    with pytest.raises(CheckpointError, match="num_actions"):
        save_world(tmp_path / "bad.world", world)


@pytest.mark.slow
def test_a_compiled_world_shows_the_same_frames(monkeypatch):
    monkeypatch.setattr(
        transformer_pass, "_kernel", lambda channels: None
    )  # which would leave nothing to compile
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # the compiler's own
        plain, compiled = tiny_world(), tiny_world(compile=True)
        for world in (plain, compiled):
            world.reset(seed=0)
        for action in (0, 1, 2, 3):
            assert np.abs(plain.step(action).astype(int) - compiled.step(action)).max() <= 1
    assert compiled.dynamics.transformer._compiled_call_impl is not None  # it did not fall back


@pytest.mark.skipif(loading.find_compiler() is None, reason="needs a C++ compiler")
def test_what_the_kernel_runs_is_not_compiled():
    world = tiny_world(compile=True)
    assert not world.compile()
    assert world.dynamics.transformer._compiled_call_impl is None
    world.bf16 = True  # the kernel knows float32 only
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # the compiler's own
        assert world.compile()


def test_a_world_knows_which_true_actions_its_own_carry(tmp_path):
    world = tiny_world()
    carried = {"noop": 0, "left": 1, "attack": None}
    world.info = WorldInfo(action_names=("noop", "left", "attack"), true_actions=carried)
    info = load_world(save_world(tmp_path / "a.world", world)).info
    assert (info.true_actions, info.not_found) == (carried, ("attack",))
    assert [info.sent_for(name) for name in ("noop", "left", "attack", "jump")] == [0, 1, None, None]
    older = WorldInfo(action_names=("noop", "left"))  # names, but nothing was noted
    assert (older.sent_for("left"), older.sent_for("attack"), older.not_found) == (1, None, ())


@pytest.mark.parametrize("carried", [{"left": 99}, {"left": -1}, {"left": "one"}, {"left": [1]}, ["left"], 3])
def test_true_actions_that_no_world_has_are_refused(tmp_path, carried):
    path = save_world(tmp_path / "a.world", tiny_world())
    change(path, true_actions=carried)
    with pytest.raises(CheckpointError, match=r"a\.world"):
        load_world(path)
