"""How sure a world is, beside how sure it usually is: measured, stored, compared, shown."""

import dataclasses

import numpy as np
import pytest
import torch
from small_worlds import known_world, random_world
from tiny_worlds import change

from tinyworlds.api import World
from tinyworlds.errors import CheckpointError
from tinyworlds.keys import KeyEvent, parse_script
from tinyworlds.models.maskgit import Sampling
from tinyworlds.play.headless import play_script
from tinyworlds.play.session import Session
from tinyworlds.world.file import save_world
from tinyworlds.world.start_clips import StartClips
from tinyworlds.world.sureness import UsualSureness, measure_sureness

USUAL = UsualSureness((-4.0, -2.0, -1.0), 2, Sampling(4))


@pytest.fixture
def world():
    """A world of untrained networks whose clips go on for a while; 4 frames a second."""
    world = random_world()
    clips = np.random.default_rng(0).integers(0, 256, (6, 12, 16, 16, 3), np.uint8)
    world.start_clips, world.info = StartClips(clips), dataclasses.replace(world.info, fps=4.0)
    world.sampling = Sampling(4, 1.0, top_p=0.9, schedule="halton")
    return world


def with_usual(world, seed=0):
    world.info = dataclasses.replace(world.info, sureness=measure_sureness(world, seed))
    return world


def test_the_share_is_that_of_the_pieces_of_which_it_was_less_sure():
    assert USUAL.share([-3.0, -1.0]) == 0.5
    assert USUAL.share([-9.0, -1.0, -2.0]) == 0.75  # the latest two
    assert (USUAL.share([-9.0] * 2), USUAL.share([-0.5] * 2)) == (0.0, 1.0)
    assert USUAL.share([-3.0]) is None  # less than a piece


def test_true_play_is_as_sure_as_usual(world):
    usual = measure_sureness(world)
    assert usual.num_frames == 4
    assert list(usual.quantiles) == sorted(usual.quantiles)
    assert usual.quantiles[0] < usual.quantiles[-1] < 0
    again, other = measure_sureness(world), measure_sureness(world, seed=1)
    assert usual == again != other
    # what is usual with other chances is the same in the mean
    spread = usual.quantiles[-1] - usual.quantiles[0]
    assert abs(np.mean(usual.quantiles) - np.mean(other.quantiles)) < 0.3 * spread


def test_of_clips_that_end_with_the_start_nothing_is_known(world):
    world.start_clips = StartClips(world.start_clips.frames[:, : world.context_frames + 1])
    assert measure_sureness(world) is None
    assert measure_sureness(known_world(num_clips=0)) is None


def test_every_frame_of_every_session_says_how_sure_it_was(world):
    world.reset_many(3, seed=0)
    assert world.sureness is None
    world.step_many([0, 1, 2])
    first = world.sureness
    assert first.shape == (3,)
    assert (first < 0).all()
    state = world.state()
    world.step_many([0, 0, 0])
    second = world.sureness
    world.restore(state)
    assert world.sureness is None
    world.step_many([0, 0, 0])
    assert torch.equal(world.sureness, second)
    assert not torch.equal(first, second)


def test_it_lies_in_the_file_and_holds_for_how_it_was_measured_alone(world, tmp_path):
    path = save_world(tmp_path / "a.world", with_usual(world))
    read = World.load(path)
    assert read.info.sureness == world.info.sureness
    assert read.usual_sureness == world.info.sureness
    assert World.load(path, num_steps=2).usual_sureness is None
    read.sampling = dataclasses.replace(read.sampling, temperature=0.5)
    assert read.usual_sureness is None


@pytest.mark.parametrize(
    "damage",
    [
        {"quantiles": [-1.0]}, {"quantiles": [-1.0, -2.0]}, {"quantiles": "ab"},
        {"quantiles": [0.0, float("nan")]}, {"num_frames": 0}, {"num_frames": 1.5},
        {"sampling": {"num_steps": 10**9}}, {"sampling": {"files": "x"}}, {"more": 1},
    ],
)  # fmt: skip
def test_a_damaged_entry_is_one_line(world, tmp_path, damage):
    path = save_world(tmp_path / "a.world", with_usual(world))
    change(path, sureness={**dataclasses.asdict(world.info.sureness), **damage})
    with pytest.raises(CheckpointError, match="sureness is"):
        World.load(path)


def test_a_session_shows_it_once_a_second_was_played(world):
    frames = play_script(Session(with_usual(world), seed=0), parse_script("idle*7 r idle*5"))
    known = [frame.sure is not None for frame in frames]
    assert known == [False] * 4 + [True] * 4 + [False] * 4 + [True] * 2
    assert all(0 <= frame.sure <= 1 for frame in frames if frame.sure is not None)
    world.info = dataclasses.replace(world.info, sureness=None)
    assert all(frame.sure is None for frame in play_script(Session(world), parse_script("idle*6")))


def test_what_is_less_sure_than_true_play_ever_was_is_made_up(world):
    usual = with_usual(world).info.sureness
    for shift, made_up in (
        (-1.0, False),
        (1.0, True),
    ):  # a world that is usually less, or more, sure than here
        quantiles = tuple(min(q + shift, 0.0) for q in usual.quantiles)
        shifted = dataclasses.replace(usual, quantiles=quantiles)
        world.info = dataclasses.replace(world.info, sureness=shifted)
        frame = play_script(Session(world, seed=0), parse_script("idle*6"))[-1]
        assert frame.made_up is made_up


def test_going_back_shows_what_was_shown_there(world):
    session = Session(with_usual(world), seed=0)
    there = [session.tick().sure for _ in range(8)]
    session.handle([KeyEvent("backspace")])
    assert [session.tick().sure for _ in range(3)] == there[6:3:-1]
