"""Files that refer to others: refused in one line, copied on request, black never; and no crash of HDF5."""

import subprocess
import sys
import textwrap

import h5py
import numpy as np
import pytest

from tinyworlds.commands import cli
from tinyworlds.data.h5_open import open_h5
from tinyworlds.data.joined import JoinedReader
from tinyworlds.data.optimize import optimize
from tinyworlds.data.reader import FrameFile
from tinyworlds.data.schema import read_info
from tinyworlds.data.stored import Elsewhere, dataset
from tinyworlds.errors import DataError

FRAMES = np.random.default_rng(0).integers(1, 255, (40, 8, 8, 3), np.uint8)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr("tinyworlds.data.optimize._MEASURE_S", 0)


def sources(folder, name="frames"):
    for number, part in enumerate((FRAMES[:25], FRAMES[25:])):
        with h5py.File(folder / f"src_{number}.h5", "w") as file:
            file.create_dataset(name, data=part, chunks=(10, 8, 8, 3), compression="gzip")
            file["actions"] = np.arange(len(part)) % 3
    return folder


def virtual(path, folder="", name="frames", missing=False, whole=False):
    """A virtual data set over two files; its own name is that of the sources, which made HDF5 crash."""
    with h5py.File(path, "w", libver="latest") as file:
        layout = h5py.VirtualLayout(FRAMES.shape, np.uint8)
        layout[:25] = h5py.VirtualSource(f"{folder}src_0.h5", name, shape=(25, 8, 8, 3))
        other = h5py.VirtualSource(f"{folder}src_{2 if missing else 1}.h5", name, shape=(15, 8, 8, 3))
        layout[25:] = other if whole else other[:]
        file.create_virtual_dataset("frames", layout)
        actions = h5py.VirtualLayout((40,), np.int64)
        actions[:25] = h5py.VirtualSource(f"{folder}src_0.h5", "actions", shape=(25,))
        actions[25:] = h5py.VirtualSource(f"{folder}src_1.h5", "actions", shape=(15,))
        file.create_virtual_dataset("actions", actions)
        file.attrs["fps"] = 15.0
        file["extra/depth"] = np.arange(3)
    return path


def external_link(path):
    with h5py.File(path, "w") as file:
        file["frames"] = h5py.ExternalLink("src_0.h5", "frames")
    return path


def soft_link(path, target="/deep/inside"):
    with h5py.File(path, "w") as file:
        if target == "/deep/inside":
            file["deep/inside"] = FRAMES
        elif target == "/out/frames":
            file["out"] = h5py.ExternalLink("src_0.h5", "/")
        file["frames"] = h5py.SoftLink(target)
    return path


@pytest.mark.parametrize("make", [virtual, external_link, lambda path: soft_link(path, "/out/frames")])
def test_content_elsewhere_is_one_line_with_a_way_out(tmp_path, make):
    path = make(sources(tmp_path) / "a b.h5")
    for read in (read_info, FrameFile):
        with pytest.raises(
            Elsewhere, match=r"(virtual|src_0\.h5).*tinyworlds optimize '.*a b\.h5' NEW\.h5 makes one file"
        ):
            read(path)


@pytest.mark.parametrize("folder", ["", "parts/"])
@pytest.mark.parametrize("whole", [False, True])
def test_a_virtual_file_is_copied_on_request(tmp_path, capsys, folder, whole):
    (tmp_path / "parts").mkdir()
    sources(tmp_path / folder)
    path = virtual(tmp_path / "v.h5", folder, whole=whole)
    assert cli.main(["optimize", str(path)]) == 1
    assert "virtual data set" in capsys.readouterr().err
    assert cli.main(["optimize", str(path), "--force"]) == 0
    file = FrameFile(path)
    np.testing.assert_array_equal(file.frames(0, 40), FRAMES)
    assert file.actions.tolist() == [*(np.arange(25) % 3), *(np.arange(15) % 3)]
    assert file.info.fps == 15.0
    with h5py.File(path) as plain:
        assert plain["extra/depth"][:].tolist() == [0, 1, 2]


@pytest.mark.parametrize("make", [external_link, lambda path: soft_link(path, "/out/frames")])
def test_a_linked_file_is_copied_on_request(tmp_path, make):
    optimize(make(sources(tmp_path) / "a.h5"), tmp_path / "b.h5", progress=False)
    np.testing.assert_array_equal(FrameFile(tmp_path / "b.h5").frames(0, 25), FRAMES[:25])


