"""Splits: what was held out is never trained on later, whatever is added; what was trained on is known."""

import shutil
from itertools import product

import h5py
import numpy as np
import pytest
from gameplay_files import write_gameplay

from tinyworlds.data import FrameWriter, H5DataModule
from tinyworlds.data.optimize import optimize
from tinyworlds.data.reader import FrameFile
from tinyworlds.data.splits import KINDS, SPLITS, check_split, deal
from tinyworlds.data.trained_on import (
    Recording,
    TrainedOn,
    identity_of,
    merged,
    read_trained_on,
    without,
)
from tinyworlds.data.windows import Run
from tinyworlds.errors import ConfigError, DataError

STABLE = ("time", "episode")
SHARES = [(0.1, 0.1), (0.3, 0.2), (0.0, 0.25), (0.25, 0.0)]


def dealt(ends, by, val=0.1, test=0.1, skip=0, key="a"):
    return deal([key], [np.asarray(ends)], by, val, test, skip)


def frames(found, split, file=0):
    return {i for run in found.runs[split] if run.file == file for i in range(run.start, run.stop)}


def held_out(found, file=0):
    return frames(found, "val", file) | frames(found, "test", file)


def some_ends(seed, episodes, longest=60):
    return np.cumsum(np.random.default_rng(seed).integers(1, longest, episodes)) - 1


# ---- the deal


OLD = [("old_time", (0.1, 0.1)), ("old_episode", (0.1, 0.1))]


@pytest.mark.parametrize(("by", "shares"), [*product(STABLE, SHARES), *OLD])
def test_every_frame_is_in_one_split(by, shares):
    ends = [np.arange(24, 500, 25), np.array([99, 299]), np.array([899])]
    found = deal(["a", "b", "c"], ends, by, *shares, skip_frames=7)
    every = [(run.file, i) for name in SPLITS for run in found.runs[name] for i in range(run.start, run.stop)]
    assert len(every) == len(set(every))
    assert set(every) == {(file, i) for file, own in enumerate(ends) for i in range(7, own[-1] + 1)}
    for run in [run for name in SPLITS for run in found.runs[name]]:
        assert not {*ends[run.file].tolist()} & {*range(run.start, run.stop - 1)}, (
            "no run goes on into the next"
        )
    for name, share in zip(("val", "test"), shares, strict=True):
        assert bool(found.runs[name]) == bool(share)


@pytest.mark.parametrize(("by", "shares"), [*product(STABLE, SHARES)])
@pytest.mark.parametrize("key", ["a", "b", "c", "d"])
def test_what_was_held_out_is_never_trained_on_when_episodes_are_added(by, shares, key):
    """From the first episode to the fortieth, one by one."""
    ends = some_ends(3, 40)
    before: set = set()
    for episodes in range(1, len(ends) + 1):
        found = dealt(ends[:episodes], by, *shares, key=key)
        assert not before & frames(found, "train"), episodes
        if by == "time" or episodes > 3:  # nothing moves at all
            assert not (set(range(int(ends[episodes - 2]) + 1)) - before) & held_out(found) or episodes < 2
        before = held_out(found)


@pytest.mark.parametrize("by", STABLE)
@pytest.mark.parametrize("episodes", [1, 2])
def test_what_was_held_out_is_never_trained_on_when_an_episode_grows(by, episodes):
    """A file whose ends are not marked is one long episode, and longer each time."""
    before: set = set()
    for last in range(5, 700, 7):
        ends = [last] if episodes == 1 else [4, last]
        found = dealt(ends, by)
        assert not before & frames(found, "train"), last
        before = held_out(found)


@pytest.mark.parametrize("by", STABLE)
def test_other_skipped_frames_move_nothing(by):
    ends = some_ends(5, 25)
    whole = dealt(ends, by)
    for skip in (0, 1, 30, 99, 400):
        found = dealt(ends, by, skip=skip)
        for name in SPLITS:
            assert frames(found, name) == {i for i in frames(whole, name) if i >= skip}


@pytest.mark.parametrize("by", STABLE)
def test_other_files_and_their_order_move_nothing(by):
    ends = {key: some_ends(seed, 12) for seed, key in enumerate("abcd")}
    alone = {key: dealt(own, by, key=key) for key, own in ends.items()}
    for order in ("ab", "ba", "dbca", "c"):
        found = deal(list(order), [ends[key] for key in order], by, 0.1, 0.1)
        for number, key in enumerate(order):
            for name in SPLITS:
                assert frames(found, name, number) == frames(alone[key], name)


