"""Windows and the order of training batches, by arithmetic alone."""

import numpy as np
import pytest

from tinyworlds.data.sampler import TrainBatches
from tinyworlds.data.windows import Run, WindowIndex, find_runs


def test_runs_end_at_episodes_and_start_after_the_menu():
    ends = np.array([9, 19, 29])
    assert find_runs(0, ends) == [Run(0, 0, 10), Run(0, 10, 20), Run(0, 20, 30)]
    assert find_runs(0, ends, skip_frames=13) == [Run(0, 13, 20), Run(0, 20, 30)]
    assert find_runs(0, ends, skip_frames=30) == []


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
