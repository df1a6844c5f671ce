"""Ctrl-C, kills and full disks while gameplay files are written: whole files or none, and no crash.

In a child the signal comes at the k-th call that HDF5 makes to the file under it, for every k: that is where
an exception is swallowed, and frames stay black.
"""

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from gameplay_files import write_gameplay

from tinyworlds.data.reader import FrameFile
from tinyworlds.sources.record.pieces import Joiner
from tinyworlds.system.files import write_text

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows ends processes another way")

CHILD = """
    import itertools, os, signal, sys
    import numpy as np
    from tinyworlds.data import guarded_file, new_file
    from tinyworlds.data import optimize as optimizing
    from tinyworlds.data.reader import FrameFile
    from tinyworlds.data.writer import FrameWriter
    from tinyworlds.sources.record.pieces import Joiner

    signal.signal(signal.SIGINT, signal.default_int_handler)
    optimizing._MEASURE_S = 0
    how, path, old, first, step = *sys.argv[1:4], *map(int, sys.argv[4:])
    whole = {"write": 150, "append": 180, "optimize": 90}[how]

    def write():
        noise = np.random.default_rng(0)
        with FrameWriter(path, 32, 32, 15, action_names=["a"]) as writer:
            for _ in range(150):
                writer.append(noise.integers(1, 256, (32, 32, 3), dtype=np.uint8))

    def append():
        with Joiner(path, 32, 32, 15, "sprite", ["a"]) as joiner:
            joiner.add(old)
            joiner.add(old)

    def optimize():
        optimizing.optimize(old, path, progress=False)

    work = {"write": write, "append": append, "optimize": optimize}[how]
    calls, at = itertools.count(), None

    def counted(kind, name):
        really = getattr(kind, name)
        def call(self, *arguments):
            if next(calls) == at:
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
            return really(self, *arguments)
        setattr(kind, name, call)

    for name in ("write", "readinto", "seek", "truncate"):
        counted(new_file.Target, name)
    counted(guarded_file.GuardedFile, "readinto")
    for turn in range(first, 10**6, step):
        if os.path.exists(path):  # it had its place when the interrupt came
            at = None
            frames = FrameFile(path).frames(0, whole)
            assert frames.reshape(whole, -1).any(1).all(), "black frames"
            os.unlink(path)
        calls, at = itertools.count(), turn
        try:
            work()
            if next(calls) <= at:
                break
            print("not interrupted at", at)
        except KeyboardInterrupt:
            pass
        assert os.listdir(os.path.dirname(path)) in ([], [os.path.basename(path)])
    print("done after", at)
"""


