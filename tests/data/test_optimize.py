"""``tinyworlds optimize``: the same content, read faster, and never a file lost."""

import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import h5py
import numpy as np
import pytest

from tinyworlds.commands import cli
from tinyworlds.data.optimize import optimize
from tinyworlds.data.reader import FrameFile
from tinyworlds.data.schema import read_info
from tinyworlds.errors import DataError


def foreign(path, count=700, size=32, seed=0):
    """A file in the public layout with more in it than the schema knows."""
    noise = np.random.default_rng(seed)
    with h5py.File(path, "w") as file:
        frames = noise.integers(0, 60, (count, size, size // 4, 3), dtype=np.uint8).repeat(4, axis=2)
        file.create_dataset("frames", data=frames, chunks=(count // 2, 8, 8, 1), compression="lzf")
        file["frames"].attrs["unit"] = "sRGB"
        file["actions"] = np.arange(count) % 5
        file["extra/depth"] = noise.random((count, 2)).astype(np.float32)
        file["extra"].attrs["sensor"] = "left"
        file["notes"] = "a text"
        file.attrs.update({"fps": 30.0, "maps": np.arange(3, dtype=np.int16), "game": "Ä", "ok": True})
    return path


def content(path):
    """Everything in a file: values, types, attributes."""
    found = {}

    def visit(name, thing):
        value = thing[()] if isinstance(thing, h5py.Dataset) else None
        kind = getattr(thing, "dtype", None)
        found[name] = (value, kind, {key: np.asarray(item) for key, item in thing.attrs.items()})

    with h5py.File(path) as file:
        file.visititems(visit)
        found["/"] = (None, None, {key: np.asarray(item) for key, item in file.attrs.items()})
    return found


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name, (value, kind, attributes) in first.items():
        assert kind == second[name][1]
        np.testing.assert_array_equal(value, second[name][0])
        np.testing.assert_equal(attributes, second[name][2])


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("in_place", [False, True])
def test_all_of_a_file_is_kept(tmp_path, raw, in_place):
    path = foreign(tmp_path / "a[1].h5")
    before = content(path)
    out = path if in_place else tmp_path / "new" / "b.h5"
    done = optimize(path, None if in_place else out, raw=raw, progress=False)
    assert done.path == out
    assert_same(before, content(out))
    assert_same(before, content(path))
    assert read_info(out).chunks == (None if raw else (16, 32, 32, 3))
    assert [entry.name for entry in out.parent.iterdir() if entry.is_file()] == [out.name]


@pytest.mark.slow
def test_it_reads_faster_and_says_so(tmp_path, capsys):
    path = foreign(tmp_path / "a.h5", count=2000)
    assert cli.main(["optimize", str(path)]) == 0
    told = capsys.readouterr().out
    assert "windows of 16 frames a second, before" in told
    assert float(told.split("(")[1].split(" times")[0]) > 3
    assert cli.main(["optimize", str(path)]) == 0
    assert "reads well as it is" in capsys.readouterr().out
    assert cli.main(["optimize", str(path), str(tmp_path / "b.h5")]) == 0  # asked for by name, so it is made
    assert_same(content(path), content(tmp_path / "b.h5"))


@pytest.mark.parametrize("count", [1, 5, 16, 17, 33])
def test_short_files(tmp_path, count):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        frames = np.random.default_rng(0).integers(0, 255, (count, 8, 8, 3), dtype=np.uint8)
        file.create_dataset("frames", data=frames, chunks=(1, 4, 4, 1))
    optimize(path, progress=False)
    np.testing.assert_array_equal(FrameFile(path).frames(0, count), frames)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["gone.h5"], "No such gameplay file"),
        (["text.h5"], "not an HDF5 file"),
        (["a.h5", "b.h5"], "b.h5 exists already"),
        (["a.h5", "b.mp4"], "ends in .h5"),
        (["a.h5", "--fast"], "fast"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(tmp_path, monkeypatch, capsys, words, told):
    monkeypatch.chdir(tmp_path)
    foreign(tmp_path / "a.h5", 40)
    shutil.copy("a.h5", "b.h5")
    (tmp_path / "text.h5").write_text("no", encoding="utf-8")
    before = {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()}
    assert cli.main(["optimize", *words]) != 0
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == before


def test_a_damaged_file_stays_as_it_is(tmp_path):
    path = foreign(tmp_path / "a.h5")
    with h5py.File(path) as file:
        chunk = file["frames"].id.get_chunk_info(40)
    damaged = bytearray(path.read_bytes())
    damaged[chunk.byte_offset : chunk.byte_offset + chunk.size] = b"\xff" * chunk.size
    path.write_bytes(damaged)
    with pytest.raises(DataError, match="damaged"):
        optimize(path, progress=False)
    assert path.read_bytes() == damaged
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.h5"]


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path):
    """A limit on file size makes writes fail as a full disk does."""
    path = foreign(tmp_path / "a.h5")
    before = path.read_bytes()
    code = f"""
        import resource, signal, sys
        from tinyworlds.commands import cli
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        sys.exit(cli.main(["optimize", {str(path)!r}]))
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    lines = [line for line in result.stderr.splitlines() if line.startswith("error") or "Trace" in line]
    assert len(lines) == 1
    assert "Could not write" in lines[0]
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.h5"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_one_line(tmp_path, capsys):
    path = foreign(tmp_path / "a.h5")
    tmp_path.chmod(0o555)
    try:
        assert cli.main(["optimize", str(path)]) == 1
        assert "Permission denied" in capsys.readouterr().err
    finally:
        tmp_path.chmod(0o755)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows ends processes another way")
def test_killed_at_random_moments(tmp_path):
    path = foreign(tmp_path / "a.h5", 3000, 32)
    original, before = path.read_bytes(), FrameFile(path).frames(0, 3000)
    code = f"from tinyworlds.data.optimize import optimize; print('go', flush=True); optimize({str(path)!r})"
    seed = int.from_bytes(os.urandom(4), "little")
    chance, kills, done = random.Random(seed), 0, 0
    while kills < 15:
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        child.stdout.readline()
        time.sleep(chance.uniform(0.8, 1.8))
        kills += child.poll() is None
        child.kill()
        child.communicate()
        np.testing.assert_array_equal(FrameFile(path).frames(0, 3000), before, err_msg=f"seed {seed}")
        if read_info(path).chunks[0] == 16:
            done += 1
            path.write_bytes(original)
    print(f"seed {seed}: {kills} kills, the file was replaced before {done} of them")
