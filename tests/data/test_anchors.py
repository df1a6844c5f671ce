"""Which recorded actions an action model is told of: stretches of training play, always the same ones."""

import shutil

import h5py
import numpy as np
import pytest

from tinyworlds.data import H5DataModule
from tinyworlds.data.anchors import choose_stretches, find_anchors, read_anchors
from tinyworlds.data.windows import Run
from tinyworlds.errors import DataError


def module_of(*files, **settings):
    return H5DataModule([str(file) for file in files], split="episode", cache=False, **settings)


def change_actions(path, change):
    with h5py.File(path, "r+") as file:
        stored = file["actions"][:]
        del file["actions"]
        if (changed := change(stored)) is not None:
            file["actions"] = changed


def test_a_small_share_is_the_beginnings_of_a_few_training_episodes(tiny_h5):
    data = module_of(tiny_h5)
    found = find_anchors(data, 0.1)  # of 300 frames
    [(name, stretches)] = found.stretches.items()
    assert name == tiny_h5.name
    assert sum(stop - start for start, stop in stretches) == 30
    assert len(stretches) == 4
    training = {run.start: run.stop for run in data.training_runs}
    assert all(start in training and stop <= training[start] for start, stop in stretches)


def test_everything_is_all_that_is_not_held_out_and_no_window_crosses_an_episode(tiny_h5):
    data = module_of(tiny_h5)
    found = find_anchors(data, 1.0)
    assert found.stretches[tiny_h5.name] == sorted((run.start, run.stop) for run in data.training_runs)
    assert len(found.actions) == sum(len(run) - 2 for run in data.training_runs)
    starts = [found.windows.index.locate(number)[1] for number in range(len(found.windows))]
    episodes = np.array(starts) // 30
    np.testing.assert_array_equal(episodes, (np.array(starts) + 2) // 30)


@pytest.mark.parametrize("fps", [15.0, 7.5])
def test_an_action_is_that_of_the_middle_frame(tiny_h5, fps):
    with h5py.File(tiny_h5) as file:
        actions = file["actions"][:]
    found = find_anchors(module_of(tiny_h5, fps=fps), 0.3)
    stride = round(15 / fps)
    for number in range(len(found.windows)):
        middle = found.windows.index.locate(number)[1] + stride
        assert found.actions[number] == actions[middle]  # of two, the first is held as long
    assert found.windows.num_frames == 3
    assert len(found.windows) == len(found.actions)


def test_draws_are_even_and_are_what_they_say(tiny_h5):
    found = find_anchors(module_of(tiny_h5), 0.5)
    frames, actions = found.draw(41)
    assert frames.shape == (41, 3, 16, 16, 3)
    counts = np.bincount(actions, minlength=4)
    assert counts.max() - counts.min() <= 1
    stored = {
        (found.windows[number]["frames"].numpy().tobytes(), int(found.actions[number]))
        for number in range(len(found.windows))
    }
    drawn = zip(frames.numpy(), actions.tolist(), strict=True)
    assert all((clip.tobytes(), action) in stored for clip, action in drawn)


def test_they_stay_when_files_are_renamed_or_others_join(tiny_h5, make_h5, tmp_path):
    renamed = shutil.copy(tiny_h5, tmp_path / "other_name.h5")
    more = make_h5("more.h5", seed=5)
    change_actions(more, lambda stored: None)
    alone = find_anchors(module_of(tiny_h5), 0.1)
    assert [*find_anchors(module_of(renamed), 0.1).stretches.values()] == [*alone.stretches.values()]
    assert find_anchors(module_of(more, tiny_h5), 0.1).stretches == alone.stretches


def test_held_out_labels_change_nothing(tiny_h5):
    before = find_anchors(module_of(tiny_h5), 1.0)
    training = np.concatenate([np.arange(run.start, run.stop) for run in module_of(tiny_h5).training_runs])

    def scrambled(stored):
        mixed = (stored + 1) % 4
        mixed[training] = stored[training]
        return mixed

    change_actions(tiny_h5, scrambled)
    after = find_anchors(module_of(tiny_h5), 1.0)
    np.testing.assert_array_equal(before.actions, after.actions)
    assert before.staying == after.staying


def test_unknown_actions_are_no_anchors(tiny_h5):
    change_actions(tiny_h5, lambda stored: np.where(np.arange(300) % 30 < 20, stored, -1))
    found = find_anchors(module_of(tiny_h5), 1.0)
    assert (found.actions < 0).any()
    assert found.counts.sum() == (found.actions >= 0).sum()
    assert (found.draw(50)[1] >= 0).all()


def test_without_actions_or_of_one_kind_nothing_can_be_anchored(tiny_h5):
    change_actions(tiny_h5, lambda stored: np.where(np.arange(300) % 30 < 6, 1, stored))
    with pytest.raises(DataError, match=r"label_share 0.08: the 16 recorded actions .* are all left"):
        find_anchors(module_of(tiny_h5), 0.08)
    change_actions(tiny_h5, lambda stored: None)
    with pytest.raises(DataError, match="holds no actions; add a recording"):
        find_anchors(module_of(tiny_h5), 0.5)


def test_stretches_go_round_until_it_is_enough():
    runs = [Run(0, 0, 50), Run(0, 50, 60), Run(1, 0, 200)]
    chosen = choose_stretches(runs, ["a", "b"], 160)
    assert sum(map(len, chosen)) == 160
    assert {(run.file, run.start) for run in chosen} == {(0, 0), (0, 50), (1, 0)}
    assert choose_stretches(runs, ["a", "b"], 10_000) == runs
    assert choose_stretches(runs, ["a", "b"], 0) == []


@pytest.mark.parametrize(
    "noted", [None, 3, {}, {"names": ["a"], "counts": []}, {"names": [1], "counts": [1]}, {"names": "ab"}]
)
def test_what_a_stranger_notes_is_read_or_left(noted):
    assert read_anchors(noted) is None


def test_what_is_noted_reads_back(tiny_h5):
    found = find_anchors(module_of(tiny_h5), 0.2)
    noted = read_anchors(found.to_plain())
    assert noted.names == found.names == ("noop", "left", "right", "up")
    np.testing.assert_array_equal(noted.counts, found.counts)
