"""How codes are drawn is chosen by what a player meets."""

import math

import pytest
import torch
from fake_networks import FakeActions, FakeDynamics, FakeTokenizer, walk

from tinyworlds.api import World
from tinyworlds.data.held_out import Clips
from tinyworlds.evaluation.play_test.choosing import CANDIDATES, Trial, play_each, table
from tinyworlds.evaluation.play_test.holding import Key, Starts
from tinyworlds.evaluation.play_test.measure import make_judge
from tinyworlds.evaluation.play_test.result import KeyResult
from tinyworlds.media.pixels import input_to_frames
from tinyworlds.models.maskgit import AS_PLAYED, Sampling
from tinyworlds.world.info import WorldInfo

NAMES = ("stay", "right", "left", "down")
KEYS = tuple(Key(name, action, action) for action, name in enumerate(NAMES))


class Unsure(FakeDynamics):
    """Knows what follows, and holds one other code in four for possible: drawn by chance it flickers."""

    def __init__(self) -> None:
        super().__init__()
        torch.nn.init.constant_(self.transformer.scale, 2.0)


def clips_of(seed: int) -> Clips:
    actions = torch.randint(4, (120, 9), generator=torch.Generator().manual_seed(seed))
    frames, _ = walk(120, 9, seed, actions.repeat_interleave(3, dim=1)[:, :9])
    held = actions.repeat_interleave(3, dim=1)[:, :9]
    return Clips(input_to_frames(frames), held, 10.0, "walks", torch.arange(120), NAMES)


@pytest.mark.slow
def test_a_world_that_would_flicker_takes_the_likeliest_codes() -> None:
    world = World(FakeTokenizer(), Unsure(), FakeActions(), info=WorldInfo(action_names=NAMES))
    before = world.sampling
    frames, _ = walk(4, 3, 2)
    starts = Starts(input_to_frames(frames).numpy(), None, torch.arange(4))
    judge = make_judge(clips_of(0), clips_of(1), 4)
    trials = play_each(world, judge, None, KEYS, CANDIDATES, starts)
    assert {trial.sampling for trial in trials} == {*CANDIDATES}
    assert trials[0].sampling.temperature == 0
    assert trials[0].score == pytest.approx(1.0, abs=0.03)
    assert trials[1].score < 0.8
    assert world.sampling == before
    assert len(table(trials).rows) == len(CANDIDATES)


def key_of(read_back: float, life: float) -> KeyResult:
    return KeyResult("key", 0, (read_back,) * 4, (life,) * 4, (1.0,) * 4, 1.0, (life,) * 4)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ([(0.9, 1.0)], [(0.8, 1.0)]),
        ([(0.9, 0.5)], [(0.9, 0.1)]),
        ([(0.9, 0.5)], [(0.9, 4.0)]),  # a flicker is no life
        ([(0.9, 0.5)], [(1.0, 0.0)]),
        ([(0.7, 0.7), (0.7, 0.7)], [(1.0, 1.0), (0.2, 0.2)]),  # what one key has too much helps no other
    ],
)
def test_what_counts_is_that_keys_are_heard_in_a_world_that_lives(
    better: list[tuple[float, float]], worse: list[tuple[float, float]]
) -> None:
    def score(keys: list[tuple[float, float]]) -> float:
        return Trial(AS_PLAYED, tuple(key_of(*key) for key in keys)).score

    assert score(better) > score(worse)


def test_a_key_that_nobody_held_in_the_recording_counts_by_what_is_read() -> None:
    assert Trial(Sampling(), (key_of(0.81, math.nan),)).score == pytest.approx(0.9)
