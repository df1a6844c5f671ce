"""Gameplay files damaged in a thousand ways: one clear line, never a crash, a hang or another exception."""

import struct
import tracemalloc
from collections import Counter

import h5py
import numpy as np
import pytest
from gameplay_files import write_gameplay, write_public_style
from h5_fuzzing import CUTS_APART, count_outcomes, damaged

from tinyworlds.data.guarded_file import GuardedFile
from tinyworlds.data.h5_open import open_h5
from tinyworlds.data.joined import JoinedReader
from tinyworlds.data.reader import FrameFile
from tinyworlds.data.schema import read_info
from tinyworlds.errors import DataError


def newest_format(path):
    """HDF5's later format, in which structures carry checksums."""
    with h5py.File(path, "w", libver="latest") as file:
        frames = np.random.default_rng(0).integers(0, 255, (80, 8, 8, 3), dtype=np.uint8)
        file.create_dataset(
            "frames", data=frames, chunks=(16, 8, 8, 3), maxshape=(None, 8, 8, 3), compression="gzip"
        )
        file["actions"] = np.arange(80)
        file.attrs.update({"fps": 15.0, "action_names": '["a", "b"]'})
    return path


def one_piece(path):
    with h5py.File(path, "w") as file:
        file["frames"] = np.zeros((80, 8, 8, 3), np.uint8)
    return path


def texts(path):
    """Actions and names as texts of any length, which lie in heaps."""
    with h5py.File(path, "w") as file:
        file["frames"] = np.ones((80, 8, 8, 3), np.uint8)
        file["actions"] = np.array(["left", "a longer way to the right"] * 40, dtype=object)
        file.attrs.update({"source": "x" * 500, "action_names": ["left", "right"]})
    return path


def virtual(path):
    """Rows of another file beside it, by its own name, and a link."""
    with h5py.File(path.with_name("part.h5"), "w") as file:
        file["frames"] = np.ones((80, 8, 8, 3), np.uint8)
    (path.parent / "cases").mkdir(exist_ok=True)
    path.with_name("part.h5").rename(path.parent / "cases" / "part.h5")
    with h5py.File(path, "w", libver="latest") as file:
        layout = h5py.VirtualLayout((80, 8, 8, 3), np.uint8)
        layout[:] = h5py.VirtualSource("part.h5", "frames", shape=(80, 8, 8, 3))
        file.create_virtual_dataset("frames", layout)
        file["actions"] = h5py.ExternalLink("part.h5", "actions")
    return path


KINDS = {
    "ours": lambda path: write_gameplay(path, 4, 20, 8),
    "public": lambda path: write_public_style(path, 80, 8),
    "newest": newest_format,
    "one piece": one_piece,
    "texts": texts,
    "virtual": virtual,
}


def read_cases(folder, kind, first, last, how):
    (folder / "cases").mkdir(exist_ok=True)
    source = KINDS[kind](folder / "source.h5")
    counts = count_outcomes(source, folder / "cases", first, last, how)
    print(f"{kind}, {how}, cases {first} to {last - 1}: {dict(counts)}")
    assert set(counts) <= {"read", "refused"}
    assert counts.total() == last - first
    return counts


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_structures(tmp_path, kind):
    counts = read_cases(tmp_path, kind, 0, 250, "damage")
    assert counts["refused"] > 20


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_structures_damaged_in_a_thousand_ways(tmp_path, kind):
    read_cases(tmp_path, kind, 250, 1250, "damage")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["public", "newest", "one piece"])
