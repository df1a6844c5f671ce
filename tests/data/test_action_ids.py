"""True actions as people have them: numbered by what occurs, never sized by the largest id."""

import h5py
import numpy as np
import pytest

from tinyworlds.data.action_ids import (
    MAX_ACTIONS,
    UNKNOWN,
    common_names,
    held_actions,
    labels_of,
    share_changing,
)
from tinyworlds.data.collection import Collection
from tinyworlds.data.inspect import inspect_file
from tinyworlds.data.module import H5DataModule
from tinyworlds.data.reader import FrameFile
from tinyworlds.errors import DataError

KEYS = np.array([0, 3, 1, 3, 0, 1])
ONE_HOT = np.eye(4)[KEYS]


def gameplay(path, actions, names=None, count=120, **options):
    with h5py.File(path, "w") as file:
        file["frames"] = np.random.default_rng(0).integers(0, 255, (count, 8, 8, 3), np.uint8)
        file.create_dataset("actions", data=actions, **options)
        if names is not None:
            file.attrs["action_names"] = names
    return path


KINDS = {
    "from zero": (np.array([1, 0, 2, 1]), [1, 0, 2, 1], ["action 0", "action 1", "action 2"]),
    "gaps": (np.array([7, 0, 7, 40]), [1, 0, 1, 2], ["action 0", "action 7", "action 40"]),
    "bit masks": (1 << np.array([39, 3, 3, 0]), [2, 1, 1, 0], ["action 1", "action 8", f"action {1 << 39}"]),
    "uint64": (np.array([2**64 - 1, 5, 5, 2**63], np.uint64), [2, 0, 0, 1],
               ["action 5", f"action {2**63}", f"action {2**64 - 1}"]),
    "unknown": (np.array([-1, 3, 0, -7]), [-1, 1, 0, -1], ["action 0", "action 3"]),
    "nothing known": (np.array([-1, -1]), [-1, -1], []),
    "truth values": (np.array([True, False]), [1, 0], ["action 0", "action 1"]),
    "whole floats": (np.array([2.0, 0.0, np.nan], np.float32), [1, 0, -1], ["action 0", "action 2"]),
    "a column": (np.array([[4], [0]]), [1, 0], ["action 0", "action 4"]),
    "one-hot": (ONE_HOT[:3], [0, 2, 1], ["action 0", "action 1", "action 3"]),
    "one-hot bool": (ONE_HOT[:3].astype(bool), [0, 2, 1], ["action 0", "action 1", "action 3"]),
    "switches": (np.array([[1, 1], [0, 0], [1, 1]]), [1, 0, 1], ["action 0,0", "action 1,1"]),
    "rows": (np.array([[2, -1], [0, 5], [2, -1]]), [1, 0, 1], ["action 0,5", "action 2,-1"]),
    "texts": (np.array(["right", "left", "", "right"]), [1, 0, -1, 1], ["left", "right"]),
    "bytes": (np.array([b"b", b"a"]), [1, 0], ["a", "b"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_occurs_is_numbered(kind):
    stored, ids, names = KINDS[kind]
    labels = labels_of(stored)
    assert labels.ids.tolist() == ids
    assert labels.ids.dtype == np.int64
    assert list(labels.names) == names


@pytest.mark.parametrize(
    ("stored", "names", "ids", "told"),
    [
        ([2, 0, 2], ["noop", "left", "right"], [2, 0, 2], ["noop", "left", "right"]),
        ([9, 0, 1], ["noop", "left"], [2, 0, 1], ["noop", "left", "action 9"]),
        ([1, 0], ["fire", "fire"], [1, 0], ["fire", "fire (1)"]),
        (ONE_HOT[:2], ["a", "b", "c", "d"], [0, 3], ["a", "b", "c", "d"]),
        ([[1, 1], [0, 0], [0, 1]], ["left", "fire"], [2, 0, 1], ["none", "fire", "left+fire"]),
    ],
)
def test_named_actions_keep_their_ids(stored, names, ids, told):
    labels = labels_of(np.array(stored), names)
    assert labels.ids.tolist() == ids
    assert list(labels.names) == told


@pytest.mark.parametrize(
    ("stored", "why"),
    [
        (np.linspace(-1, 1, 50), "not whole numbers"),
        (np.array([0.0, np.inf]), "not whole numbers"),
        (np.random.default_rng(0).normal(size=(50, 2)), "not whole numbers"),
        (np.arange(MAX_ACTIONS + 1), "1,025 different"),
        (np.stack([np.arange(MAX_ACTIONS + 1)] * 2, 1), "1,025 different"),
    ],
)
def test_measures_are_no_actions(tmp_path, stored, why):
    with pytest.raises(DataError, match=why):
        labels_of(stored)
    path = gameplay(tmp_path / "a.h5", stored, count=len(stored))
    assert why in " ".join(inspect_file(str(path)).notes)
    assert inspect_file(str(path)).actions is None
    with pytest.warns(UserWarning, match=f"{why}.*without actions"):
        collection = Collection([str(path)], None, None, 0, "time", 0.1, 0.1)
    assert collection.files[0].actions is None
    assert collection.action_names == ()


def test_files_share_their_numbers(tmp_path):
    cycle = lambda *ids: np.resize(ids, 120)  # noqa: E731
    files = [
        gameplay(tmp_path / "a.h5", cycle(8, 0)),
        gameplay(tmp_path / "b.h5", cycle(4, -1, 8)),
    ]
    module = H5DataModule([str(file) for file in files])
    assert module.action_names == ("action 0", "action 4", "action 8")
    assert module.frame_files[0].actions[:2].tolist() == [2, 0]
    assert module.frame_files[1].actions[:3].tolist() == [1, UNKNOWN, 2]
    named = [
        gameplay(tmp_path / "c.h5", cycle(0, 1), '["noop", "left"]'),
        gameplay(tmp_path / "d.h5", cycle(0, 1, 2), '["left", "jump", "noop"]'),
        gameplay(tmp_path / "e.h5", cycle(1, 5)),
    ]
    module = H5DataModule([str(file) for file in named])
    assert module.action_names == ("noop", "left", "jump", "action 5")
    assert module.frame_files[1].actions[:3].tolist() == [1, 2, 0]
    assert module.frame_files[2].actions[:2].tolist() == [1, 3]
    assert common_names([]) == ()


def test_names_of_a_title_stand_for_those_a_file_lacks(tmp_path):
    path = gameplay(tmp_path / "a.h5", np.resize([2, 0], 120))
    module = H5DataModule(str(path), game="pong")
    assert module.action_names[:3] == ("noop", "right", "left")
    assert module.frame_files[0].actions[:2].tolist() == [2, 0]


def test_shares_of_what_occurs(tmp_path):
    found = inspect_file(str(gameplay(tmp_path / "a.h5", np.resize([1 << 39, -1, 1, 1], 120))))
    assert found.actions == {"action 1": 0.5, f"action {1 << 39}": 0.25, "unknown": 0.25}
    assert "unknown" in " ".join(found.notes)


@pytest.mark.parametrize("labels", [np.array(["a", "b"] * 60, dtype=object), np.array([b"a", b"b"] * 60)])
def test_texts_in_files(tmp_path, labels):
    assert FrameFile(gameplay(tmp_path / "a.h5", labels)).labels.names == ("a", "b")


def test_labels_that_a_network_cannot_be_trained_on(tmp_path):
    module = H5DataModule(str(gameplay(tmp_path / "a.h5", np.resize([0, 4, 9], 120))))
    module.check_labels(len(module.action_names))
    with pytest.raises(DataError, match=r"3 actions .*knows 2; set --model\.num_actions 3"):
        module.check_labels(2)
    module = H5DataModule(str(gameplay(tmp_path / "b.h5", np.resize([0, -1], 120))))
    with pytest.raises(DataError, match="action of 60 of its 120 frames"):
        module.check_labels(4)
    module.number_actions(["action 1", "action 0"])  # a world may have met them in another order
    assert module.frame_files[0].actions[:2].tolist() == [1, UNKNOWN]
    module.number_actions(["other"])
    assert module.action_names == ("action 1", "action 0")


@pytest.mark.parametrize(
    ("stored", "stride", "held"),
    [
        ([4, 5, 6], 1, [4, 5, 6]),
        ([1, 0, 0, 0, 2, 2, 2, 0], 4, [0, 2]),  # the first of them is a rest of what was held before
        ([3, 3, 1, 1], 4, [3]),  # of equals the one that shows longest
        ([1, 2, 1, 2, 2, 1], 2, [1, 1, 2]),
        ([1, 2, 3, 3, 2, 2], 6, [2]),
        ([UNKNOWN, UNKNOWN, 7, 7, 7, 7], 3, [UNKNOWN, 7]),
        ([1, 2, 2, 2, 5], 3, [2, 5]),  # the file ends within the last step
    ],
)
def test_the_action_of_a_step_is_the_one_held_longest(stored, stride, held):
    assert held_actions(np.array([9, *stored]), 1, len(held), stride).tolist() == held


def test_how_many_steps_change_their_action():
    stored = np.array([0, 0, 1, 1, 1, 1, 0, 0])
    assert share_changing(stored, np.array([7]), 1) == 0
    assert share_changing(stored, np.array([7]), 2) == pytest.approx(2 / 6)
    assert share_changing(stored, np.array([1, 5, 7]), 2) == 0  # every change is an episode's end
    assert share_changing(stored, np.array([7]), 8) == 0
    assert share_changing(None, np.array([7]), 4) == 0


def test_windows_of_every_second_frame_have_the_held_action_and_say_so_once(tmp_path, recwarn):
    held = np.repeat(np.arange(30) % 3, 4)  # a key changes in the middle of every second step
    path = gameplay(tmp_path / "a.h5", np.roll(held, 1))
    module = H5DataModule([str(path)], num_frames=3, fps=15, skip_frames=0)
    batch = module.dataset("train")[0]
    assert batch["actions"].tolist() == [0, 1, 2]
    for _ in range(2):
        module.check_labels(len(module.action_names))
    (warning,) = recwarn
    assert str(path) in str(warning.message)
    assert "steps over 4 stored frames the action changes" in str(warning.message)
