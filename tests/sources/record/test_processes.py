"""Recording in several processes and in several goes: aligned, independent of timing, nothing lost."""

import itertools
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
import toy_games
from paths import ROOT, SUPPORT

from tinyworlds.commands import cli
from tinyworlds.data.reader import FrameFile
from tinyworlds.data.schema import read_info
from tinyworlds.errors import ConfigError, DataError
from tinyworlds.sources.record.record import record

TOY, SLOW, CRASHING = (f"toy_games:Tiny{name}-v0" for name in ("Wandering", "Slow", "Crashing"))


def columns(path):
    with h5py.File(path) as file:
        return {name: file[name][:] for name in file}


def assert_aligned(data):
    """Inside an episode, the next frame shows the action beside this one, and one step more."""
    step, action, episode = (data["frames"][:, 0, 0, channel].astype(int) for channel in range(3))
    ends = data["episode_ends"]
    inside = np.flatnonzero(~ends[:-1])
    assert ends[-1]
    assert len(inside)
    np.testing.assert_array_equal(action[inside + 1], data["actions"][inside])
    np.testing.assert_array_equal(step[inside + 1], (step[inside] + 1) % 250)
    np.testing.assert_array_equal(data["rewards"][inside], step[inside + 1])
    np.testing.assert_array_equal(episode[inside + 1], episode[inside])
    starts = np.concatenate([[0], np.flatnonzero(ends[:-1]) + 1])
    assert (action[starts] == 99).all()
    assert (step[starts] == 0).all()


