"""Files that are something else, half of something, or lie where no locks are: the cause by its name."""

import contextlib
import os
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest
from gameplay_files import write_gameplay

from tinyworlds.commands import cli
from tinyworlds.data import h5_open
from tinyworlds.data.h5_open import open_h5
from tinyworlds.data.optimize import optimize
from tinyworlds.data.reader import FrameFile
from tinyworlds.data.schema import read_info
from tinyworlds.data.sources import check_frame_size
from tinyworlds.errors import DataError, TinyWorldsError


def frames(count=40, size=8):
    return np.random.default_rng(0).integers(1, 255, (count, size, size, 3), np.uint8)


def h5(path, attributes=None, **datasets):
    with h5py.File(path, "w") as file:
        for name, value in datasets.items():
            file[name] = value
        file.attrs.update(attributes or {})
    return path


# ---- file systems without locks

NO_LOCKS = "#include <errno.h>\nint flock(int fd, int op) { errno = %d; return -1; }\n"


@pytest.fixture(scope="module")
def without_locks(tmp_path_factory):
    """Return a function from an error number to what a process needs to get it for every lock."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("needs LD_PRELOAD and a C compiler")
    folder = tmp_path_factory.mktemp("locks")

    def environment(number):
        library = folder / f"{number}.so"
        library.with_suffix(".c").write_text(NO_LOCKS % number, encoding="utf-8")
        words = [compiler, "-shared", "-fPIC", "-o", str(library), str(library.with_suffix(".c"))]
        subprocess.run(words, check=True, capture_output=True)
        return {**os.environ, "LD_PRELOAD": str(library)}

    return environment


WORK = """
    import sys, pathlib
    from tinyworlds.data.cache import build_cache
    from tinyworlds.data.codes_part import CodesPart
    from tinyworlds.data.optimize import optimize
    from tinyworlds.data.reader import FrameFile
    from tinyworlds.data.writer import FrameWriter
    from tinyworlds.sources.record.pieces import Joiner
    import numpy as np
    folder = pathlib.Path(sys.argv[1])
    with FrameWriter(folder / "a.h5", 8, 8, 15, action_names=["x"]) as writer:
        for i in range(40):
            writer.append(np.full((8, 8, 3), i + 1, np.uint8))
    with Joiner(folder / "b.h5", 8, 8, 15, "", ["x"]) as joiner:
        joiner.add(folder / "a.h5")
    optimize(folder / "b.h5", folder / "c.h5", progress=False)
    copy = build_cache(folder / "c.h5")
    with CodesPart(folder / "d.part", {"ids": (4, 2)}) as part:
        part.append({"ids": np.ones((4, 2), np.int16)})
    with CodesPart(folder / "d.part", {"ids": (4, 2)}) as part:
        assert part.done == 4
    print(int(FrameFile(folder / "c.h5", copy).frames(0, 40).max()))
