"""Rows of a gameplay file in every layout, from every process."""

import multiprocessing
import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

from tinyworlds.data import cache
from tinyworlds.data.reader import FrameFile, SpanReader
from tinyworlds.errors import DataError


def stored(path: Path, frames: np.ndarray, **options) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset("frames", data=frames, **options)
    return path


@pytest.mark.parametrize(
    "options",
    [{}, {"chunks": (16, 8, 8, 3), "compression": "gzip"}, {"chunks": True, "compression": "lzf"}],
    ids=["one piece", "ours", "public"],
)
def test_rows_and_strides_in_every_layout(tmp_path, options):
    frames = np.random.default_rng(0).integers(0, 256, (90, 8, 8, 3), dtype=np.uint8)
    reader = SpanReader(stored(tmp_path / "a.h5", frames, **options), "frames")
    np.testing.assert_array_equal(reader.read(5, 7), frames[5:12])
    np.testing.assert_array_equal(reader.read(3, 5, stride=4), frames[3:20:4])
    np.testing.assert_array_equal(reader.read(89, 1), frames[89:])
    out = np.empty((2, 8, 8, 3), np.uint8)
    assert reader.read(0, 2, out=out) is out
    np.testing.assert_array_equal(out, frames[:2])
    for start, count, stride in [(-1, 2, 1), (89, 2, 1), (80, 4, 4), (0, 0, 1)]:
        with pytest.raises(IndexError):
            reader.read(start, count, stride)


def test_wider_types_are_read_raw_too(tmp_path):
    ids = np.arange(600, dtype=np.int16).reshape(100, 6)
    with h5py.File(tmp_path / "codes.h5", "w") as file:
        file["ids"] = ids
    reader = SpanReader(tmp_path / "codes.h5", "ids")
    np.testing.assert_array_equal(reader.read(7, 3, stride=2), ids[7:12:2])


def test_a_used_reader_can_be_pickled(tiny_h5):
    file = FrameFile(tiny_h5)
    expected = file.frames(10, 4)
    copy = pickle.loads(pickle.dumps(file))
    np.testing.assert_array_equal(copy.frames(10, 4), expected)


def _child(file: FrameFile, starts: list[int], results) -> None:
    results.put([int(file.frames(start, 2).sum()) for start in starts])


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("unpacked", [True, False])
def test_a_fork_does_not_share_the_handle(tiny_h5, unpacked):
    file = FrameFile(tiny_h5, cache.build_cache(tiny_h5) if unpacked else None)
    starts = list(range(0, 280, 7))
    expected = [int(file.frames(start, 2).sum()) for start in starts]
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    child = context.Process(target=_child, args=(file, starts, results))
    child.start()
    ours = [int(file.frames(start, 2).sum()) for start in starts]
    assert results.get(timeout=30) == ours == expected
    child.join()


def test_a_damaged_chunk_names_the_place(tiny_h5):
    content = bytearray(tiny_h5.read_bytes())
    with h5py.File(tiny_h5) as file:
        chunk = file["frames"].id.get_chunk_info(3)
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = b"\xff" * chunk.size
    tiny_h5.write_bytes(content)
    file = FrameFile(tiny_h5)
    file.frames(0, 16)
    with pytest.raises(DataError, match="damaged in 'frames' near row 48"):
        file.frames(48, 2)
