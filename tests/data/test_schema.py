"""What a gameplay file must hold, and what is said where it does not."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from tinyworlds.data.schema import read_info
from tinyworlds.errors import DataError, MissingFileError


def h5(path: Path, **datasets) -> Path:
    with h5py.File(path, "w") as file:
        for name, value in datasets.items():
            file[name] = value
    return path


def blank(count=8, size=4):
    return np.zeros((count, size, size, 3), np.uint8)


def test_facts_of_a_full_file(tiny_h5):
    info = read_info(tiny_h5)
    assert (info.num_frames, info.height, info.width, info.fps) == (300, 16, 16, 15.0)
    assert info.has_actions
    assert info.has_rewards
    assert info.has_episodes
    assert info.action_names == ("noop", "left", "right", "up")
    assert info.schema_version == 1
    assert info.chunks == (16, 16, 16, 3)
    with h5py.File(tiny_h5) as file:
        assert {name: file[name].dtype.str for name in file} == {
            "frames": "|u1", "actions": "<i8", "rewards": "<f4", "episode_ends": "|b1",
        }  # fmt: skip
        assert file["episode_ends"][:].sum() == 10


def test_public_files_need_only_frames(frames_only_h5):
    info = read_info(frames_only_h5)
    assert info.fps is None
    assert info.rate == 60.0
    assert not info.has_actions
    assert info.compression == "lzf"


@pytest.mark.parametrize(
    ("datasets", "words"),
    [
        ({"images": blank()}, ["no dataset 'frames'", "images"]),
        ({}, ["no dataset 'frames'", "nothing"]),
        ({"frames": blank().astype(np.float32)}, ["float32", "uint8"]),
        ({"frames": blank()[0]}, ["[4, 4, 3]", "four axes"]),
        ({"frames": np.zeros((8, 4, 4, 1), np.uint8)}, ["[8, 4, 4, 1]", "3 RGB channels"]),
        ({"frames": np.zeros((8, 3, 4, 4), np.uint8)}, ["3 RGB channels"]),
        ({"frames": blank(0)}, ["empty"]),
        ({"frames": blank(), "actions": np.zeros(7, np.int64)}, ["'actions' is [7]", "[8]"]),
        ({"frames": blank(), "actions": np.zeros((8, 2, 2))}, ["'actions' is [8, 2, 2]", "[8]"]),
        ({"frames": blank(), "actions": np.zeros(8, complex)}, ["complex", "whole action ids"]),
        ({"frames": blank(), "rewards": np.array([b"1"] * 8)}, ["rewards", "numbers"]),
        ({"frames": blank(), "episode_ends": np.zeros((8, 1), bool)}, ["[8, 1]", "[8]"]),
        ({"frames": blank(), "episode_ends": np.zeros(8, np.float32)}, ["boolean"]),
    ],
)
def test_a_broken_file_is_refused_in_one_line(tmp_path, datasets, words):
    path = h5(tmp_path / "bad.h5", **datasets)
    with pytest.raises(DataError) as caught:
        read_info(path)
    message = str(caught.value)
    assert "\n" not in message
    for word in [str(path), *words]:
        assert word in message


def test_no_such_file(tmp_path):
    with pytest.raises(MissingFileError, match="tinyworlds record"):
        read_info(tmp_path / "gone.h5")


def test_not_hdf5(tmp_path):
    path = tmp_path / "video.h5"
    path.write_bytes(b"\x00\x00\x00\x18ftypmp42" * 100)
    with pytest.raises(DataError, match="not an HDF5 file"):
        read_info(path)
    with pytest.raises(DataError, match="is a folder"):
        read_info(tmp_path)


def test_truncated_file(tiny_h5):
    tiny_h5.write_bytes(tiny_h5.read_bytes()[:-5000])
    with pytest.raises(DataError, match="truncated"):
        read_info(tiny_h5)


def test_a_file_being_written_says_so(tmp_path):
    path = tmp_path / "busy.h5"
    with h5py.File(path, "w") as file:
        file["frames"] = blank()
        code = f"from tinyworlds.data.schema import read_info; read_info({str(path)!r})"
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "being written by another process" in result.stderr


@pytest.mark.parametrize(("name", "value"), [("fps", 0), ("fps", "fast"), ("fps", float("nan"))])
def test_a_bad_rate_is_refused(tmp_path, name, value):
    path = h5(tmp_path / "bad.h5", frames=blank())
    with h5py.File(path, "a") as file:
        file.attrs[name] = value
    with pytest.raises(DataError, match="positive number"):
        read_info(path)


def test_a_newer_schema_is_refused(tiny_h5):
    with h5py.File(tiny_h5, "a") as file:
        file.attrs["schema_version"] = 99
    with pytest.raises(DataError, match="schema version 99"):
        read_info(tiny_h5)