@pytest.mark.parametrize("key", ["a", "b", "c", "d", "e"])
def test_whole_episodes_are_held_out_where_there_are_three(key):
    for episodes in (3, 10, 60):
        ends = np.arange(1, episodes + 1) * 30 - 1
        found = dealt(ends, "episode", key=key)
        assert not found.by_time
        assert all(len(run) == 30 for name in SPLITS for run in found.runs[name])
        assert {name: bool(found.runs[name]) for name in SPLITS} == dict.fromkeys(SPLITS, True)
        if episodes >= 10:
            for name in ("val", "test"):
                assert len(found.runs[name]) <= episodes * 0.1 + 1
    assert dealt([29, 59], "episode", key=key).by_time == {0}
    assert not dealt([29, 59], "episode", 0.0, 0.1, key=key).by_time


@pytest.mark.parametrize("by", STABLE)
@pytest.mark.parametrize("num_frames", [40, 100, 300, 1000, 20_000])
def test_every_split_has_its_share_however_small_the_file(by, num_frames):
    for key in map(str, range(30)):
        found = dealt([num_frames - 1], by, key=key)
        assert found.by_time == {0}
        for name in ("val", "test"):
            assert max(map(len, found.runs[name])) >= 4
            assert 0.06 <= len(frames(found, name)) / num_frames <= 0.14


def test_the_hash_is_of_the_file():
    places = {tuple(sorted(frames(dealt([999], "time", key=key), "test"))) for key in "abcdefgh"}
    assert len(places) == 8


def test_the_deals_of_earlier_versions():
    runs = dealt([99], "old_time", 0.1, 0.2).runs
    assert runs == {"train": [Run(0, 0, 70)], "val": [Run(0, 70, 80)], "test": [Run(0, 80, 100)]}
    runs = deal(["a", "b"], [np.array([99]), np.array([149])], "old_time", 0.1, 0.2, 50).runs
    assert runs["test"] == [Run(0, 90, 100), Run(1, 130, 150)]
    found = dealt(np.arange(9, 200, 10), "old_episode", 0.1, 0.2).runs
    assert [run.start for run in found["val"]] == [40, 190]
    assert [run.start for run in found["test"]] == [20, 60, 130, 160]
    with pytest.raises(DataError, match=r"--data\.split time"):
        dealt([99, 199], "old_episode")


@pytest.mark.parametrize(
    ("by", "val", "test"), [("frame", 0.1, 0.1), ("time", 0.6, 0.4), ("episode", -0.1, 0.1)]
)
def test_bad_split_settings(by, val, test):
    with pytest.raises(ConfigError):
        check_split(by, val, test)


# ---- a recording is known by its frames


def append(path, out, num_frames):
    """The same recording with more frames behind it, stored anew."""
    file = FrameFile(path)
    with FrameWriter(out, 16, 16, 15.0, action_names=("a",)) as writer:
        ends = set(file.episode_ends.tolist())
        for i in range(len(file)):
            writer.append(file.frames(i, 1)[0], episode_end=i in ends)
        for i in range(num_frames):
            writer.append(np.full((16, 16, 3), i % 256, np.uint8))
    return out


@pytest.mark.parametrize("by", STABLE)
def test_copies_and_longer_files_are_the_same_recording(tiny_h5, tmp_path, by, monkeypatch):
    monkeypatch.setattr("tinyworlds.data.optimize._MEASURE_S", 0.01)
    first = H5DataModule(str(tiny_h5), split=by, cache=False)
    noted = first.trained_on()
    others = [
        shutil.copy(tiny_h5, tmp_path / "renamed.hdf5"),
        optimize(tiny_h5, tmp_path / "raw.h5", raw=True, progress=False).path,
        append(tiny_h5, tmp_path / "longer.h5", 50),
    ]
    for other in others:
        module = H5DataModule(str(other), split=by, cache=False, skip_frames=3)
        again = module.trained_on()
        assert again.recordings[0].is_of(noted.recordings[0].identity)
        assert module.count_trained(noted)[0] == 0
        assert first.count_trained(again)[0] == 0


def test_another_recording_is_another(make_h5):
    first, second = (identity_of(FrameFile(make_h5(f"{seed}.h5", seed=seed))) for seed in (0, 1))
    assert not Recording("a", first, ()).is_of(second)
    assert Recording("a", first[:1], ()).is_of(first), "a file of seven frames may be its beginning"


def held_out_of(module):
    indices = [module.dataset(name, 1).index for name in ("val", "test") if module.num_windows(name, 1)]
    return {index.locate(i)[1] for index in indices for i in range(len(index))}


