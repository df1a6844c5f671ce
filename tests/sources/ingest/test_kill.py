"""SIGKILL at random moments of an ingest: the gameplay file is whole or absent, in the end the same."""

import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from ingest_videos import draw, numbered_video, write_video

from tinyworlds.data.schema import read_info

NUM_KILLS = 20
_CODE = (
    "import sys; from tinyworlds.sources.ingest.run import ingest;"
    "done = ingest(sys.argv[2:], sys.argv[1], skip_static=True, num_processes=2, progress=False,"
    " piece_bytes=30 * 64 * 64 * 3); assert not done.errors, done.errors"
)


def start(out: Path, videos: list[Path]) -> subprocess.Popen:
    words = [sys.executable, "-c", _CODE, str(out), *map(str, videos)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(words, env=environment, start_new_session=True, stderr=subprocess.PIPE)


def finish(out: Path, videos: list[Path]) -> None:
    process = start(out, videos)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err.decode()


def content(path: Path) -> tuple[str, list[int], object]:
    with h5py.File(path) as file:
        pixels = hashlib.sha256(file["frames"][:].tobytes()).hexdigest()
        return pixels, np.flatnonzero(file["episode_ends"][:]).tolist(), file["videos"][()]


def make_videos(folder: Path) -> list[Path]:
    """Two longer ones, with still parts and cuts, and a short one, in three containers."""
    long = [draw(i) for i in range(400)] + [draw(0)] * 60 + [255 - draw(i) for i in range(300)]
    return [
        write_video(folder / "1.mp4", long, gop=120),
        numbered_video(folder / "2.mkv", 600, first=5000, gop=250),
        numbered_video(folder / "3.ts", 100, first=9000),
    ]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows ends processes another way")
def test_killed_at_random_moments(tmp_path: Path) -> None:
    videos = make_videos(tmp_path)
    straight = tmp_path / "straight" / "g_frames.h5"
    began = time.monotonic()
    finish(straight, videos)
    usual_s = time.monotonic() - began
    seed = int.from_bytes(os.urandom(4), "little")
    print(f"seed {seed}, {usual_s:.1f} s undisturbed")
    chance = random.Random(seed)
    kills = survived = rounds = 0
    while kills < NUM_KILLS:
        rounds += 1
        out = tmp_path / f"round_{rounds}" / "g_frames.h5"
        for _ in range(8):
            process = start(out, videos)
            try:
                process.wait(chance.uniform(0.3, 1.0) * usual_s)
                survived += 1
            except subprocess.TimeoutExpired:
                kills += 1
                kill(process, alone=chance.random() < 0.5)
            process.communicate()
            if out.exists():
                assert read_info(out).num_frames > 0
                assert content(out) == content(straight), f"seed {seed}, round {rounds}"
                break
        finish(out, videos)
        assert content(out) == content(straight), f"seed {seed}, round {rounds}"
        assert [path.name for path in out.parent.iterdir() if path.name != ".ingest"] == ["g_frames.h5"]
    print(f"{kills} kills in {rounds} rounds, {survived} runs ended before theirs")


def kill(process: subprocess.Popen, alone: bool) -> None:
    """Kill the command, or all of its processes at once."""
    with contextlib.suppress(ProcessLookupError):
        if alone:
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows ends processes another way")
@pytest.mark.slow
def test_decoded_pieces_are_not_decoded_again(tmp_path: Path) -> None:
    """After a kill the next call goes on in the middle of a video, and a third one has nothing left to do."""
    video = numbered_video(tmp_path / "1.mp4", 3000)
    out = tmp_path / "data" / "g_frames.h5"
    process = start(out, [video])
    deadline = time.monotonic() + 60
    while len([*out.parent.glob(".ingest/*/*/*.h5")]) < 5:
        assert time.monotonic() < deadline
        assert process.poll() is None, "it was over before five pieces were there"
        time.sleep(0.005)
    kill(process, alone=False)
    process.communicate()
    # the newest may have been on the disk before it was noted: it is decoded again
    kept = sorted(out.parent.glob(".ingest/*/*/*.h5"))[:-1]
    before = {path: path.stat().st_mtime_ns for path in kept}
    process, changed = start(out, [video]), set()
    while process.poll() is None and not out.exists():
        for path, written in before.items():
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime_ns != written:
                    changed.add(path)
        time.sleep(0.005)
    assert process.communicate()
    assert not changed
    assert process.returncode == 0
    assert read_info(out).num_frames == 1500
