"""Gameplay files at rest: schema, writer, reader, unpacked copies, inspection."""

import multiprocessing
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import h5py
import numpy as np
import pytest

from tinyworlds.data import cache
from tinyworlds.data.inspect import inspect_command, inspect_file
from tinyworlds.data.reader import FrameFile, SpanReader
from tinyworlds.data.schema import read_info
from tinyworlds.data.writer import FrameWriter
from tinyworlds.errors import DataError, MissingFileError


def h5(path: Path, **datasets) -> Path:
    with h5py.File(path, "w") as file:
        for name, value in datasets.items():
            file[name] = value
    return path


def blank(count=8, size=4):
    return np.zeros((count, size, size, 3), np.uint8)


# ---- schema


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
        ({"frames": blank(), "actions": np.zeros(8)}, ["float64", "int64"]),
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
    path.write_bytes(b"")
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


# ---- writer


def test_frames_come_back_as_written(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (150, 8, 6, 3), dtype=np.uint8)  # more than a buffer
    path = tmp_path / "new" / "folder" / "a.h5"
    with FrameWriter(path, 8, 6, fps=30, action_names=["a", "b"]) as writer:
        for i, frame in enumerate(frames):
            writer.append(frame, action=i % 2, reward=i, episode_end=i == 99)
        assert not path.exists()
        assert writer.partial.exists()
    assert not writer.partial.exists()
    file = FrameFile(path)
    np.testing.assert_array_equal(file.frames(0, 150), frames)
    np.testing.assert_array_equal(file.actions, np.arange(150) % 2)
    assert file.episode_ends.tolist() == [99, 149]


def test_a_writer_without_actions(tmp_path):
    with FrameWriter(tmp_path / "a.h5", 4, 4, fps=15) as writer:
        writer.append(blank()[0])
    info = read_info(tmp_path / "a.h5")
    assert not info.has_actions
    assert info.has_episodes


def test_an_error_leaves_nothing_and_keeps_the_old_file(tiny_h5):
    before = tiny_h5.read_bytes()

    def interrupted():
        with FrameWriter(tiny_h5, 4, 4, fps=15) as writer:
            for _ in range(100):
                writer.append(blank()[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [path.name for path in tiny_h5.parent.iterdir()] == [tiny_h5.name]
    assert tiny_h5.read_bytes() == before


def test_wrong_and_missing_frames_are_refused(tmp_path):
    with (
        pytest.raises(DataError, match=r"float32 \[4, 4, 3\]"),
        FrameWriter(tmp_path / "a.h5", 4, 4, 15) as w,
    ):
        w.append(blank()[0].astype(np.float32))
    with pytest.raises(DataError, match="not one frame"), FrameWriter(tmp_path / "b.h5", 4, 4, 15):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    """A limit on file size makes writes fail as a full disk does."""
    code = f"""
        import resource, signal
        import numpy as np
        from tinyworlds.data.writer import FrameWriter
        from tinyworlds.errors import StorageError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        noise = np.random.default_rng(0)
        try:
            with FrameWriter({str(tmp_path / "a.h5")!r}, 64, 64, 15) as writer:
                for _ in range(200):
                    writer.append(noise.integers(0, 256, (64, 64, 3), dtype=np.uint8))
        except StorageError as error:
            print("refused:", error)
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert result.stdout.startswith("refused: Could not write"), result.stdout + result.stderr
    assert result.stdout.count("\n") == 1
    assert result.stderr == ""
    assert list(tmp_path.iterdir()) == []


# ---- reader


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
    reader = SpanReader(h5(tmp_path / "codes.h5", ids=ids), "ids")
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
    with pytest.raises(DataError, match="damaged near row 48"):
        file.frames(48, 2)


# ---- unpacked copies


def test_the_copy_holds_the_same_frames(frames_only_h5):
    assert cache.cached_frames(frames_only_h5) is None
    copy = cache.build_cache(frames_only_h5)
    assert copy == cache.cached_frames(frames_only_h5) == cache.build_cache(frames_only_h5)
    np.testing.assert_array_equal(
        FrameFile(frames_only_h5, copy).frames(0, 300), FrameFile(frames_only_h5).frames(0, 300)
    )


def test_a_changed_file_gets_a_new_copy(make_h5):
    path = make_h5()
    first = cache.build_cache(path)
    make_h5(seed=5)
    assert cache.cached_frames(path) is None
    second = cache.build_cache(path)
    assert not first.exists()
    np.testing.assert_array_equal(FrameFile(path, second).frames(9, 3), FrameFile(path).frames(9, 3))


def test_files_in_one_piece_need_no_copy(tmp_path):
    assert cache.build_cache(h5(tmp_path / "a.h5", frames=blank())) is None


def test_no_room_for_a_copy_is_a_warning_where_reading_is_slow(tiny_h5, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "SPARE_BYTES", 2**60)
    assert cache.build_cache(tiny_h5) is None  # reads well as it is
    frames = np.zeros((300, 16, 16, 3), np.uint8)
    path = stored(tmp_path / "slow.h5", frames, chunks=(100, 8, 8, 1))
    with pytest.warns(UserWarning, match="read as it is, which is slow: no room"):
        assert cache.build_cache(path) is None
    assert not list(tmp_path.glob(".cache/*"))


# ---- inspection


def test_inspection_of_a_full_file(tiny_h5):
    found = inspect_file(str(tiny_h5))
    assert found.shape == (300, 16, 16, 3)
    assert found.episodes == 10
    assert found.episode_lengths == (30, 30, 30)
    assert sum(found.actions.values()) == pytest.approx(1)
    assert set(found.actions) == {"noop", "left", "right", "up"}
    assert found.minutes == pytest.approx(300 / 15 / 60)
    assert found.notes == ()


def test_inspect_prints_what_a_public_file_holds(frames_only_h5, capsys):
    assert inspect_command(str(frames_only_h5)) == 0
    text = capsys.readouterr().out
    assert "300 of 16x16, no rate stored" in text
    assert "lzf" in text
    assert "actions" not in text
    inspect_command(str(frames_only_h5), as_json=True)
    assert '"shape": [300, 16, 16, 3]' in capsys.readouterr().out


def test_inspect_points_out_a_dead_recording(tmp_path):
    notes = " ".join(
        inspect_file(str(h5(tmp_path / "black.h5", frames=np.zeros((50, 4, 8, 3), np.uint8)))).notes
    )
    assert "one colour" in notes
    assert "nothing moves" in notes
    assert "not square" in notes


def test_one_frame_can_be_inspected(tmp_path):
    assert inspect_file(str(h5(tmp_path / "one.h5", frames=blank(1)))).shape[0] == 1
