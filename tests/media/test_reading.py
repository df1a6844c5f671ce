"""Frames of any picture or clip, one after the other."""

from itertools import islice

import numpy as np
import pytest
from ingest_videos import draw, number_in, numbered_video, numbers_in, turn, write_video
from PIL import Image

from tinyworlds.errors import DataError, MissingFileError
from tinyworlds.media import shrinker
from tinyworlds.media.reading import read_frames
from tinyworlds.media.video import save_video

RED = (200, 40, 30)
pytestmark = pytest.mark.usefixtures("here")


def picture(mode):
    image = Image.new("RGB", (40, 24), RED)
    if mode == "16 bit grey":
        return Image.fromarray(np.full((24, 40), 128 * 257, np.uint16))
    if mode == "see-through":
        image.putalpha(0)
        return image
    return image.quantize(8) if mode == "P" else image.convert(mode)


def frames_of(path, fps=10.0, most=100):
    return np.stack(list(islice(read_frames(path, fps), most)))


@pytest.mark.parametrize(
    ("mode", "colour"),
    [
        ("RGB", RED),
        ("RGBA", RED),
        ("P", RED),
        ("L", (87, 87, 87)),
        ("16 bit grey", (128, 128, 128)),
        ("see-through", (0, 0, 0)),
    ],
)
def test_pictures_of_any_kind(here, mode, colour):
    picture(mode).save("a.png")
    frames = frames_of("a.png")
    assert (frames.shape, frames.dtype) == ((1, 24, 40, 3), np.uint8)
    assert np.abs(frames - np.array(colour)).max() <= 3


@pytest.mark.parametrize("name", ["a.jpg", "a.bmp", "a.webp", "A.PNG", "a"])
def test_pictures_by_any_name(here, name):
    picture("RGB").save(name, format="PNG" if name in ("A.PNG", "a") else None)
    assert np.abs(frames_of(name).astype(int) - RED).max() < 6


def test_a_clip_at_the_worlds_rate(here):
    grey = np.arange(0, 240, 8, dtype=np.uint8)  # 30 frames, each lighter
    save_video("a.mp4", np.broadcast_to(grey[:, None, None, None], (30, 32, 48, 3)), fps=30)
    frames = frames_of("a.mp4")
    assert np.abs(frames.mean(axis=(1, 2, 3)) - grey[::3]).max() < 6
    assert len(frames_of("a.mp4", most=4)) == 4


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 100])
def test_what_is_no_picture_is_one_line(here, content):
    (here / "a.png").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.png .*picture") as error:
        frames_of("a.png")
    assert "\n" not in str(error.value)


def test_a_picture_that_is_not_there():
    with pytest.raises(MissingFileError, match=r"no picture or clip gone\.png"):
        frames_of("gone.png")


@pytest.mark.parametrize(("name", "num_frames"), [("a.gif", 3), ("a.png", 3), ("a.webp", 1), ("a.tiff", 1)])
def test_what_moves_is_a_clip_and_pages_are_not(name, num_frames):
    pages = [Image.new("RGB", (40, 24), colour) for colour in (RED, (0, 0, 250), (0, 250, 0))]
    pages[0].save(name, save_all=True, append_images=pages[1:], duration=100)
    frames = frames_of(name)
    assert len(frames) == num_frames
    assert np.abs(frames[0].astype(int) - RED).max() < 6


TURNED = {
    (0, 1, -1, 0): lambda picture: np.rot90(picture, -1),
    (0, -1, 1, 0): np.rot90,
    (-1, 0, 0, -1): lambda picture: picture[::-1, ::-1],
}


@pytest.mark.parametrize("matrix", TURNED)
def test_a_phones_clip_is_upright(here, matrix):
    turn(numbered_video(here / "a.mp4", 3), matrix)
    assert np.abs(frames_of("a.mp4", 30)[0].astype(int) - TURNED[matrix](draw(0)).astype(int)).mean() < 8


def test_pictures_stay_for_as_long_as_they_are_shown(here):
    """Screen recorders note changes only: two seconds of the same are one picture."""
    write_video(here / "a.mkv", [draw(i) for i in range(4)], times=[0.0, 0.1, 2.1, 2.2])
    assert numbers_in(frames_of("a.mkv")) == [0] + [1] * 20 + [2, 3]


def test_of_a_clip_that_is_cut_short_what_is_there_comes(here):
    path = numbered_video(here / "a.mkv", 60, gop=10)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    numbers = numbers_in(frames_of("a.mkv", 30))
    assert 20 < len(numbers) < 45
    assert numbers == list(range(len(numbers)))


def test_frames_come_one_by_one(here, monkeypatch):
    """Minutes at full size are gigabytes: who takes the first one decodes no more than that needs."""
    decoded = []
    path = numbered_video(here / "a.mp4", 60)
    convert = shrinker.Shrinker.__call__
    monkeypatch.setattr(shrinker.Shrinker, "__call__", lambda s, f: decoded.append(1) or convert(s, f))
    frames = read_frames(path, 30)
    assert number_in(next(frames)) == 0
    assert number_in(next(frames)) == 1
    assert len(decoded) == 2