def test_cut_short_at_any_place(tmp_path, kind):
    cuts = -(-KINDS[kind](tmp_path / "whole.h5").stat().st_size // CUTS_APART)
    counts = read_cases(tmp_path, kind, 0, cuts, "truncate")
    assert counts["refused"] == cuts


def test_a_heap_that_never_ends_is_refused(tmp_path):
    """HDF5 2.0 walks this heap for ever: its object of size 0 leads to itself."""
    path = write_gameplay(tmp_path / "a.h5", 1, 20, 8)
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL\x01")
    size = struct.unpack_from("<Q", content, heap + 8)[0]
    place = heap + 16
    while (index := struct.unpack_from("<H", content, place)[0]) != 0:
        assert index < 10
        place += 16 + -(-struct.unpack_from("<Q", content, place + 8)[0] // 8) * 8
    assert place < heap + size
    struct.pack_into("<Q", content, place + 8, 0)
    path.write_bytes(content)
    with pytest.raises(DataError, match="global heap"):
        read_info(path)


def test_texts_of_any_length_are_still_read(tmp_path):
    path = one_piece(tmp_path / "a.h5")
    texts = ["", "ä", "x" * 5000, "y" * 20_000]
    with h5py.File(path, "a") as file:
        file.attrs["source"] = "z" * 3000
        file.create_dataset("texts", data=texts, dtype=h5py.string_dtype())
    assert read_info(path).source == "z" * 3000
    with open_h5(path) as file:
        assert [text.decode() for text in file["texts"][()]] == texts


@pytest.mark.slow
def test_damaged_virtual_files_are_copied_or_refused(tmp_path):
    source = virtual(tmp_path / "source.h5")
    outcomes = Counter()
    for case in (*range(25), 1313, 2108, 3157, 3234):  # the last ones crash HDF5
        path = tmp_path / "cases" / "a.h5"
        path.write_bytes(damaged(source.read_bytes(), case))
        try:
            reader = JoinedReader(path, "frames")
            assert reader.read(0, len(reader)).all()
            outcomes["read"] += 1
        except DataError:
            outcomes["refused"] += 1
    assert min(outcomes["read"], outcomes["refused"]) > 4, outcomes


def test_a_heap_larger_than_its_file_is_refused(tmp_path):
    """HDF5 asks for as much memory as a heap says that it has."""
    path = write_gameplay(tmp_path / "a.h5", 1, 20, 8)
    content = bytearray(path.read_bytes())
    struct.pack_into("<Q", content, content.index(b"GCOL\x01") + 8, 57 * 2**30)
    path.write_bytes(content)
    with pytest.raises(DataError, match="more than the file has"):
        read_info(path)


def test_a_heap_of_more_objects_than_there_can_be_is_refused(tmp_path):
    path = tmp_path / "a.bin"
    heap = b"GCOL\x01\0\0\0" + struct.pack("<Q", 16 + 16 * 70_000)
    path.write_bytes(heap + (b"\x01" + bytes(15)) * 70_000)
    with GuardedFile(path) as file, pytest.raises(OSError, match="more objects"):
        file.readinto(bytearray(100))


DECLARED = {
    "frames of 57 TiB": lambda file: made(file, "frames", (2**40, 8, 8, 3), np.uint8),
    "frames of 57 TiB in one piece": lambda file: made(file, "frames", (2**38, 8, 8, 3), np.uint8, None),
    "actions": lambda file: made(file, "actions", (40, 2**30), np.int64),
    "a chunk": lambda file: made(file, "frames", (2**20, 64, 64, 3), np.uint8, (2**18, 64, 64, 3)),
    "texts of a GiB each": lambda file: made(file, "actions", (40,), "S1000000000"),
}


def made(file, name, shape, dtype, chunks=True):
    if name == "actions":
        file["frames"] = np.ones((40, 8, 8, 3), np.uint8)
    file.create_dataset(name, shape, dtype, chunks=chunks)


@pytest.mark.parametrize("kind", DECLARED)
def test_declared_sizes_are_not_believed(tmp_path, kind):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        DECLARED[kind](file)
    assert (tmp_path / "a.h5").stat().st_size < 100_000
    tracemalloc.start()
    try:
        with pytest.raises(DataError):
            FrameFile(tmp_path / "a.h5")
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()
