"""Windows, splits and the order of training batches, by arithmetic alone."""

import numpy as np
import pytest

from tinyworlds.data.sampler import TrainBatches
from tinyworlds.data.windows import Run, WindowIndex, find_runs, split_runs
from tinyworlds.errors import ConfigError, DataError


def frames_of(runs):
    return [(run.file, i) for run in runs for i in range(run.start, run.stop)]


def test_runs_end_at_episodes_and_start_after_the_menu():
    ends = np.array([9, 19, 29])
    assert find_runs(0, ends) == [Run(0, 0, 10), Run(0, 10, 20), Run(0, 20, 30)]
    assert find_runs(0, ends, skip_frames=13) == [Run(0, 13, 20), Run(0, 20, 30)]
    assert find_runs(0, ends, skip_frames=30) == []


@pytest.mark.parametrize("by", ["time", "episode"])
@pytest.mark.parametrize(("val", "test"), [(0.1, 0.1), (0.3, 0.2), (0.0, 0.25), (0.0, 0.0)])
def test_no_frame_is_in_two_splits_and_none_is_lost(by, val, test):
    runs = find_runs(0, np.arange(24, 500, 25), 7) + find_runs(1, np.array([99, 299]))
    splits = split_runs(runs, by, val, test)
    everything = [frame for split in splits.values() for frame in frames_of(split)]
    assert sorted(everything) == sorted(frames_of(runs))
    assert len(set(everything)) == len(everything)
    for name, share in {"val": val, "test": test}.items():
        assert bool(splits[name]) == bool(share)


def test_by_time_every_file_is_split_in_order():
    splits = split_runs([Run(0, 0, 100), Run(1, 50, 150)], "time", 0.1, 0.2)
    assert splits["train"] == [Run(0, 0, 70), Run(1, 50, 120)]
    assert splits["val"] == [Run(0, 70, 80), Run(1, 120, 130)]
    assert splits["test"] == [Run(0, 80, 100), Run(1, 130, 150)]


def test_by_episode_runs_stay_whole_and_the_draw_is_fixed():
    runs = [Run(0, i * 10, i * 10 + 10) for i in range(20)]
    splits = split_runs(runs, "episode", 0.1, 0.2)
    assert [len(splits[name]) for name in ("train", "val", "test")] == [14, 2, 4]
    assert all(run in runs for split in splits.values() for run in split)
    assert splits == split_runs(runs, "episode", 0.1, 0.2)


def test_too_few_episodes():
    with pytest.raises(DataError, match=r"--data\.split time"):
        split_runs([Run(0, 0, 100), Run(0, 100, 200)], "episode", 0.1, 0.1)


@pytest.mark.parametrize(
    ("by", "val", "test"), [("frame", 0.1, 0.1), ("time", 0.6, 0.4), ("time", -0.1, 0.1)]
)
def test_bad_split_settings(by, val, test):
    with pytest.raises(ConfigError):
        split_runs([Run(0, 0, 100)], by, val, test)


@pytest.mark.parametrize(("num_frames", "stride"), [(1, 1), (4, 1), (4, 3), (10, 1)])
def test_the_index_lists_exactly_the_windows_inside_runs(num_frames, stride):
    runs = [Run(0, 3, 13), Run(0, 13, 15), Run(1, 0, 31)]
    index = WindowIndex(runs, num_frames, [stride, stride])
    span = (num_frames - 1) * stride + 1
    expected = [(r.file, s) for r in runs for s in range(r.start, r.stop) if s + span <= r.stop]
    assert [index.locate(i) for i in range(len(index))] == expected
    for number in (-1, len(index)):
        with pytest.raises(IndexError):
            index.locate(number)


def test_evaluation_windows_share_no_frame():
    index = WindowIndex([Run(0, 0, 50), Run(0, 50, 90)], 4, [3], spread=True)
    starts = [index.locate(i)[1] for i in range(len(index))]
    frames = [start + 3 * t for start in starts for t in range(4)]
    assert len(set(frames)) == len(frames)
    assert starts == [0, 10, 20, 30, 40, 50, 60, 70, 80]


def test_files_may_have_different_strides():
    index = WindowIndex([Run(0, 0, 10), Run(1, 0, 10)], 3, [1, 4])
    assert [index.locate(i) for i in range(len(index))] == [(0, s) for s in range(8)] + [(1, 0), (1, 1)]


def test_no_runs_no_windows():
    assert len(WindowIndex([], 4, [1])) == 0
    assert len(WindowIndex([Run(0, 0, 3)], 4, [1])) == 0


# ---- order of batches


def test_a_batch_depends_on_seed_and_number_only():
    one, other = (TrainBatches(100, 8, num_batches=10, seed=3) for _ in range(2))
    straight = [one.batch(k) for k in range(40)]
    assert [other.batch(k) for k in reversed(range(40))] == straight[::-1]
    assert TrainBatches(100, 8, 10, seed=4).batch(0) != straight[0]


def test_every_window_once_per_pass():
    batches = TrainBatches(100, 8, num_batches=25)
    drawn = [window for k in range(25) for window in batches.batch(k)]
    assert sorted(drawn[:100]) == list(range(100))
    assert sorted(drawn[100:]) == list(range(100))
    assert drawn[:100] != drawn[100:]


def test_ranks_share_one_sequence():
    alone = TrainBatches(100, 8, num_batches=10, seed=1)
    ranks = [TrainBatches(100, 4, num_batches=10, seed=1, rank=rank, world_size=2) for rank in range(2)]
    for k in range(30):
        assert ranks[0].batch(k) + ranks[1].batch(k) == alone.batch(k)


def test_fewer_windows_than_a_batch():
    assert sorted(set(TrainBatches(3, 8, num_batches=1).batch(0))) == [0, 1, 2]


def test_an_epoch_starts_where_the_trainer_stands():
    position = 0
    batches = TrainBatches(100, 8, num_batches=10, position=lambda: position)
    assert len(batches) == 10
    position = 7
    assert list(batches) == [batches.batch(k) for k in range(7, 17)]
