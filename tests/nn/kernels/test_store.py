"""Only compiled code that this user's processes put there, whole, is loaded; all else is compiled again."""

import os
import stat
import subprocess
import sys
import tempfile

import pytest

from tinyworlds.errors import StorageError
from tinyworlds.nn.kernels import loading
from tinyworlds.nn.kernels.store import find_library, kernel_folder, store_library

pytestmark = pytest.mark.skipif(loading.find_compiler() is None, reason="needs a C++ compiler")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of the test's own, and a source file that answers 1."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(loading, "SOURCES", tmp_path)
    (tmp_path / "one.cpp").write_text('extern "C" int answer() { return ANSWER; }')
    return tmp_path / "cache" / "tinyworlds" / "kernels"


def answer(value=1):
    return loading.load_kernel("one", {"ANSWER": value}).answer()


def only_library(folder):
    [library] = folder.glob("*.so")
    return library


def replace(library, content):
    """Put another file in its place: a library that is loaded must not be written to."""
    mode = library.stat().st_mode
    library.unlink()
    library.write_bytes(content)
    library.chmod(mode)


def test_compiled_once(cache, monkeypatch):
    assert answer() == 1
    before = only_library(cache).stat()
    monkeypatch.setattr(loading, "_compile", lambda *_: pytest.fail("compiled again"))
    assert answer() == 1
    assert only_library(cache).stat().st_mtime_ns == before.st_mtime_ns


def test_nobody_else_may_read_or_write(cache):
    umask = os.umask(0)
    try:
        answer()
    finally:
        os.umask(umask)
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert stat.S_IMODE(only_library(cache).stat().st_mode) == 0o700


@pytest.mark.parametrize("kept", [0, 50, 0.5, 0.99])
def test_a_file_cut_short_is_compiled_again(cache, kept):
    assert answer() == 1
    library = only_library(cache)
    whole = library.read_bytes()
    replace(library, whole[: kept if isinstance(kept, int) else int(kept * len(whole))])
    assert (run_apart() if kept == 0.5 else answer()) == 1
    assert len(only_library(cache).read_bytes()) == len(whole)


def test_a_changed_file_is_compiled_again(cache):
    assert answer() == 1
    library = only_library(cache)
    content = bytearray(library.read_bytes())
    content[len(content) // 2] ^= 1
    replace(library, bytes(content))
    assert answer() == 1
    assert only_library(cache).read_bytes() != bytes(content)


def test_code_of_another_source_in_its_place_does_not_run(cache):
    assert answer(2) == 2
    other = only_library(cache).read_bytes()
    [path.unlink() for path in cache.iterdir()]
    answer()
    replace(only_library(cache), other)
    assert answer() == 1


@pytest.mark.parametrize("digest", [None, b"", b"0" * 64, b"\xff"])
def test_a_hash_that_is_missing_or_wrong_counts_as_no_file(cache, digest):
    answer()
    library = only_library(cache)
    beside = library.with_name(f"{library.name}.sha256")
    beside.unlink()
    if digest is not None:
        beside.write_bytes(digest)
    assert find_library(library.stem) is None
    assert answer() == 1
    assert find_library(library.stem) == library


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_file_that_others_may_write_is_not_loaded(cache, mode):
    answer()
    library = only_library(cache)
    library.chmod(mode)
    assert find_library(library.stem) is None
    assert answer() == 1
    assert stat.S_IMODE(library.stat().st_mode) == 0o700


def test_a_link_is_not_followed(cache, tmp_path):
    answer()
    library = only_library(cache)
    library.rename(tmp_path / "elsewhere.so")
    library.symlink_to(tmp_path / "elsewhere.so")
    assert find_library(library.stem) is None
    assert answer() == 1
    assert not library.is_symlink()


@pytest.mark.parametrize("place", ["file", "folder"])
@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="has no owners")
def test_what_belongs_to_another_user_is_not_loaded(cache, place, monkeypatch):
    answer()
    library, me = only_library(cache), os.geteuid()
    own = {library.name, cache.name} - {library.name if place == "file" else cache.name}
    lstat = type(cache).lstat

    def of_another(path):
        found = list(lstat(path))
        found[stat.ST_UID] = me if path.name in own or "tinyworlds-kernels" in path.name else me + 1
        return os.stat_result(found)

    monkeypatch.setattr(type(cache), "lstat", of_another)
    assert find_library(library.stem) is None
    if place == "folder":
        assert kernel_folder().parent == cache.parents[2]  # the temporary one, under a name of one's own
    monkeypatch.setattr(type(cache), "lstat", lstat)
    if place == "file" and me == 0:
        os.chown(library, 1, 1)  # in earnest
        assert find_library(library.stem) is None
        assert answer() == 1
        assert library.stat().st_uid == 0


def test_a_folder_that_was_open_to_all_is_closed(cache):
    cache.mkdir(parents=True)
    cache.chmod(0o777)
    assert answer() == 1
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700


def test_without_a_cache_the_temporary_folder_serves(cache, tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/dev/null/none")
    assert answer() == 1
    assert only_library(tmp_path / f"tinyworlds-kernels-{os.geteuid()}")


def test_nowhere_to_keep_it_is_said(cache, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    monkeypatch.setattr(tempfile, "tempdir", "/dev/null")
    with pytest.raises(StorageError, match="compiled code can be kept nowhere: /dev/null"):
        kernel_folder()
    with pytest.warns(UserWarning, match="No kernel from one.cpp, slower code takes its place"):
        assert loading.load_kernel("one", {"ANSWER": 1}) is None


@pytest.mark.parametrize("what", ["_processor", "_COMMON", "system", "machine"])
def test_the_name_holds_what_it_was_made_for(cache, what, monkeypatch):
    answer()
    before = only_library(cache)
    if what in ("system", "machine"):
        monkeypatch.setattr(loading.platform, what, lambda: "another")
    elif what == "_processor":
        monkeypatch.setattr(loading, what, lambda: "another")
    else:
        monkeypatch.setattr(loading, what, (*loading._COMMON, "-DANOTHER"))
    answer()
    assert len({before, *cache.glob("*.so")}) == 2


def test_a_compiler_that_fails_leaves_nothing(cache):
    def fail(path):
        path.write_bytes(b"half")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        store_library("half", fail)
    assert list(cache.iterdir()) == []


def run_apart():
    """The answer of a fresh process: the system kills one that loads half a library."""
    code = (
        "import sys; from pathlib import Path; from tinyworlds.nn.kernels import loading;"
        "loading.SOURCES = Path(sys.argv[1]);"
        "print(loading.load_kernel('one', {'ANSWER': 1}).answer())"
    )
    command = [sys.executable, "-c", code, str(loading.SOURCES)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.slow
def test_processes_may_compile_at_the_same_time(tmp_path):
    code = (
        "import torch; from tinyworlds.nn.kernels import space_attention as kernel;"
        "assert kernel.has_space_kernel(3);"
        "print(kernel.attend_space_natively(*torch.ones(3, 1, 20, 2, 3)).sum().item())"
    )
    environment = {"XDG_CACHE_HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    both = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [process.communicate()[0].strip() for process in both] == ["120.0", "120.0"]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(path.suffix for path in files if path.parent != tmp_path) == [".sha256", ".so"]
