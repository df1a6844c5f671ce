"""Gameplay files damaged in thousands of ways: one clear line, never a crash, a hang or another exception."""

import struct

import h5py
import numpy as np
import pytest
from gameplay_files import write_gameplay, write_public_style
from h5_fuzzing import count_outcomes

from tinyworlds.data.h5_open import open_h5
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


KINDS = {
    "ours": lambda path: write_gameplay(path, 4, 20, 8),
    "public": lambda path: write_public_style(path, 80, 8),
    "newest": newest_format,
    "one piece": one_piece,
}


def read_cases(folder, kind, first, last, how):
    (folder / "cases").mkdir()
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
def test_structures_damaged_in_thousands_of_ways(tmp_path, kind):
    read_cases(tmp_path, kind, 250, 3250, "damage")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["public", "newest", "one piece"])
def test_cut_short_at_any_byte(tmp_path, kind):
    size = KINDS[kind](tmp_path / "whole.h5").stat().st_size
    counts = read_cases(tmp_path, kind, 0, size, "truncate")
    assert counts["refused"] == size


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