def test_links_within_a_file_are_followed(tmp_path):
    np.testing.assert_array_equal(FrameFile(soft_link(tmp_path / "a.h5")).frames(0, 40), FRAMES)


def raw_bytes_elsewhere(folder):
    (folder / "secret").write_bytes(bytes(range(200)) * 40)
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("frames", (40, 8, 8, 3), np.uint8, external=[(str(folder / "secret"), 0, 7680)])


def gap(folder):
    with h5py.File(sources(folder) / "a.h5", "w", libver="latest") as file:
        layout = h5py.VirtualLayout(FRAMES.shape, np.uint8)
        layout[:25] = h5py.VirtualSource("src_0.h5", "frames", shape=(25, 8, 8, 3))
        file.create_virtual_dataset("frames", layout, fillvalue=0)


def parts_of_frames(folder):
    with h5py.File(sources(folder) / "a.h5", "w", libver="latest") as file:
        layout = h5py.VirtualLayout((25, 8, 4, 3), np.uint8)
        layout[:] = h5py.VirtualSource("src_0.h5", "frames", shape=(25, 8, 8, 3))[:, :, :4]
        file.create_virtual_dataset("frames", layout)


def longer_than_its_source(folder):
    with h5py.File(sources(folder) / "a.h5", "w", libver="latest") as file:
        layout = h5py.VirtualLayout((30, 8, 8, 3), np.uint8)
        layout[:] = h5py.VirtualSource("src_0.h5", "frames", shape=(30, 8, 8, 3))
        file.create_virtual_dataset("frames", layout)


def growing(folder):
    with h5py.File(sources(folder) / "a.h5", "w", libver="latest") as file:
        layout = h5py.VirtualLayout((25, 8, 8, 3), np.uint8, maxshape=(None, 8, 8, 3))
        source = h5py.VirtualSource("src_0.h5", "frames", (25, 8, 8, 3), maxshape=(None, 8, 8, 3))
        layout[: h5py.h5s.UNLIMITED] = source[: h5py.h5s.UNLIMITED]
        file.create_virtual_dataset("frames", layout)


def of_itself(folder):
    with h5py.File(folder / "a.h5", "w", libver="latest") as file:
        layout = h5py.VirtualLayout(FRAMES.shape, np.uint8)
        layout[:] = h5py.VirtualSource(".", "frames", shape=FRAMES.shape)
        file.create_virtual_dataset("frames", layout)


def outside(folder):
    sources(folder)
    (folder / "in").mkdir()
    virtual(folder / "in" / "a.h5", "../")
    (folder / "in" / "a.h5").rename(folder / "in" / "v.h5")
    with h5py.File(folder / "in" / "a.h5", "w") as file:
        file["frames"] = h5py.ExternalLink(str(folder / "src_0.h5"), "frames")


def loop(folder):
    with h5py.File(folder / "a.h5", "w") as file:
        file["frames"] = h5py.SoftLink("/frames")