def assert_equal(first, second):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def start(out, *words, size=8):
    """The command in a process of its own (and group, so that all of it can be killed)."""
    path = os.pathsep.join([str(SUPPORT), str(ROOT)])
    return subprocess.Popen(
        [sys.executable, "-m", "tinyworlds", "record", SLOW, "--out", str(out), "--size", str(size), *words],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def pieces(folder):
    return list(folder.glob(".record/*/*/*.h5"))


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


# ---- several processes


def test_processes_play_their_own_games_and_timing_does_not_matter(tmp_path):
    settings = {"size": 8, "progress": False, "processes": 3, "seed": 4}
    found = [
        record(TOY, tmp_path / "a.h5", 1000, **settings),
        record(SLOW, tmp_path / "b.h5", 1000, **settings),
    ]
    first, second = (columns(recording.path) for recording in found)
    assert_aligned(first)
    assert_equal(first, second)
    assert len(first["frames"]) == 1000
    assert found[0].num_episodes == first["episode_ends"].sum()
    thirds = [first["actions"][i : i + 300] for i in (0, 336, 672)]  # whole chunks of 16 frames each
    assert all((a != b).any() for a, b in itertools.pairwise(thirds))
    assert first["episode_ends"][[335, 671, 999]].all()
    assert visible(tmp_path) == ["a.h5", "b.h5"]
    assert not (tmp_path / ".record").exists()


def test_one_process_plays_what_the_first_of_several_does(tmp_path):
    record(TOY, tmp_path / "one.h5", 336, size=8, progress=False)
    record(TOY, tmp_path / "three.h5", 1000, size=8, progress=False, processes=3)
    one, three = columns(tmp_path / "one.h5"), columns(tmp_path / "three.h5")
    np.testing.assert_array_equal(one["frames"], three["frames"][:336])
    np.testing.assert_array_equal(one["actions"], three["actions"][:336])


@pytest.mark.parametrize(("how", "told"), [("raise", "the game broke"), ("exit", "exit code 7")])
def test_a_game_that_breaks_is_one_line(tmp_path, monkeypatch, how, told):
    monkeypatch.setenv("TOY_CRASH", how)
    with pytest.raises(DataError, match=told):
        record(CRASHING, tmp_path / "a.h5", 600, size=8, progress=False, processes=2)
    assert visible(tmp_path) == []


def test_more_processes_than_frames(tmp_path):
    assert record(TOY, tmp_path / "a.h5", 20, size=8, progress=False, processes=5).num_frames == 20
    assert_aligned(columns(tmp_path / "a.h5"))


def test_a_function_of_this_process_cannot_play_in_others(tmp_path):
    with pytest.raises(ConfigError, match="module:function"):
        record(TOY, tmp_path / "a.h5", 20, policy=toy_games.first_pixel, processes=2)


# ---- appending


def test_appending_adds_other_play(tmp_path):
    out = tmp_path / "a.h5"
    record(TOY, out, 130, size=8, progress=False)
    before = columns(out)
    assert record(TOY, out, 200, size=8, progress=False, append=True, processes=2).num_frames == 330
    after = columns(out)
    assert_aligned(after)
    for name, values in before.items():
        np.testing.assert_array_equal(after[name][:130], values)
    assert (after["actions"][130:230] != before["actions"][:100]).any()
    assert record(TOY, out, 16, size=8, progress=False, append=True).num_frames == 346


@pytest.mark.parametrize(
    ("settings", "told"),
    [({"size": 16}, "size 8, not 16"), ({"actions": ["left"]}, "actions"), ({"frame_skip": 2}, "fps 24")],
)
def test_only_the_same_kind_is_appended(tmp_path, settings, told):
    out = tmp_path / "a.h5"
    record(TOY, out, 40, size=8, progress=False)
    before = out.read_bytes()
    with pytest.raises(DataError, match=told):
        record(TOY, out, 40, progress=False, append=True, **{"size": 8, **settings})
    assert out.read_bytes() == before


# ---- interruptions


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process there")
@pytest.mark.parametrize(
    ("processes", "before"),
    [
        pytest.param(1, "default", marks=pytest.mark.slow),
        (2, "default"),
        pytest.param(2, "ignored", marks=pytest.mark.slow),
    ],
)
def test_ctrl_c_keeps_what_was_recorded(tmp_path, processes, before):
    out = tmp_path / "a.h5"
    words = ["--frames", "200000", "--processes", str(processes)]  # more than a busy second records
    ours = signal.signal(signal.SIGINT, signal.SIG_IGN if before == "ignored" else signal.default_int_handler)
    try:
        process = start(out, *words)  # which inherits what is ignored, as shells start what runs behind
    finally:
        signal.signal(signal.SIGINT, ours)
    wait_for(lambda: len(list(tmp_path.glob(".record/*/*/*.part"))) == processes)
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    told = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "frames are kept; run the same command to go on" in told
    assert "Traceback" not in told
    kept = sum(read_info(path).num_frames for path in pieces(tmp_path))
    assert kept > 100
    process = start(out, "--frames", "1999")
    told = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "frames was 200000, is 1999" in told
    assert sum(read_info(path).num_frames for path in pieces(tmp_path)) == kept
    process = start(out, "--frames", "1999", "--overwrite")
    assert process.communicate(timeout=60)[1].count("going on") == 0
    assert_aligned(columns(out))
    assert len(FrameFile(out)) == 1999


class Killed(BaseException):
    """Stands for SIGKILL at an exact place."""


@pytest.mark.parametrize("append", [False, True])
def test_killed_between_the_file_and_the_tidying(tmp_path, monkeypatch, append):
    out, settings = tmp_path / "a.h5", {"size": 8, "progress": False, "append": append}
    if append:
        record(TOY, out, 50, size=8, progress=False)

    def killed(self):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("tinyworlds.sources.record.work.Work._remove", killed)
        with pytest.raises(Killed):
            record(TOY, out, 100, **settings)
    done = out.read_bytes()
    assert record(TOY, out, 100, **settings).num_frames == 100 + 50 * append  # not appended twice
    assert out.read_bytes() == done
    assert not (tmp_path / ".record").exists()


def test_killed_while_tidying(tmp_path, monkeypatch):
    out, settings, rmtree = tmp_path / "a.h5", {"size": 8, "progress": False}, shutil.rmtree

    def killed(folder, **options):
        if out.exists():
            raise Killed
        rmtree(folder, **options)

    with monkeypatch.context() as patch:
        patch.setattr("tinyworlds.sources.record.work.shutil.rmtree", killed)
        with pytest.raises(Killed):
            record(TOY, out, 100, **settings)
    done = out.read_bytes()
    assert (tmp_path / ".record").exists()
    with pytest.raises(DataError, match="exists already"):
        record(TOY, out, 100, **settings)
    assert out.read_bytes() == done
    assert not (tmp_path / ".record").exists()


def test_a_file_that_came_in_the_meantime_is_not_replaced(tmp_path, monkeypatch):
    out, settings = tmp_path / "a.h5", {"size": 8, "progress": False}

    def killed(*words):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("tinyworlds.sources.record.work.Joiner.add", killed)
        with pytest.raises(Killed):
            record(TOY, out, 100, **settings)
    assert len(pieces(tmp_path)) == 1
    out.write_bytes(b"something else")
    with pytest.raises(DataError, match="exists already"):
        record(TOY, out, 100, **settings)
    assert out.read_bytes() == b"something else"
    assert record(TOY, out, 100, overwrite=True, **settings).num_frames == 100


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows ends processes another way")
@pytest.mark.parametrize(("processes", "num_kills"), [(1, 10), (3, 6)])
def test_killed_at_random_moments(tmp_path, processes, num_kills):
    """A file under its final name is always whole; killed often enough, a recording is still finished.

    At 96 pixels a piece has 592 frames, so that there are some to go on from.
    """
    out, words = tmp_path / "a.h5", ["--frames", "4000", "--processes", str(processes)]
    begun = time.monotonic()
    start(out, *words, size=96).communicate()
    usual_s = time.monotonic() - begun
    out.unlink()
    seed = int.from_bytes(os.urandom(4), "little")
    chance, kills, finished, resumed = random.Random(seed), 0, 0, 0
    while kills < num_kills or not out.exists():
        process = start(out, *words, size=96)
        try:
            process.wait(chance.uniform(0.2, 1.2) * usual_s if kills < num_kills else 120)
        except subprocess.TimeoutExpired:
            kills += 1
            if chance.random() < 0.5:
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)
        told = process.communicate()[1]
        resumed += "going on" in told
        if out.exists():
            finished += 1
            assert_aligned(columns(out))
            assert len(FrameFile(out)) == 4000
            if kills < num_kills:
                subprocess.run([sys.executable, "-c", f"import os; os.remove({str(out)!r})"], check=True)
    start(out, *words, size=96).communicate()  # tidies, if the last kill came before that
    assert visible(tmp_path) == ["a.h5"]
    assert not (tmp_path / ".record").exists()
    print(f"seed {seed}: {kills} kills, {resumed} resumed, {finished} files, all whole")


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_full_disk_is_one_line_and_keeps_complete_pieces(tmp_path):
    out = tmp_path / "a.h5"
    code = f"""
        import resource, signal, sys
        from tinyworlds.commands import cli
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
        sys.exit(cli.main(["record", {TOY!r}, "--out", {str(out)!r}, "--frames", "30000", "--size", "8"]))
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(SUPPORT), str(ROOT)])}
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert result.returncode == 1
    errors = [line for line in result.stderr.splitlines() if line.startswith("error")]
    assert len(errors) == 1
    assert "Could not write" in errors[0]
    assert "Traceback" not in result.stderr
    assert visible(tmp_path) == []


@pytest.mark.parametrize("make", ["file", "folder"])
def test_a_place_that_cannot_be_written_is_one_line(tmp_path, capsys, make):
    place = tmp_path / "data"
    if make == "file":
        place.write_text("in the way", encoding="utf-8")
    elif os.name == "nt" or os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    else:
        place.mkdir(mode=0o555)
    assert cli.main(["record", TOY, "--out", str(place / "a.h5"), "--frames", "20"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: Could not write")
    assert error.count("\n") == 1
