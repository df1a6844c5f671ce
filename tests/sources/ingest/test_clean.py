"""Scene cuts and stillness, on frames and on real videos: cuts end episodes, menus go, play stays."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from ingest_videos import draw, numbers_in, write_video

from tinyworlds.sources.ingest.clean import REMEMBERED, Cleaner
from tinyworlds.sources.ingest.run import ingest
from tinyworlds.sources.ingest.settings import Settings

FPS = 15


def scene(seed: int, count: int, speed: int = 1) -> list[np.ndarray]:
    """A picture of blocks in colours of its own that scrolls sideways."""
    random = np.random.default_rng(seed)
    tint = random.integers(30, 226, 3)
    blocks = np.clip(tint + random.integers(-60, 60, (8, 16, 3)), 0, 255).astype(np.uint8)
    wide = blocks.repeat(8, 0).repeat(8, 1)
    return [np.roll(wide, i * speed, axis=1)[:, :64].copy() for i in range(count)]


def cleaned(
    frames: list[np.ndarray], skip_static: bool = False
) -> tuple[list[np.ndarray], list[int], Cleaner]:
    cleaner = Cleaner(FPS, skip_static)
    passed = [pair for frame in frames for pair in cleaner.push(frame)]
    passed += cleaner.finish()
    return [frame for frame, _ in passed], [i for i, (_, end) in enumerate(passed) if end], cleaner


def test_cuts_end_episodes() -> None:
    frames = scene(1, 40) + scene(2, 25) + scene(4, 35)
    kept, ends, cleaner = cleaned(frames)
    assert len(kept) == 100
    assert ends == [39, 64, 99]
    assert cleaner.num_cuts == 2


@pytest.mark.parametrize("speed", [2, 5, 11])
def test_fast_motion_is_no_cut(speed: int) -> None:
    _, ends, _ = cleaned(scene(4, 100, speed))
    assert ends == [99]


def test_a_slow_fade_and_noise_are_no_cuts() -> None:
    random = np.random.default_rng(0)
    bright = scene(5, 60)
    fade = [(frame * (1 - i / 60)).astype(np.uint8) for i, frame in enumerate(bright)]
    noise = [
        np.clip(bright[0] + random.normal(0, 12, bright[0].shape), 0, 255).astype(np.uint8) for _ in range(30)
    ]
    assert cleaned(fade)[1] == [59]
    assert cleaned(noise)[1] == [29]


def test_stillness_stays_unless_it_is_to_go() -> None:
    frames = scene(6, 30) + [scene(6, 30)[-1]] * 100 + scene(6, 60)[30:]
    kept, ends, cleaner = cleaned(frames)
    assert len(kept) == 160
    assert ends == [159]
    assert cleaner.num_repeats == 100
    kept, ends, cleaner = cleaned(frames, skip_static=True)
    assert len(kept) == 30 + FPS + 30, "a second of standing still stays"
    assert ends == [30 + FPS - 1, 30 + FPS + 29], "time is missing in between, so an episode ends"
    assert cleaner.num_dropped == 100 - FPS
    assert np.array_equal(kept[-1], frames[-1])


def test_a_blinking_title_screen_goes_as_a_whole() -> None:
    title = scene(7, 1)[0]
    lit = title.copy()
    lit[40:44, 20:44] = 255
    menu = [lit if i // 7 % 2 else title for i in range(120)]
    kept, ends, _ = cleaned(menu + scene(8, 50), skip_static=True)
    assert len(kept) == 50
    assert ends == [49]


def test_a_small_ball_counts_as_motion() -> None:
    frames = []
    for i in range(90):
        frame = np.full((64, 64, 3), 30, np.uint8)
        frame[20:22, i % 60 : i % 60 + 2] = 120
        frames.append(frame)
    assert len(cleaned(frames, skip_static=True)[0]) == 90


def test_compression_noise_does_not() -> None:
    random = np.random.default_rng(1)
    still = scene(9, 1)[0].astype(int)
    frames = [
        np.clip(still + random.integers(-4, 5, still.shape), 0, 255).astype(np.uint8) for _ in range(60)
    ]
    assert cleaned(frames, skip_static=True)[0] == []


def test_nothing_is_lost_before_an_episode_is_known_to_be_play() -> None:
    for count in range(1, REMEMBERED + 3):
        kept, ends, _ = cleaned(scene(10, count, speed=8), skip_static=True)
        assert len(kept) == count
        assert ends == [count - 1]


def test_a_video_with_a_title_screen_a_cut_and_a_pause(tmp_path: Path) -> None:
    """Through the codec: title 3 s, play 4 s, cut to another place 4 s, pause 3 s, play on 2 s."""
    title = np.zeros((96, 128, 3), np.uint8)
    title[30:60, 30:90] = (250, 240, 90)
    first = [draw(i) for i in range(120)]
    second = [255 - draw(200 + i) for i in range(120)]
    rest = [255 - draw(320 + i) for i in range(60)]
    video = write_video(tmp_path / "a.mp4", [title] * 90 + first + second + [second[-1]] * 90 + rest)
    found = {}
    for skip in (False, True):
        out = tmp_path / f"{skip}_frames.h5"
        ingest([video], out, Settings(crop="none"), skip, num_processes=1, progress=False)
        with h5py.File(out) as file:
            found[skip] = file["frames"][:], np.flatnonzero(file["episode_ends"][:]).tolist()
    frames, ends = found[False]
    assert len(frames) == 240
    assert ends == [44, 104, 239]
    frames, ends = found[True]
    assert numbers_in(frames[:60]) == list(range(0, 120, 2)), "the title is gone"
    assert abs(len(frames) - (60 + 60 + FPS + 30)) <= 1
    assert ends[0] == 59
    assert len(ends) == 3
    assert numbers_in(255 - frames[-30:]) == list(range(320, 380, 2))
