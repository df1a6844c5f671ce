"""Which pictures of a video become frames, and how they look: compared with what was drawn."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import h5py
import numpy as np
import pytest
from ingest_videos import (
    HEIGHT,
    WIDTH,
    draw,
    expected_numbers,
    numbered_video,
    numbers_in,
    shrunk,
    turn,
    write_video,
)

from tinyworlds.errors import ConfigError, DataError
from tinyworlds.sources.ingest.extract import Job, extract
from tinyworlds.sources.ingest.pieces import Pieces, State
from tinyworlds.sources.ingest.settings import Settings


def frames_of(video: Path, **settings: object) -> tuple[np.ndarray, State]:
    job = Job(video, video.with_suffix(".pieces"), Settings(**settings), piece_bytes=10 * 64 * 64 * 3)
    state = extract(job, lambda position: None)
    return np.stack([frame for frame, _ in Pieces(job.folder).frames(state)]), state


def test_every_second_picture_of_30_fps(tmp_path: Path) -> None:
    frames, state = frames_of(numbered_video(tmp_path / "a.mp4", 90))
    assert numbers_in(frames) == list(range(0, 90, 2))
    assert state.num_frames == 45
    for i, frame in enumerate(frames):
        assert np.abs(frame.astype(int) - shrunk(draw(2 * i), 64)).mean() < 4


@pytest.mark.parametrize(
    ("rate", "fps"), [(Fraction(30000, 1001), 15), (60, 15), (24, 15), (10, 15), (25, 10), (30, 20)]
)
def test_constant_rates(tmp_path: Path, rate: Fraction | int, fps: float) -> None:
    frames, _ = frames_of(numbered_video(tmp_path / "a.mp4", 120, rate=rate), fps=fps)
    times = [float(i / Fraction(rate)) for i in range(120)]
    expected = expected_numbers(times, fps, float(1 / Fraction(rate)), float(120 / Fraction(rate)))
    assert numbers_in(frames) == expected
    assert abs(len(frames) - 120 / float(rate) * fps) <= 1


def test_variable_rate_follows_the_time_stamps(tmp_path: Path) -> None:
    """A screen recorder writes a picture only when something changes."""
    random = np.random.default_rng(3)
    steps = random.choice([1 / 60, 1 / 30, 0.1, 0.5, 2.0], 80, p=[0.4, 0.3, 0.2, 0.07, 0.03])
    times = [round(float(t), 3) for t in np.cumsum([0, *steps[:-1]])]
    video = numbered_video(tmp_path / "a.mkv", 80, times=times)
    frames, _ = frames_of(video)
    expected = expected_numbers(times, 15, 0.0, times[-1])  # the recorder's average rate only moves ties
    found = numbers_in(frames)
    assert abs(len(found) - len(expected)) <= 2
    shown_s = [times[number] for number in found[: len(expected)]]
    early = np.array(shown_s) - np.arange(len(shown_s)) / 15
    assert early.max() <= 0.5 / 15 + 1e-6, "a picture is stored before it is shown"
    assert found[: len(expected) // 2] == sorted(found[: len(expected) // 2])
    late = [times[min(n + 1, 79)] - k / 15 for k, n in enumerate(found[: len(expected) - 1])]
    assert min(late) > -1e-6, "a picture is stored after it has gone"


def test_a_long_gap_in_the_times_is_not_filled(tmp_path: Path) -> None:
    times = [i / 30 for i in range(30)] + [500 + i / 30 for i in range(30)]
    frames, state = frames_of(numbered_video(tmp_path / "a.mkv", 60, times=times), keep_truncated=True)
    assert len(frames) in (30, 31)
    assert len(state.breaks) == 1
    numbers = numbers_in(frames)
    last = state.breaks[0]
    assert numbers[last] in (28, 29)
    assert numbers[last + 1] == 30


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("a.mkv", {}),
        ("a.ts", {}),
        ("a.avi", {"codec": "mpeg4", "options": {"qscale": "2"}}),
        ("a.webm", {"codec": "libvpx", "options": {"b": "4M", "deadline": "realtime"}}),
        ("raw.h264", {}),
        ("a.mov", {"pixels": "yuv444p"}),
        (
            "b.mkv",
            {"codec": "libx265", "pixels": "yuv420p10le", "options": {"x265-params": "log-level=none"}},
        ),
        ("c.mp4", {"options": {"bf": "3", "b_strategy": "1", "flags": "-cgop"}}),
    ],
)
def test_containers_and_pixel_formats(tmp_path: Path, name: str, settings: dict) -> None:
    frames, _ = frames_of(numbered_video(tmp_path / name, 60, **settings))
    assert numbers_in(frames) == list(range(0, 60, 2))
    assert np.abs(frames[20].astype(int) - shrunk(draw(40), 64)).mean() < 8


def _crossed(picture: np.ndarray) -> np.ndarray:
    return picture.transpose(1, 0, 2)


TURNS = {
    (1, 0, 0, 1): lambda p: p,
    (0, 1, -1, 0): lambda p: np.rot90(p, -1),
    (-1, 0, 0, -1): lambda p: np.rot90(p, 2),
    (0, -1, 1, 0): np.rot90,
    (-1, 0, 0, 1): lambda p: p[:, ::-1],
    (1, 0, 0, -1): lambda p: p[::-1],
    (0, 1, 1, 0): _crossed,
    (0, -1, -1, 0): lambda p: np.rot90(_crossed(p), 2),
}


@pytest.mark.parametrize("matrix", TURNS)
def test_phones_held_any_way(tmp_path: Path, matrix: tuple[int, int, int, int]) -> None:
    """The display matrix says how the stored picture is shown: column x, row y at (ax + cy, bx + dy)."""
    frames, state = frames_of(turn(numbered_video(tmp_path / "a.mp4", 10), matrix))
    upright = TURNS[matrix](draw(4))
    assert np.abs(frames[2].astype(int) - shrunk(np.ascontiguousarray(upright), 64)).mean() < 4
    assert (state.height, state.width) == upright.shape[:2]


def boxed(top: int, bottom: int, left: int, right: int) -> list[np.ndarray]:
    return [np.pad(draw(i), ((top, bottom), (left, right), (0, 0))) for i in range(60)]


@pytest.mark.parametrize("bars", [(24, 24, 0, 0), (0, 0, 32, 32), (10, 30, 16, 0)])
def test_black_bars_are_found_and_cut(tmp_path: Path, bars: tuple[int, int, int, int]) -> None:
    top, _, left, _ = bars
    frames, state = frames_of(write_video(tmp_path / "a.mp4", boxed(*bars)))
    found, wanted = np.array(state.crop), np.array((left, top, WIDTH, HEIGHT))
    assert np.abs(found - wanted).max() <= 1
    assert numbers_in(frames) == list(range(0, 60, 2))
    assert np.abs(frames[5].astype(int) - shrunk(draw(10), 64)).mean() < 6
    whole, state = frames_of(write_video(tmp_path / "b.mp4", boxed(*bars)), crop="none")
    assert state.crop is None
    assert np.abs(whole[5].astype(int) - shrunk(boxed(*bars)[10], 64)).mean() < 4


def test_no_bars_no_cut(tmp_path: Path) -> None:
    """Neither in a bright game nor in a dark one where something comes to the edges now and then."""
    assert frames_of(numbered_video(tmp_path / "a.mp4", 60))[1].crop is None
    dark = np.zeros((60, HEIGHT, WIDTH, 3), np.uint8)
    for i in range(60):
        dark[i, :, i * 2 : i * 2 + 10] = 200
    dark[5:9, :, -10:] = 200
    assert frames_of(write_video(tmp_path / "b.mp4", dark))[1].crop is None
    assert frames_of(write_video(tmp_path / "c.mp4", np.zeros_like(dark)))[1].crop is None


def test_a_crop_of_ones_own(tmp_path: Path) -> None:
    pictures = boxed(7, 5, 9, 3)
    video = write_video(tmp_path / "a.mp4", pictures)
    frames, _ = frames_of(video, crop=(9, 7, WIDTH, HEIGHT))
    assert np.abs(frames[5].astype(int) - shrunk(draw(10), 64)).mean() < 6
    with pytest.raises(ConfigError, match=r"b.mp4.*100,0,100,50 reaches outside its pictures of 128x96"):
        frames_of(numbered_video(tmp_path / "b.mp4", 10), crop=(100, 0, 100, 50))


@pytest.mark.parametrize(("start_s", "first"), [(1.0, 30), (6.5, 195)])
def test_the_beginning_left_out(tmp_path: Path, start_s: float, first: int) -> None:
    frames, _ = frames_of(numbered_video(tmp_path / "a.mp4", 240), start_s=start_s)
    assert numbers_in(frames) == list(range(first, 240, 2))
    with pytest.raises(DataError, match="lies behind its end at 0:08"):
        frames_of(numbered_video(tmp_path / "b.mp4", 240), start_s=9)


QUICK = (("a.mp4", 3), ("a.ts", 200), ("a.h264", 1))


@pytest.mark.parametrize(
    ("name", "stop"),
    [
        pytest.param(name, stop, marks=() if (name, stop) in QUICK else pytest.mark.slow)
        for name in ("a.mp4", "a.mkv", "a.ts", "a.h264")
        for stop in (1, 3, 200)
    ],
)
def test_going_on_after_an_interruption_gives_the_same(tmp_path: Path, name: str, stop: int) -> None:
    video = numbered_video(tmp_path / name, 240, gop=50)
    whole, _ = frames_of(video)
    job = Job(video, tmp_path / "again", Settings(), piece_bytes=9 * 64 * 64 * 3)
    count = 0

    def report(position: int) -> None:
        nonlocal count
        count += 1
        if count == stop:
            count = 0
            raise KeyboardInterrupt

    for _ in range(300):
        try:
            state = extract(job, report)
            break
        except KeyboardInterrupt:
            stop += 7
    again = np.stack([frame for frame, _ in Pieces(job.folder).frames(state)])
    assert np.array_equal(whole, again)
    assert not [*job.folder.glob("*.part")]


def test_an_interruption_at_a_gap_does_not_count_it_twice(tmp_path: Path) -> None:
    times = [i / 30 for i in range(20)] + [500 + i / 30 for i in range(20)]
    video = numbered_video(tmp_path / "a.mkv", 40, times=times)
    settings = Settings(keep_truncated=True)
    straight = extract(Job(video, tmp_path / "1", settings, piece_bytes=1), lambda position: None)
    job, patience = Job(video, tmp_path / "2", settings, piece_bytes=1), 0
    while True:
        calls = [None] * (patience := patience + 1)
        try:
            state = extract(job, lambda position, calls=calls: calls.pop())
            break
        except IndexError:
            continue
    assert (state.num_frames, state.breaks) == (straight.num_frames, straight.breaks)
    assert len(state.breaks) == 1


def test_damage_in_the_middle_is_passed_over(tmp_path: Path) -> None:
    video = numbered_video(tmp_path / "a.ts", 120, gop=10)
    data = bytearray(video.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4000] = bytes(4000)
    video.write_bytes(data)
    frames, _ = frames_of(video)
    numbers = numbers_in(frames)
    assert numbers[:20] == list(range(0, 40, 2))
    assert numbers[-5:] == list(range(110, 120, 2))


def test_pieces_are_gameplay_files_of_the_size_asked_for(tmp_path: Path) -> None:
    _, state = frames_of(numbered_video(tmp_path / "a.mp4", 90))
    files = sorted((tmp_path / "a.pieces").glob("*.h5"))
    assert [len(h5py.File(f)["frames"]) for f in files] == [10, 10, 10, 10, 5]
    assert state.done


def test_bars_of_a_long_video_are_looked_for_all_over_it(tmp_path: Path) -> None:
    """Ten dark seconds at the beginning do not look like a bar, wherever the game shows something later."""
    pictures = [picture // (8 if i < 100 else 1) for i, picture in enumerate(boxed(24, 24, 0, 0) * 12)]
    state = frames_of(write_video(tmp_path / "a.mp4", pictures, rate=10))[1]
    assert state.crop is not None
    assert np.abs(np.array(state.crop) - (0, 24, WIDTH, HEIGHT)).max() <= 1


_MEMORY = """
import resource, sys
from pathlib import Path
from tinyworlds.sources.ingest.extract import Job, extract
from tinyworlds.sources.ingest.settings import Settings
peaks = []
for path in map(Path, sys.argv[1:]):
    extract(Job(path, path.with_suffix(".pieces"), Settings(), piece_bytes=2**20), lambda position: None)
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
print(*peaks)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts in kilobytes on Linux only")
@pytest.mark.slow
def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    """The long one is 37 MB of stored frames, or 147 MB of decoded ones."""
    short, long = (numbered_video(tmp_path / f"{n}.mp4", n) for n in (300, 6000))
    done = subprocess.run(
        [sys.executable, "-c", _MEMORY, short, long], capture_output=True, text=True, check=True
    )
    first, second = map(int, done.stdout.split())
    assert second - first < 12, f"{first} MB for 10 s, {second} MB for 200 s"
