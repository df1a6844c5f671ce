"""The play test on worlds that are known exactly: one that obeys, and some that fail in known ways."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from fake_networks import FakeActions, FakeDynamics, FakeTokenizer, moved, walk

from tinyworlds.api import World
from tinyworlds.data.held_out import Clips
from tinyworlds.evaluation.play_test import measure
from tinyworlds.evaluation.play_test.holding import BANDS, Key, Starts, by_band, change_of, dream
from tinyworlds.evaluation.play_test.measure import macro_f1, make_judge, play_test
from tinyworlds.evaluation.play_test.preparing import ActionModelReads
from tinyworlds.evaluation.play_test.preparing import starts_of as starts_of_real
from tinyworlds.evaluation.play_test.real import RealPlay
from tinyworlds.evaluation.play_test.text import tables
from tinyworlds.evaluation.words import key_words
from tinyworlds.media.pixels import frames_to_input, input_to_frames
from tinyworlds.world.info import WorldInfo

NAMES = ("stay", "right", "left", "down")
KEYS = tuple(Key(name, action, action) for action, name in enumerate(NAMES))


class Deaf(FakeDynamics):
    """Everything stays, whatever is pressed."""

    def conditioning(self, action_ids, ids):
        return super().conditioning(None, ids)


def clips_of(seed: int, count: int = 120) -> Clips:
    actions = torch.randint(4, (count, 9), generator=torch.Generator().manual_seed(seed))
    actions = actions.repeat_interleave(3, dim=1)[:, :9]  # held for three frames each
    frames, _ = walk(count, 9, seed, actions)
    return Clips(input_to_frames(frames), actions, 10.0, "walks", torch.arange(count), NAMES)


@pytest.fixture(scope="module")
def judge():
    return make_judge(clips_of(0), clips_of(1), 4)


def starts_of(count: int = 4) -> Starts:
    frames, _ = walk(count, 3, 2)
    return Starts(input_to_frames(frames).numpy(), None, torch.arange(count))


def world_of(dynamics=FakeDynamics) -> World:
    return World(FakeTokenizer(), dynamics(), FakeActions(), info=WorldInfo(action_names=NAMES))


def test_a_reader_tells_the_keys_of_frames_it_has_not_seen(judge):
    assert min(judge.accuracy) > 0.95
    assert judge.change[0] == 0  # staying
    assert judge.change[1:] == pytest.approx([judge.change[1]] * 3)


@pytest.mark.slow
def test_what_was_tuned_is_measured_by_the_same_reader(monkeypatch):
    trained = []
    real = measure.train_reader
    monkeypatch.setattr(
        measure, "train_reader", lambda *args, **more: trained.append(1) or real(*args, **more)
    )
    measure._last_reader.clear()
    one = make_judge(clips_of(0), clips_of(1), 4)
    shares = []
    other = make_judge(clips_of(0), clips_of(2), 4, shares.append)
    assert other.reader is one.reader
    assert len(trained) == 1
    assert shares == [1.0]
    assert make_judge(clips_of(3), clips_of(1), 4).reader is not one.reader
    assert len(trained) == 2


def test_a_world_that_obeys_is_read_back_and_alive(judge):
    found, shown = play_test(world_of(), judge, KEYS, starts_of())
    assert len(found.read_back) == len(BANDS)
    assert min(figure.value for figure in found.read_back) > 0.95
    assert min(found.macro_f1) > 0.95
    for key in found.keys[1:]:
        assert key.life == pytest.approx([1.0] * 4, abs=0.02)
    figures = found.figures()
    assert figures["read_back_weakest"].value > 0.9
    assert figures["life_least"].value == pytest.approx(1, abs=0.02)
    assert figures["life_least_moving"].value == pytest.approx(1, abs=0.02)
    assert shown.held.shape == (4, 7, 16, 16, 3)


@pytest.mark.slow
def test_beside_a_game_that_stands_still_life_is_told_apart(judge):
    found, _ = play_test(world_of(), judge, KEYS, starts_of())
    still = replace(found.keys[0], change_game=(3.0, 0.001, 0.0, 0.2), life=(1.1, 80.0, math.nan, 0.9))
    play = replace(found, keys=(still,))
    figures = play.figures()
    assert figures["life_most"].value == 80.0
    assert (figures["life_least_moving"].value, figures["life_most_moving"].value) == (0.9, 1.1)
    assert key_words(play)[0].life == (0.9, 1.1)
    still = replace(still, change_game=(0.0,) * 4)
    assert key_words(replace(found, keys=(still,)))[0].life is None, "any flicker is many times nothing"


def test_a_deaf_world_is_read_as_one_key_and_dead(judge):
    found, _ = play_test(world_of(Deaf), judge, KEYS, starts_of())
    assert found.keys[0].read_back == pytest.approx([1.0] * 4, abs=0.02)
    for key in found.keys[1:]:
        assert max(key.read_back) == 0
        assert key.life == (0.0,) * 4
    assert [figure.value for figure in found.read_back] == pytest.approx([0.25] * 4, abs=0.01)
    assert max(found.macro_f1) < 0.15
    assert found.figures()["life_most"].value == 0


def test_a_key_that_lies_is_named_first(judge):
    """Left sends right, and nothing was found for down."""
    keys = (KEYS[0], Key("right", 1, 1, ("d",)), Key("left", 2, 1, ("a",)), Key("down", 3, None))
    found, _ = play_test(world_of(), judge, keys, starts_of())
    assert found.weakest.name in ("left", "down")
    first, second, *others = key_words(found)
    assert (first.does, first.share, first.verdict) == ("down", None, "nothing found for it")
    assert (second.name, second.verdict) == ("left (A)", "hardly works")
    right = next(key for key in others if key.does == "right")
    assert (right.keys, right.verdict) == ("D", "works")
    assert right.share == pytest.approx(1, abs=0.05)
    assert any("none found" in row for row in tables(found))


def test_a_key_that_fades_is_seen_in_its_band(judge):
    class Tiring(World):
        def session(self):
            own = super().session()
            own.steps = 0
            return own

        def step_many(self, action_ids):
            self.steps += 1
            return super().step_many(action_ids if self.steps <= 16 else [0] * len(action_ids))

    world = Tiring(FakeTokenizer(), FakeDynamics(), FakeActions(), info=WorldInfo(action_names=NAMES))
    found, _ = play_test(world, judge, KEYS, starts_of())
    assert found.keys[1].read_back[:2] == pytest.approx([1.0, 1.0], abs=0.05)
    assert found.keys[1].read_back[3] == 0
    assert found.keys[1].life[:2] == pytest.approx((1.0, 1.0), abs=0.05)
    assert found.keys[1].life[3] == 0


def test_without_true_actions_the_action_model_reads(judge):
    world = world_of()
    found, _ = play_test(world, judge, KEYS, starts_of(), reads=ActionModelReads(world))
    assert found.reader == "action model"
    assert [figure.value for figure in found.read_back] == [1.0] * 4


@pytest.mark.slow
def test_drift_of_a_true_world_lies_at_the_floor_and_of_a_dead_one_above(judge):
    segments = np.random.default_rng(0).integers(4, size=(50, 8))
    both = {
        name: play_test(
            world_of(kind), judge, KEYS, starts_of(), segments=segments, long_starts=starts_of(16)
        )
        for name, kind in (("true", FakeDynamics), ("dead", Deaf))
    }
    true, dead = both["true"][0], both["dead"][0]
    assert max(true.drift) < 4 * true.drift_floor
    assert min(dead.drift) > 4 * max(true.drift)
    assert true.figures()["drift_ratio"].value < 2
    assert both["true"][1].played.shape == (4, 6, 16, 16, 3)


def test_the_first_frames_shown_are_those_given_as_the_tokenizer_sees_them():
    starts = starts_of(2)
    shown = dream(world_of(), starts, np.zeros((2, 5), np.int64))
    assert shown.shape == (2, 7, 16, 16, 3)
    assert torch.equal(shown[:, :2], torch.from_numpy(starts.frames[:, -2:]))
    assert torch.equal(shown[:, 2:], shown[:, 1:2].expand(-1, 5, -1, -1, -1))


def test_bands_and_changes():
    values = torch.arange(1, 65).float()[None]
    assert by_band(values)[0].tolist() == [2.5, 10.5, 24.5, 48.5]
    frames = torch.zeros(1, 3, 2, 2, 3, dtype=torch.uint8)
    frames[0, 1] = 255
    assert change_of(frames).tolist() == [[255, 255]]


def test_macro_f1_counts_keys_that_are_read_for_others():
    """Two keys; the second is always read as the first: F1 of 2/3 and 0."""
    read = torch.zeros(2, 3, 64, dtype=torch.int64)
    assert macro_f1(read, KEYS[:2]) == pytest.approx([1 / 3] * 4)
    read[1] = 1
    assert macro_f1(read, KEYS[:2]) == (1.0,) * 4


def real_play(starts: Starts, deaf: bool = False) -> RealPlay:
    """The walk itself, held from the starts; ended after 20 frames in the first of them."""
    held, lived = {}, {}
    tokenizer = FakeTokenizer()
    for action, name in enumerate(NAMES):
        ids = [tokenizer.encode(frames_to_input(torch.from_numpy(starts.frames[:, -1:])))]
        for _ in range(64):
            ids.append(moved(ids[-1], 0 if deaf else action))
        held[name] = input_to_frames(tokenizer.decode(torch.cat(ids, dim=1)).clamp(-1, 1)).numpy()
        lived[name] = np.array([20, *[64] * (len(starts) - 1)])
        held[name][0, 21:] = 0
    return RealPlay(starts.frames, np.zeros((len(starts), 2), np.int64), NAMES, held, lived)


@pytest.mark.slow
def test_beside_the_real_game_life_is_measured_against_it(judge):
    """Frames after the end of an episode do not count: they are blank."""
    starts = starts_of()
    found, shown = play_test(world_of(), judge, KEYS, starts, real=real_play(starts))
    assert found.real
    for number in range(4):  # a start is shown from which the game goes on to the end, not the first
        assert torch.equal(shown.real[number], shown.held[number])
    for key in found.keys[1:]:
        assert key.life == pytest.approx([1.0] * 4, abs=0.02)
        assert min(key.read_real) > 0.95
    dead, _ = play_test(world_of(Deaf), judge, KEYS, starts, real=real_play(starts))
    assert [key.life for key in dead.keys[1:]] == [(0.0,) * 4] * 3
    lively, _ = play_test(world_of(), judge, KEYS, starts, real=real_play(starts, deaf=True))
    assert all(np.isnan(key.life).all() for key in lively.keys)  # the real game stands still: no ratio
    assert max(lively.keys[1].read_real) == 0
    assert "read in the real game, 1 to 4" in "\n".join(tables(found))


def test_starts_of_a_real_game_have_the_numbers_of_the_world():
    real = RealPlay(np.zeros((1, 3, 16, 16, 3), np.uint8), np.array([[0, 2]]), ("down", "up", "left"), {}, {})
    labels = World(FakeTokenizer(), FakeDynamics(), info=WorldInfo(actions="labels", action_names=NAMES))
    assert starts_of_real(labels, real, NAMES).actions.tolist() == [[3, 2]]
    assert starts_of_real(world_of(), real, NAMES).actions is None  # inferred, as at play