def test_frames_trained_on_under_another_deal_are_counted_and_left_out(tiny_h5):
    noted = H5DataModule(str(tiny_h5), split="old_time", cache=False).trained_on()
    module = H5DataModule(str(tiny_h5), split="episode", cache=False)
    module.setup("fit")
    held = held_out_of(module)
    assert module.count_trained(noted) == (len({i for i in held if i < 240}), len(held))
    module.leave_out(noted)
    assert module.count_trained(noted)[0] == 0
    assert held_out_of(module) == {i for i in held if i >= 240}


def test_what_is_noted_adds_up_over_deals_and_survives_plain_values(tiny_h5):
    one = H5DataModule(str(tiny_h5), split="old_time", cache=False).trained_on()
    two = H5DataModule(str(tiny_h5), split="episode", cache=False).trained_on()
    assert one.fingerprint != two.fingerprint
    both = two.after(one)
    assert both.whole
    assert not two.after(None).whole
    wanted = merged([*one.recordings[0].trained, *two.recordings[0].trained])
    assert both.ranges_of(one.recordings[0].identity) == wanted
    again = read_trained_on(both.to_plain())
    assert again is not None
    assert (again.recordings, again.fingerprint) == (both.recordings, both.fingerprint)


GOOD = {"settings": {}, "whole": True, "files": [{"name": "a", "identity": ["0" * 12], "trained": [[0, 5]]}]}


@pytest.mark.parametrize(
    "bad",
    [
        None, 7, "text", [], {}, {**GOOD, "files": 3}, {**GOOD, "settings": []}, {**GOOD, "whole": "yes"},
        *({**GOOD, "files": [{**GOOD["files"][0], **part}]} for part in (
            {"name": 3}, {"identity": []}, {"identity": "0" * 12}, {"identity": [5]},
            {"identity": ["0" * 12] * 9}, {"trained": [[5, 5]]}, {"trained": [[-1, 5]]},
            {"trained": [[0, 2**60]]}, {"trained": [[0.0, 5.0]]},
            {"trained": [[0]]}, {"trained": 5}, {"trained": [[True, 5]]},
        )),
    ],
)  # fmt: skip
def test_damaged_notes_say_nothing(bad):
    assert read_trained_on(GOOD) is not None
    assert read_trained_on(bad) is None


def test_ranges():
    assert merged([(5, 7), (0, 2), (1, 3), (3, 4)]) == ((0, 4), (5, 7))
    assert without(0, 10, ((2, 3), (5, 20))) == ((0, 2), (3, 5))
    assert without(4, 6, ((0, 5),)) == ((5, 6),)
    assert without(4, 6, ((0, 9),)) == ()
    assert without(4, 6, ((0, 4), (6, 9))) == ((4, 6),)


# ---- in words


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"split": "episode"}, "whole episodes"),
        ({"split": "time"}, "stretches of time"),
        ({"split": "old_time"}, "the end of each file"),
        ({"split": "old_episode"}, "whole episodes"),
    ],
)
def test_the_words_are_those_of_the_deal(tiny_h5, settings, words):
    assert H5DataModule(str(tiny_h5), cache=False, **settings).what_is_held_out == words


def test_a_file_with_too_few_episodes_is_dealt_by_time_and_says_so(make_h5, tiny_h5):
    few = make_h5("few.h5", num_episodes=2, episode_length=300)
    module = H5DataModule([str(few), str(tiny_h5)], split="episode", cache=False)
    with pytest.warns(
        UserWarning, match=r"few\.h5: too few episodes to hold out whole ones; stretches of time"
    ):
        module.setup("fit")
    assert module.what_is_held_out == "whole episodes and stretches of time"
    assert set(KINDS) == {"time", "episode", "old_time", "old_episode"}


def test_two_files_that_begin_alike_are_dealt_alike_but_apart(tmp_path):
    """The first frame of all recordings of a game may be the same; the rest tells them apart."""
    paths = []
    for seed in (1, 2):
        path = write_gameplay(tmp_path / f"{seed}.h5", seed=seed)
        with h5py.File(path, "r+") as file:
            file["frames"][0] = 0
        paths.append(str(path))
    module = H5DataModule(paths, split="episode", cache=False)
    one, two = module.trained_on().recordings
    assert one.identity[0] == two.identity[0]
    assert not one.is_of(two.identity)
    assert module.count_trained(TrainedOn({}, (one, two)))[0] == 0