def child(folder: Path, code: str, *words: str) -> subprocess.CompletedProcess:
    script = folder / "child.py"
    script.write_text(textwrap.dedent(code), encoding="utf-8")
    return subprocess.run(
        [sys.executable, str(script), *words], capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return write_gameplay(tmp_path / "old.h5", 3, 30, 32)


@pytest.mark.parametrize("how", ["write", "append", "optimize"])
@pytest.mark.parametrize("step", [17, pytest.param(1, marks=pytest.mark.slow)])
def test_an_interrupt_at_any_call_of_hdf5(tmp_path, old, how, step):
    (tmp_path / "out").mkdir()
    path, before = tmp_path / "out" / "new.h5", old.read_bytes()
    result = child(tmp_path, CHILD, how, str(path), str(old), "0", str(step))
    assert result.returncode == 0, result
    assert result.stdout.startswith("done after"), result.stdout
    assert result.stderr == ""
    assert int(result.stdout.split()[-1]) > 30
    assert list(path.parent.iterdir()) == [path]  # of the last turn, which came through
    frames = FrameFile(path).frames(0, len(FrameFile(path)))
    assert frames.reshape(len(frames), -1).any(1).all()
    assert old.read_bytes() == before


FULL = """
    import resource, signal, sys
    import numpy as np
    from tinyworlds.data.optimize import optimize
    from tinyworlds.data.writer import FrameWriter
    from tinyworlds.errors import StorageError
    from tinyworlds.play.recorder import Recorder, Recordings
    from tinyworlds.sources.record.pieces import Joiner

    how, path, old, limit = *sys.argv[1:4], int(sys.argv[4])
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    noise = np.random.default_rng(0).integers(1, 256, (90, 32, 32, 3), dtype=np.uint8)

    def leave():
        writer = FrameWriter(path, 32, 32, 15)
        for frame in noise:
            writer.append(frame)

    def play():
        recordings = Recordings(lambda: Recorder(path, 15.0, action_names=["a"]), lambda text: None)
        recordings.toggle(noise[0])
        for frame in noise:
            recordings.add(frame, 0)
        recordings.close()
        raise StorageError(*recordings.failed)

    def append():
        with Joiner(path, 32, 32, 15, "sprite", ["a"]) as joiner:
            joiner.add(old)

    def rewrite():
        optimize(old, path, progress=False)

    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        {"leave": leave, "play": play, "append": append, "optimize": rewrite}[how]()
    except StorageError as error:
        print("refused:", error)
"""


@pytest.mark.parametrize(
    ("how", "limit"),
    [
        pytest.param(how, limit, marks=() if (place + number) % 3 == 0 else pytest.mark.slow)
        for number, how in enumerate(["leave", "play", "append", "optimize"])
        for place, limit in enumerate([0, 500, 20_000])
    ],
)
def test_a_disk_that_is_full_at_any_write(tmp_path, old, how, limit):
    """A limit on the size of files makes writes fail as a full disk does; nobody closes the writer."""
    (tmp_path / "out").mkdir()
    result = child(tmp_path, FULL, how, str(tmp_path / "out" / "new.h5"), str(old), str(limit))
    assert result.returncode == 0, result
    assert "Could not write" in result.stdout
    assert result.stdout.count("\n") == 1
    assert result.stderr == ""
    assert list((tmp_path / "out").iterdir()) == []


KILLED = """
    import sys
    import numpy as np
    from tinyworlds.data.writer import FrameWriter
    noise = np.random.default_rng(0).integers(1, 256, (64, 32, 32, 3), dtype=np.uint8)
    with FrameWriter(sys.argv[1], 32, 32, 15) as writer:
        for frame in noise:
            writer.append(frame)
        print("go", flush=True)
        while True:
            for frame in noise:
                writer.append(frame)
"""


def ended_by(folder: Path, path: Path, number: int, after_s: float) -> int:
    script = folder / "killed.py"
    script.write_text(textwrap.dedent(KILLED), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, str(script), str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(after_s)
    process.send_signal(number)
    process.communicate(timeout=60)
    return process.returncode


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_what_a_killed_writer_leaves_goes_with_the_next(tmp_path, number):
    folder = tmp_path / "out"
    folder.mkdir()
    path = write_gameplay(folder / "a.h5", 1, 20, 32)
    before = path.read_bytes()
    ended_by(tmp_path, path, number, 0.05)
    assert path.read_bytes() == before
    write_gameplay(folder / "b.h5", 1, 20, 32)
    assert sorted(entry.name for entry in folder.iterdir()) == ["a.h5", "b.h5"]


def test_a_killed_optimize_leaves_nothing_for_long(tmp_path, old):
    """It left hidden files of full size, and nobody removed them."""
    code = """
        import os, signal, sys
        from tinyworlds.data import optimize as optimizing
        optimizing._compare = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        optimizing.optimize(sys.argv[1], progress=False)
    """
    before = old.read_bytes()
    assert child(tmp_path, code, str(old)).returncode == -signal.SIGKILL
    assert old.read_bytes() == before
    assert len(list(tmp_path.glob(".old*-tmp-*"))) == 1
    write_text(tmp_path / "anything", "x")
    assert list(tmp_path.glob(".old*")) == []


@pytest.mark.slow
def test_signals_at_random_moments(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    path = write_gameplay(folder / "a.h5", 1, 20, 32)
    before = path.read_bytes()
    seed = int.from_bytes(os.urandom(4), "little")
    chance, codes = random.Random(seed), []
    for _ in range(20):
        number = chance.choice([signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
        codes.append((number, ended_by(tmp_path, path, number, chance.uniform(0, 0.3))))
        assert path.read_bytes() == before, f"seed {seed}"
    assert all(code in (-number, 1, 130) for number, code in codes), f"seed {seed}: {codes}"


def test_reading_is_not_cut_either(tmp_path, old):
    """An interrupt within HDF5's reading came out as damage, or not at all."""
    code = """
        import itertools, signal, sys
        from tinyworlds.data import guarded_file
        from tinyworlds.data.reader import FrameFile

        signal.signal(signal.SIGINT, signal.default_int_handler)
        really, calls, at = guarded_file.GuardedFile.readinto, itertools.count(), 0

        def readinto(self, buffer):
            if next(calls) == at:
                signal.raise_signal(signal.SIGINT)
            return really(self, buffer)

        guarded_file.GuardedFile.readinto = readinto
        for at in itertools.count():
            calls = itertools.count()
            try:
                file = FrameFile(sys.argv[1])
                file.frames(0, 40)
                file.actions
                file.close()
                assert next(calls) <= at
                break
            except KeyboardInterrupt:
                pass
        print(at)
    """
    result = child(tmp_path, code, str(old))
    assert result.returncode == 0, result
    assert int(result.stdout) > 10


def test_a_forgotten_writer_is_no_crash_and_leaves_nothing(tmp_path):
    path = tmp_path / "out" / "a.h5"
    joiner = Joiner(path, 8, 8, 15, "x", ["a"])
    joiner.append(np.ones((8, 8, 3), np.uint8))
    del joiner
    assert list(path.parent.iterdir()) == []
