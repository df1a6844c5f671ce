"""Black bars: one crop for all videos of a shape, so that a game has one scale in a data set."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from ingest_videos import HEIGHT, WIDTH, draw, numbers_in, write_video

from tinyworlds.sources.ingest.extract import Job, extract
from tinyworlds.sources.ingest.letterbox import Crops, Lit, common_crops
from tinyworlds.sources.ingest.run import Ingested, ingest
from tinyworlds.sources.ingest.settings import Settings


def ship(middle: tuple[int, int], reach: tuple[int, int], count: int = 60) -> list[np.ndarray]:
    """A ship on black, in a part of the screen."""
    pictures = np.zeros((count, 120, 160, 3), np.uint8)
    for i, picture in enumerate(pictures):
        x = int(middle[0] + reach[0] * np.sin(i / 5))
        y = int(middle[1] + reach[1] * np.cos(i / 6))
        picture[y : y + 8, x : x + 8] = 255
    return list(pictures)


def boxed(first: int, scale: int = 1, bars: int = 20) -> list[np.ndarray]:
    """A game of 128x96 between bars on its left and right."""
    pictures = (np.pad(draw(first + i), ((0, 0), (bars, bars), (0, 0))) for i in range(40))
    return [picture.repeat(scale, 0).repeat(scale, 1) for picture in pictures]


def run(folder: Path, *names: str, **settings: object) -> Ingested:
    paths = [folder / name for name in names]
    options = {"num_processes": 1, "progress": False, "settings": Settings(size=32)} | settings
    return ingest(paths, folder / "data" / "g_frames.h5", **options)


def kept(done: Ingested) -> list[tuple[int, int, int, int] | None]:
    return [state.crop for _, state in done.added]


def test_a_game_on_black_is_not_cut_to_where_somebody_went(tmp_path: Path) -> None:
    write_video(tmp_path / "1.mp4", ship((60, 50), (30, 25)))
    write_video(tmp_path / "2.mp4", ship((100, 60), (40, 30)))
    done = run(tmp_path, "1.mp4", "2.mp4")
    assert not done.errors
    assert kept(done) == [None, None]
    for number in (1, 2):
        job = Job(tmp_path / f"{number}.mp4", tmp_path / f"{number}", Settings(size=32))
        assert extract(job, lambda position: None).crop is None


@pytest.mark.slow
def test_videos_of_one_shape_are_cut_alike(tmp_path: Path) -> None:
    """Also at another resolution, also where one is so dark that its own bars seem wider, also later."""
    dark = [np.where(np.arange(168)[None, :, None] < 60, 0, picture) for picture in boxed(200)]
    write_video(tmp_path / "1.mp4", boxed(0))
    write_video(tmp_path / "2.mp4", [picture.astype(np.uint8) for picture in dark])
    write_video(tmp_path / "3.mp4", boxed(400, scale=2))
    done = run(tmp_path, "1.mp4", "2.mp4", "3.mp4")
    assert not done.errors
    for crop, scale in zip(kept(done), (1, 1, 2), strict=True):
        assert np.abs(np.array(crop) - np.array((20, 0, WIDTH, HEIGHT)) * scale).max() <= 1
    assert len(done.notes) == 1
    assert done.notes[0].startswith(
        "2.mp4 is cut to 128x96 at 20,0, like the other videos of its shape; alone"
    )
    assert "--crop none" in done.notes[0]
    with h5py.File(done.out) as file:
        numbers = numbers_in(file["frames"][:20])
        assert len(json.loads(file["videos"][()])[0]["crops"]) == 2
    assert numbers == [*range(0, 40, 2)]
    write_video(tmp_path / "4.mp4", [picture.astype(np.uint8) for picture in dark[::-1]])
    later = run(tmp_path, "4.mp4")
    assert np.abs(np.array(kept(later)[0]) - (20, 0, WIDTH, HEIGHT)).max() <= 1
    assert "4.mp4" in later.notes[0]


@pytest.mark.slow
def test_one_that_has_no_bars_lets_all_keep_theirs_and_is_said(tmp_path: Path) -> None:
    write_video(tmp_path / "1.mp4", boxed(0))
    write_video(tmp_path / "2.mp4", [draw(i, 168, 96) for i in range(40)])
    done = run(tmp_path, "1.mp4", "2.mp4")
    assert kept(done) == [None, None]
    assert [note.split(";")[0] for note in done.notes] == [
        "1.mp4 is kept whole, like the other videos of its shape"
    ]


@pytest.mark.slow
def test_what_a_file_was_cut_to_holds_for_later_videos(tmp_path: Path) -> None:
    write_video(tmp_path / "1.mp4", boxed(0))
    write_video(tmp_path / "2.mp4", boxed(100))
    run(tmp_path, "1.mp4", settings=Settings(size=32, crop="none"))
    assert kept(run(tmp_path, "2.mp4")) == [None]
    run(tmp_path, "1.mp4", settings=Settings(size=32, crop=(30, 10, 80, 80)), overwrite=True)
    assert kept(run(tmp_path, "2.mp4")) == [(30, 10, 80, 80)]


@pytest.mark.slow
def test_files_that_did_not_note_their_crops_are_appended_to(tmp_path: Path) -> None:
    write_video(tmp_path / "1.mp4", boxed(0))
    write_video(tmp_path / "2.mp4", boxed(100))
    done = run(tmp_path, "1.mp4")
    with h5py.File(done.out, "r+") as file:
        records = json.loads(file["videos"][()])
        del records[0]["crops"], file["videos"]
        file["videos"] = json.dumps(records)
    assert np.abs(np.array(kept(run(tmp_path, "2.mp4"))[0]) - (20, 0, WIDTH, HEIGHT)).max() <= 1


def lit(width: int, height: int, left: int, top: int, right: int, bottom: int, share: float = 1.0) -> Lit:
    """What is lit where a game reaches from edge to edge of a box; on its edges only in part."""
    rows, columns = np.zeros(height), np.zeros(width)
    rows[top:bottom], columns[left:right] = share * (right - left) / width, share * (bottom - top) / height
    return Lit(width, height, width / height, rows, columns)


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        (lit(1920, 1080, 240, 0, 1680, 1080), (240, 0, 1440, 1080)),  # 4:3 in 16:9
        (lit(1080, 1920, 0, 656, 1080, 1264), (0, 656, 1080, 608)),  # 16:9 on a phone held upright
        (lit(640, 480, 0, 60, 640, 420, 0.35), (0, 60, 640, 360)),  # even bars, however dark the game
        (lit(1920, 1080, 0, 0, 1440, 1080), (0, 0, 1440, 1080)),  # 4:3 at the left edge, next to a chat
        (lit(1920, 1080, 0, 0, 1440, 1080, 0.2), None),  # 4:3 by chance: sprites on black
        (lit(1920, 1080, 100, 0, 1920, 1080), None),  # no screen has this shape
        (lit(160, 120, 30, 25, 97, 95, 0.2), None),
        (lit(640, 480, 130, 60, 640, 420), (0, 60, 640, 360)),  # bars above and below, darkness at the left
    ],
)
def test_what_is_made_like_bars(seen: Lit, wanted: tuple[int, int, int, int] | None) -> None:
    assert common_crops([seen]).of(seen.width, seen.height) == wanted


def test_crops_are_read_back_and_hold_for_sizes_of_the_same_shape() -> None:
    crops = common_crops([lit(1920, 1080, 240, 0, 1680, 1080), lit(640, 480, 0, 0, 640, 480)])
    again = Crops.from_json(json.loads(json.dumps(crops.as_json())))
    assert again == crops
    assert again.of(1280, 720) == (160, 0, 960, 720)
    assert again.of(854, 480) == (107, 0, 640, 480)
    assert again.of(320, 240) is None
    assert again.of(500, 100) is None