"""


@pytest.mark.parametrize(
    "number", [37, *(pytest.param(other, marks=pytest.mark.slow) for other in (95, 524))]
)
def test_all_is_written_and_read_without_locks(tmp_path, without_locks, number):
    code = "\n".join(line[4:] for line in WORK.splitlines())
    words = [sys.executable, "-c", code, str(tmp_path)]
    result = subprocess.run(words, env=without_locks(number), capture_output=True, text=True, check=False)
    assert result.stdout == "40\n", result


@pytest.mark.skipif(sys.platform == "win32", reason="HDF5 does not lock there")
@pytest.mark.parametrize("settings", [{}, {"libver": "latest"}])
def test_a_file_that_another_process_writes_is_not_read(tmp_path, settings):
    with h5py.File(tmp_path / "busy.h5", "w", **settings) as file:
        file["frames"] = frames()
        file.flush()
        with pytest.raises(DataError, match="being written by another process"):
            read_info(tmp_path / "busy.h5")
    assert read_info(tmp_path / "busy.h5").num_frames == 40


@pytest.mark.skipif(sys.platform == "win32", reason="HDF5 does not lock there")
def test_who_asks_for_no_locks_gets_none(tmp_path, monkeypatch):
    with h5py.File(tmp_path / "busy.h5", "w") as file:
        file["frames"] = frames()
        file.flush()
        monkeypatch.setenv("HDF5_USE_FILE_LOCKING", "FALSE")
        assert read_info(tmp_path / "busy.h5").num_frames == 40


# ---- what a file is instead

INSTEAD = {
    "empty": (b"", "is empty (0 bytes)"),
    "zeros": (bytes(300), "is empty (300 bytes)"),
    "a zip archive": (b"PK\x03\x04" + bytes(600), "zip archive; unpack it"),
    "gzip": (b"\x1f\x8b\x08" + bytes(600), "gzip-packed"),
    "mp4": (b"\0\0\0\x18ftypmp42" + bytes(600), "MP4 video"),
    "mkv": (b"\x1a\x45\xdf\xa3" + bytes(600), "tinyworlds ingest"),
    "numpy": (b"\x93NUMPY\x01" + bytes(600), "NumPy array"),
    "a page": (b"\n<!DOCTYPE html>" + bytes(600), "download went wrong"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"),
    "text": (b"hello", "is not an HDF5 file;"),
}


@pytest.mark.parametrize("kind", INSTEAD)
def test_a_file_that_is_something_else(tmp_path, kind):
    content, told = INSTEAD[kind]
    path = tmp_path / "a.h5"
    path.write_bytes(content)
    with pytest.raises(TinyWorldsError) as caught:
        read_info(path)
    assert told in str(caught.value)
    assert "damaged" not in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32", reason="has none")
def test_pipes_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.h5")
    with pytest.raises(DataError, match="a pipe"):
        read_info(tmp_path / "a.h5")


def test_a_file_that_may_not_be_read(tiny_h5, monkeypatch):
    def refused(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(h5_open, "open", refused, raising=False)
    with pytest.raises(DataError, match="may not be read by this user"):
        read_info(tiny_h5)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_too_many_open_files_are_no_damage(tiny_h5, frames_only_h5):
    import resource

    chunked, raw = FrameFile(frames_only_h5), FrameFile(tiny_h5)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    handles = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
        with contextlib.suppress(OSError):
            while True:
                handles.append(os.open(os.devnull, os.O_RDONLY))
        for read in (lambda: open_h5(tiny_h5), lambda: chunked.frames(0, 1), lambda: raw.frames(0, 1)):
            with pytest.raises(DataError, match=r"as many files are open as may be; allow more \(ulimit -n"):
                read()
    finally:
        for handle in handles:
            os.close(handle)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(chunked.frames(0, 2)) == 2


def test_a_userblock_is_passed_over(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=1024) as file:
        file["frames"] = frames()
    np.testing.assert_array_equal(FrameFile(tmp_path / "a.h5").frames(0, 40), frames())


# ---- never closed, never written


def left_open(path, rows=40):
    code = (
        "import h5py, os, sys, numpy as np\n"
        "file = h5py.File(sys.argv[1], 'w', libver='latest')\n"
        "frames = np.random.default_rng(0).integers(1, 255, (40, 8, 8, 3), np.uint8)\n"
        "data = file.create_dataset('frames', (40, 8, 8, 3), 'u1', chunks=(8, 8, 8, 3))\n"
        "file.swmr_mode = True\n"
        f"data[:{rows}] = frames[:{rows}]\n"
        "file.flush()\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    return path


def test_a_file_left_open_is_said_to_be_and_mended(tmp_path, capsys):
    path = left_open(tmp_path / "it's.h5")
    with pytest.raises(DataError, match=r"was not closed.*tinyworlds optimize .*h5clear -s"):
        read_info(path)
    assert cli.main(["optimize", str(path), str(tmp_path / "new.h5")]) == 0
    np.testing.assert_array_equal(FrameFile(tmp_path / "new.h5").frames(0, 40), frames())
    assert cli.main(["optimize", str(path)]) == 1
    assert "was not closed" in capsys.readouterr().err


@pytest.mark.parametrize("rows", [0, 24])
def test_frames_that_were_never_written_are_not_black(tmp_path, rows):
    path = left_open(tmp_path / "a.h5", rows)
    with pytest.raises(DataError, match="never written"):
        optimize(path, tmp_path / "b.h5", progress=False)
    with h5py.File(tmp_path / "c.h5", "w") as file:
        data = file.create_dataset("frames", (40, 8, 8, 3), "u1", chunks=(8, 8, 8, 3) if rows else None)
        data[:rows] = frames()[:rows]
    with pytest.raises(DataError, match="never written"):
        read_info(tmp_path / "c.h5")
    assert not (tmp_path / "b.h5").exists()


def test_one_piece_that_ends_early(tmp_path):
    path = h5(tmp_path / "a.h5", frames=frames(), actions=np.zeros(40, int))
    with h5py.File(path) as file:
        end = max(file[name].id.get_offset() + file[name].nbytes for name in file)
    content = path.read_bytes()
    path.write_bytes(content[: end - 100])
    with pytest.raises(DataError, match="truncated"):
        FrameFile(path).frames(0, 40)


# ---- filters


def packed(path, number, text=b"some filter", chunks=5):
    """A file that says its frames are packed with a filter, of which nothing is here."""
    with h5py.File(path, "w") as file:
        made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        made.set_chunk((8, 8, 8, 3))
        made.set_filter(number, h5py.h5z.FLAG_OPTIONAL, ())
        space = h5py.h5s.create_simple((40, 8, 8, 3))
        data = h5py.h5d.create(file.id, b"frames", h5py.h5t.STD_U8LE, space, made)
        for i in range(chunks):
            data.write_direct_chunk((8 * i, 0, 0, 0), b"packed", 0)
    return path


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (32015, r"filter 32015 \(zstd\), which is not here; pip install hdf5plugin"),
        (32001, "blosc.*pip install hdf5plugin"),
        (60000, "filter 60000.*write it again with gzip"),
    ],
)
def test_a_filter_that_is_not_here_is_named(tmp_path, monkeypatch, number, told):
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)  # as if it were not installed
    if h5py.h5z.filter_avail(number):
        pytest.skip("is here")
    with pytest.raises(DataError, match=told) as caught:
        read_info(packed(tmp_path / "a.h5", number))
    assert "damaged" not in str(caught.value)


def test_plugins_are_loaded_where_they_are_needed(tmp_path, monkeypatch):
    loaded = []
    monkeypatch.setattr("tinyworlds.data.stored._load_plugins", lambda: loaded.append(1))
    read_info(write_gameplay(tmp_path / "a.h5", 1, 20, 8))
    assert loaded == []
    with pytest.raises(DataError, match="lz4"):
        read_info(packed(tmp_path / "b.h5", 32004))
    assert loaded == [1]


def test_a_filter_that_the_writer_passed_over_is_no_matter(tmp_path):
    path = packed(tmp_path / "a.h5", 60001, chunks=0)
    with h5py.File(path, "r+") as file:
        file["frames"][:] = frames()
    np.testing.assert_array_equal(FrameFile(path).frames(0, 40), frames())


# ---- names and shapes


def test_a_group_called_frames(tmp_path):
    path = h5(tmp_path / "a.h5", **{f"frames/ep{i}": frames() for i in range(8)})
    with pytest.raises(DataError, match=r"group of 8 \(ep0, ep1, .* and 2 more\).*join them"):
        read_info(path)


def test_many_names_are_cut(tmp_path):
    path = h5(tmp_path / "a.h5", **{f"frame_{i}_\x1b[2J": np.zeros(1) for i in range(500)})
    with pytest.raises(DataError, match="and 494 more") as caught:
        read_info(path)
    assert len(str(caught.value)) < 400
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "dtype", "told"),
    [
        ((8, 4, 4, 3), np.float32, "np.round(frames * 255)"),
        ((8, 4, 4, 3), np.uint16, "so convert it"),
        ((8, 16, 16), np.uint8, "np.stack([frames] * 3, -1)"),
        ((8, 4, 4, 1), np.uint8, "np.repeat(frames, 3, -1)"),
        ((8, 4, 4, 4), np.uint8, "frames[..., :3]"),
        ((8, 3, 16, 16), np.uint8, "frames.transpose(0, 2, 3, 1)"),
        ((2, 8, 4, 4, 3), np.uint8, "join its episodes"),
    ],
)
def test_frames_of_another_make_say_how_they_become_ours(tmp_path, shape, dtype, told):
    with pytest.raises(DataError) as caught:
        read_info(h5(tmp_path / "a.h5", frames=np.ones(shape, dtype)))
    assert told in str(caught.value)


@pytest.mark.parametrize("value", [30.0, np.array([30.0]), np.array([[30]]), "30", np.float32(30)])
def test_rates_as_others_write_them(tmp_path, value):
    assert read_info(h5(tmp_path / "a.h5", {"fps": value}, frames=frames())).fps == 30.0


@pytest.mark.parametrize(
    "value", ['["left", "up"]', ["left", "up"], np.array([b"left", b"up"]), b'["left", "up"]']
)
def test_names_as_others_write_them(tmp_path, value):
    path = h5(tmp_path / "a.h5", {"action_names": value}, frames=frames())
    assert read_info(path).action_names == ("left", "up")


@pytest.mark.parametrize(
    "attributes", [{"fps": np.zeros(2)}, {"action_names": "left, up"}, {"schema_version": "x"}]
)
def test_attributes_that_are_none_are_one_line(tmp_path, attributes):
    with pytest.raises(DataError, match=next(iter(attributes))):
        read_info(h5(tmp_path / "a.h5", attributes, frames=frames()))


def test_frames_that_are_not_square_can_be_made_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("tinyworlds.data.optimize._MEASURE_S", 0)
    path, out = tmp_path / "wide.h5", tmp_path / "b.h5"
    h5(path, frames=np.ones((20, 8, 12, 3), np.uint8), actions=np.arange(20))
    with pytest.raises(
        DataError, match=r"must be square: tinyworlds optimize .*wide\.h5 SQUARE\.h5 --size 8"
    ):
        check_frame_size([FrameFile(path)], None)
    assert cli.main(["optimize", str(path), str(out), "--size", "8"]) == 0
    assert read_info(out).height == read_info(out).width == 8
    assert FrameFile(out).actions.tolist() == list(range(20))
    assert cli.main(["optimize", str(path), "--size", "8"]) == 2
    assert "name OUT" in capsys.readouterr().err
