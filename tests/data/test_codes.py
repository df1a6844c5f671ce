"""Codes files at rest: the content hash, the part file that goes on after a kill, reading windows."""

import pickle
import shutil

import h5py
import numpy as np
import pytest

from tinyworlds.data import H5DataModule
from tinyworlds.data.codes import CodesFile
from tinyworlds.data.codes_part import CodesPart, rows_done
from tinyworlds.data.content import sampled_hash
from tinyworlds.errors import DataError

MIB = 2**20

# ---- the content hash


def test_content_survives_moving_and_copying(tiny_h5, tmp_path):
    before = sampled_hash(tiny_h5)
    copy = shutil.copy(tiny_h5, tmp_path / "copy.h5")
    assert sampled_hash(copy) == before
    assert sampled_hash(tiny_h5.rename(tmp_path / "moved.h5")) == before


@pytest.mark.parametrize("size", [0, 1, 100_000, 3 * MIB, 9 * MIB])
def test_content_changes_with_size_and_both_ends(tmp_path, size):
    path = tmp_path / "file"
    content = bytearray(np.random.default_rng(0).bytes(size))
    path.write_bytes(content)
    hashes = {sampled_hash(path)}
    path.write_bytes(content + b"\0")
    hashes.add(sampled_hash(path))
    places = [0, size // 2, size - 1] if 0 < size <= 4 * MIB else [0, size - 1] if size else []
    for place in {*places}:
        changed = bytearray(content)
        changed[place] ^= 1
        path.write_bytes(changed)
        hashes.add(sampled_hash(path))
    assert len(hashes) == 2 + len({*places})


# ---- the part file

SHAPES = {"ids": (10, 3, 4), "action_ids": (10, 2)}


def rows(start, stop):
    numbers = np.arange(start, stop)
    return {
        "ids": numbers[:, None, None] * 100 + np.arange(12).reshape(3, 4),
        "action_ids": numbers[:, None] + np.arange(2),
    }


def test_a_part_goes_on_where_it_was_marked(tmp_path):
    path = tmp_path / "codes.part"
    starts = np.arange(10) * 2
    assert rows_done(path) == 0
    with CodesPart(path, SHAPES, starts, {"tokenizer": "abc"}) as part:
        part.append(rows(0, 4))
    assert rows_done(path) == 4
    with CodesPart(path, SHAPES, starts) as part:
        assert part.done == 4
        part.append(rows(4, 5))
        part.append(rows(5, 10))
    with h5py.File(path) as file:
        assert file.attrs["tokenizer"] == "abc"
        for name, values in rows(0, 10).items():
            assert file[name].dtype == np.int16
            np.testing.assert_array_equal(file[name], values)


def test_only_marked_rows_count(tmp_path):
    path = tmp_path / "codes.part"
    part = CodesPart(path, SHAPES)
    part.append(rows(0, 4))  # as after a kill: written, perhaps, but not marked
    assert rows_done(path) == 0
    part.__exit__()
    assert rows_done(path) == 4


@pytest.mark.parametrize("content", [b"", b"no HDF5 at all", None])
def test_a_part_that_cannot_be_continued_is_begun_again(tmp_path, content):
    path = tmp_path / "codes.part"
    with CodesPart(path, {"ids": (9, 4)}) as part:
        part.append({"ids": np.ones((3, 4))})
    if content is not None:
        path.write_bytes(content)
    with CodesPart(path, SHAPES) as part:
        assert part.done == 0


# ---- reading


@pytest.fixture
def window_codes(tmp_path):
    with CodesPart(tmp_path / "codes.h5", SHAPES, np.array([0, 1, 2, 3, 4, 20, 21, 22, 30, 31])) as part:
        part.append(rows(0, 10))
    return tmp_path / "codes.h5"


def test_windows_are_found_by_their_first_frame(window_codes):
    codes = pickle.loads(pickle.dumps(CodesFile(window_codes, 99, num_frames=3, stride=2)))
    assert codes.has_actions
    for row, start in [(0, 0), (5, 20), (9, 31)]:
        np.testing.assert_array_equal(codes.ids(start), rows(row, row + 1)["ids"][0])
        np.testing.assert_array_equal(codes.action_ids(start), rows(row, row + 1)["action_ids"][0])
    for missing in (5, 19, 32):
        with pytest.raises(DataError, match=f"no codes of the window at frame {missing}; delete it"):
            codes.ids(missing)


def test_codes_of_other_windows_do_not_fit(window_codes):
    with pytest.raises(DataError, match=r"\[10, 3, 4\], not \[10,4,P\]"):
        CodesFile(window_codes, 99, num_frames=4, stride=2)


@pytest.mark.parametrize("settings", [{}, {"split": "episode"}, {"skip_frames": 37}, {"fps": 7.5}])
def test_starts_are_those_that_the_loaders_draw(make_h5, settings):
    files = [str(make_h5("a.h5")), str(make_h5("b.h5", num_episodes=7, episode_length=21))]
    data = H5DataModule(files, **settings)
    data.setup("fit")
    drawn = set()
    for loader in (data.train_dataloader(), data.val_dataloader()):
        index = loader.dataset.index
        drawn |= {index.locate(number) for number in range(len(index))}
    for file in (0, 1):
        starts = data.window_starts(file).tolist()
        assert starts == sorted({start for number, start in drawn if number == file})
