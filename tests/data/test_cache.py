"""Unpacked copies of gameplay files: right, keyed by content, whole, and never a reason to fail."""

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
from code_caches import damage
from gameplay_files import write_public_style

from tinyworlds.data import cache, content
from tinyworlds.data.reader import FrameFile


def copies(folder):
    return sorted(path.name for path in folder.glob(".cache/*.h5"))


def same_frames(path, copy):
    np.testing.assert_array_equal(FrameFile(path, copy).frames(0, 300), FrameFile(path).frames(0, 300))


def test_the_copy_holds_the_same_frames(frames_only_h5):
    assert cache.cached_frames(frames_only_h5) is None
    copy = cache.build_cache(frames_only_h5)
    assert copy == cache.cached_frames(frames_only_h5) == cache.build_cache(frames_only_h5)
    same_frames(frames_only_h5, copy)


def test_a_changed_file_gets_a_new_copy(make_h5):
    path = make_h5()
    first = cache.build_cache(path)
    make_h5(seed=5)
    assert cache.cached_frames(path) is None
    second = cache.build_cache(path)
    assert not first.exists()
    same_frames(path, second)


def test_a_change_that_keeps_size_and_place_is_seen(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("frames", data=np.zeros((300, 4, 4, 3), np.uint8), chunks=(100, 4, 4, 3))
    cache.build_cache(path)
    with h5py.File(path, "r+") as file:
        file["frames"][150] = 7
    assert cache.cached_frames(path) is None
    same_frames(path, cache.build_cache(path))


def test_the_key_is_the_content_not_the_time(make_h5, tmp_path):
    path = make_h5()
    copy = cache.build_cache(path)
    os.utime(path, (1, 1))
    assert cache.cached_frames(path) == copy
    moved = tmp_path / "moved"
    shutil.copytree(path.parent / ".cache", moved / ".cache")
    shutil.copyfile(path, moved / path.name)
    before = (moved / ".cache" / copy.name).stat().st_mtime_ns
    assert cache.build_cache(moved / path.name).stat().st_mtime_ns == before


@pytest.mark.parametrize("name", ["level[1].h5", "a?.h5" if os.name != "nt" else "a!.h5", "ä b.h5"])
def test_names_that_look_like_patterns(make_h5, tmp_path, name):
    path = make_h5(name)
    cache.build_cache(path)
    make_h5(name, seed=5)
    same_frames(path, cache.build_cache(path))
    assert len(copies(tmp_path)) == 1


def test_files_that_differ_in_their_ending_keep_their_copies(make_h5):
    first, second = make_h5("a.h5"), make_h5("a.hdf5", seed=5)
    copy = cache.build_cache(first)
    cache.build_cache(second)
    assert copy.exists()


def test_a_copy_that_lost_its_end_is_made_again(frames_only_h5):
    copy = cache.build_cache(frames_only_h5)
    os.truncate(copy, copy.stat().st_size // 2)
    assert cache.build_cache(frames_only_h5) == copy
    same_frames(frames_only_h5, copy)


def test_files_in_one_piece_need_no_copy(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["frames"] = np.zeros((8, 4, 4, 3), np.uint8)
    assert cache.build_cache(tmp_path / "a.h5") is None
    assert copies(tmp_path) == []


def test_no_room_for_a_copy_is_a_warning_where_reading_is_slow(tiny_h5, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "SPARE_BYTES", 2**60)
    assert cache.build_cache(tiny_h5) is None  # reads well as it is
    path = tmp_path / "slow.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("frames", data=np.zeros((300, 16, 16, 3), np.uint8), chunks=(100, 8, 8, 1))
    with pytest.warns(UserWarning, match="read as it is, which is slow: no room"):
        assert cache.build_cache(path) is None
    assert copies(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_no_error(frames_only_h5, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(cache, "locked", refuse)
    with pytest.warns(UserWarning, match="Permission denied"):
        assert cache.build_cache(frames_only_h5) is None


def _build(path, results):
    results.put(str(cache.build_cache(path)))


@pytest.mark.slow
def test_two_processes_make_one_copy(frames_only_h5, tmp_path):
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    children = [context.Process(target=_build, args=(frames_only_h5, results)) for _ in range(2)]
    for child in children:
        child.start()
    assert results.get(timeout=60) == results.get(timeout=60) == str(cache.cached_frames(frames_only_h5))
    for child in children:
        child.join()
    assert len(copies(tmp_path)) == 1


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows ends processes another way")
def test_killed_at_random_moments(tmp_path):
    """Kills while a copy is made: none is ever visible that is not whole."""
    path = write_public_style(tmp_path / "a.h5", 3000, 32)
    begun = time.monotonic()
    cache.build_cache(path).unlink()
    usual_s = time.monotonic() - begun
    code = (
        f"from tinyworlds.data.cache import build_cache; print('go', flush=True); build_cache({str(path)!r})"
    )
    seed = int.from_bytes(os.urandom(4), "little")
    chance, kills, done = random.Random(seed), 0, 0
    while kills < 25:
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        child.stdout.readline()
        time.sleep(chance.uniform(0, 1.5 * usual_s))
        kills += child.poll() is None
        child.kill()
        child.communicate()
        copy = cache.cached_frames(path)
        if copy is not None:
            done += 1
            same_frames(path, copy)
            copy.unlink()
    print(f"seed {seed}: {kills} kills, {done} copies complete before theirs")
    same_frames(path, cache.build_cache(path))
    assert not list(tmp_path.glob(".cache/.*"))  # nothing is left of the killed ones


# ---- what a size and a time do not tell


def replace_unseen(path, content):
    """Put other bytes of the same number in a file's place and set its time back, as copying tools do."""
    before = path.stat()
    assert len(content) == before.st_size
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def chunked(path, value):
    """A file that gains by a copy; of one size whatever it holds."""
    with h5py.File(path, "w", libver="latest") as file:
        frames = np.full((300, 4, 4, 3), 9, np.uint8)
        frames[150] = value
        file.create_dataset("frames", data=frames, chunks=(100, 4, 4, 3))
    return path


@pytest.mark.parametrize("settled", [True, False])
@pytest.mark.parametrize("way", ["rewritten", "renamed"])
def test_a_file_replaced_with_the_same_size_and_time_gets_a_new_copy(tmp_path, monkeypatch, way, settled):
    path, other = chunked(tmp_path / "a.h5", 1), chunked(tmp_path / "b.h5", 2)
    if settled:  # as if it were older: its hash is noted
        monkeypatch.setattr(content, "_SETTLED_S", -1.0)
    first = cache.build_cache(path)
    assert (tmp_path / ".cache" / "a.h5.content.json").exists() is settled
    if way == "rewritten":
        replace_unseen(path, other.read_bytes())
    else:
        os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
        os.replace(other, path)
    assert cache.cached_frames(path) is None
    second = cache.build_cache(path)
    assert second != first
    assert FrameFile(path, second).frames(150, 1).max() == 2


def test_a_file_is_hashed_once_while_nobody_writes_it(tmp_path, monkeypatch):
    path = chunked(tmp_path / "a.h5", 1)
    monkeypatch.setattr(content, "_SETTLED_S", -1.0)
    copy = cache.build_cache(path)
    monkeypatch.setattr(content, "_hash", None)
    assert cache.cached_frames(path) == cache.build_cache(path) == copy


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"state": null}', "no JSON", "\x00"])
def test_a_damaged_note_is_no_reason_to_fail(tmp_path, note):
    path = chunked(tmp_path / "a.h5", 1)
    copy = cache.build_cache(path)
    (tmp_path / ".cache" / "a.h5.content.json").write_text(note)
    assert cache.build_cache(path) == copy


@pytest.mark.parametrize("how", ["cut", "halved", "emptied", "longer", "zeros", "changed"])
def test_a_damaged_copy_is_not_read_and_made_again(frames_only_h5, how):
    copy = cache.build_cache(frames_only_h5)
    whole = copy.read_bytes()
    damage(copy, how)
    assert cache.cached_frames(frames_only_h5) is None
    assert cache.build_cache(frames_only_h5) == copy
    assert copy.read_bytes()[-4096:] == whole[-4096:]
    same_frames(frames_only_h5, copy)