REFUSED = {
    "raw bytes": (raw_bytes_elsewhere, "bytes of 'frames' lie in another file"),
    "not there": (
        lambda folder: virtual(sources(folder) / "a.h5", missing=True),
        r"src_2\.h5', which is not there",
    ),
    "rows of no file": (gap, "from 25 on come from no file"),
    "parts of frames": (parts_of_frames, r"takes \[25, 8, 4, 3\] of .*\[25, 8, 8, 3\]"),
    "too short": (longer_than_its_source, "takes .*30.* of .*25"),
    "growing": (growing, "more than whole rows"),
    "of itself": (of_itself, "virtual data set"),
    "a loop": (loop, "leads nowhere"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_copied_is_one_line_and_replaces_nothing(tmp_path, kind):
    make, told = REFUSED[kind]
    make(tmp_path)
    before = (tmp_path / "a.h5").read_bytes()
    with pytest.raises(DataError, match=told) as caught:
        optimize(tmp_path / "a.h5", progress=False)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError):
        read_info(tmp_path / "a.h5")
    assert (tmp_path / "a.h5").read_bytes() == before


@pytest.mark.parametrize("name", ["v.h5", "a.h5"])
def test_files_outside_of_the_folder_are_not_read(tmp_path, name):
    outside(tmp_path)
    with pytest.raises(DataError, match="outside of its folder"):
        optimize(tmp_path / "in" / name, tmp_path / "out.h5", progress=False)
    link = tmp_path / "in" / "src_0.h5"
    link.symlink_to(tmp_path / "src_0.h5")
    with pytest.raises(DataError, match="outside of its folder"):
        optimize(external_link(tmp_path / "in" / "c.h5"), tmp_path / "out.h5", progress=False)


def test_rows_across_files(tmp_path):
    reader = JoinedReader(virtual(sources(tmp_path) / "v.h5"), "frames")
    assert (len(reader), reader.plain, reader.chunk_rows) == (40, None, 10)
    for start, count in [(0, 40), (24, 2), (0, 25), (25, 15), (39, 1)]:
        np.testing.assert_array_equal(reader.read(start, count), FRAMES[start : start + count])
    reader.close()


@pytest.mark.parametrize("column", ["actions", "rewards", "episode_ends"])
def test_columns_elsewhere_are_refused_too(tmp_path, column):
    with h5py.File(sources(tmp_path) / "a.h5", "w") as file:
        file["frames"] = FRAMES
        file[column] = h5py.ExternalLink("src_0.h5", "actions")
    with pytest.raises(Elsewhere, match=column):
        read_info(tmp_path / "a.h5")


@pytest.mark.slow
def test_none_of_them_ends_the_interpreter(tmp_path):
    """HDF5 calls itself without end where a virtual data set has the name of its sources."""
    code = """
        import sys
        from tinyworlds.commands import cli
        for path in sys.argv[1:]:
            for words in (["inspect", path, "--sheet", "none"], ["optimize", path, "--force"]):
                print(cli.main(words))
    """
    paths = []
    for kind, (make, _) in REFUSED.items():
        (tmp_path / kind).mkdir()
        make(tmp_path / kind)
        paths.append(str(tmp_path / kind / "a.h5"))
    paths += [str(virtual(sources(tmp_path) / "v.h5")), str(external_link(tmp_path / "l.h5"))]
    words = [sys.executable, "-c", textwrap.dedent(code), *paths]
    result = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result
    assert "Traceback" not in result.stderr
    assert result.stderr.count("error: ") == 2 * len(REFUSED) + 2


def test_a_crafted_virtual_data_set_ends_no_process(tmp_path):
    """HDF5 2.0 writes over its stack when the selection of a source has more axes than there can be."""
    path = virtual(sources(tmp_path) / "a.h5")
    content = bytearray(path.read_bytes())
    place = content.index(b"src_0.h5\0")
    rank = content.index(bytes([4, 0, 0, 0]), place + 20)  # frames have four
    content[rank : rank + 4] = b"\xff\xff\xff\x7f"
    path.write_bytes(content)
    with pytest.raises(DataError, match="virtual data set"):
        read_info(path)
    with pytest.raises(DataError, match="damaged in 'frames'"):
        optimize(path, tmp_path / "b.h5", progress=False)


def test_virtual_data_sets_are_told_by_their_bytes(tmp_path):
    """In both formats of object headers, behind many attributes, and after a userblock."""
    layout = h5py.VirtualLayout((40, 8, 8, 3), np.uint8)
    layout[:] = h5py.VirtualSource("x.h5", "frames", shape=(40, 8, 8, 3))
    for number, settings in enumerate(
        [{}, {"libver": "latest"}, {"userblock_size": 512}, {"track_order": True}]
    ):
        path = tmp_path / f"{number}.h5"
        with h5py.File(path, "w", **settings) as file:
            file.create_virtual_dataset("frames", layout)
            file["plain"] = FRAMES
            for i in range(30):
                file["frames"].attrs[f"note {i}"] = "x" * 200
                file["plain"].attrs[f"note {i}"] = "x" * 200
        with open_h5(path) as file:
            with pytest.raises(Elsewhere, match="virtual"):
                dataset(file, path, "frames")
            np.testing.assert_array_equal(dataset(file, path, "plain")[:], FRAMES)


def test_virtual_data_sets_in_groups_are_not_copied(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w", libver="latest") as file:
        file["frames"] = FRAMES
        layout = h5py.VirtualLayout((40, 8, 8, 3), np.uint8)
        layout[:] = h5py.VirtualSource("x.h5", "frames", shape=(40, 8, 8, 3))
        file.create_group("more/deep").create_virtual_dataset("depth", layout)
        file["more/again"] = file["more"]  # a circle
    with pytest.raises(DataError, match="more"):
        optimize(tmp_path / "a.h5", tmp_path / "b.h5", progress=False)
    assert not (tmp_path / "b.h5").exists()
