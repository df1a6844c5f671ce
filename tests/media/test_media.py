import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinyworlds.errors import ConfigError, StorageError, VideoError
from tinyworlds.media import pictures, video
from tinyworlds.media.containers import open_container


def clip(length=10, height=32, width=48):
    frames = np.zeros((length, height, width, 3), np.uint8)
    for i in range(length):
        frames[i, 5:15, 2 * i : 2 * i + 10, 0] = 255
    return frames


def read(path):
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        return stream.codec_context.name, stream.codec_context.pix_fmt, float(stream.average_rate), frames


def test_video_is_h264_that_browsers_play(tmp_path):
    path = video.save_video(tmp_path / "clip.mp4", clip(), fps=8.75)
    codec, pixels, fps, frames = read(path)
    assert (codec, pixels, fps, len(frames)) == ("h264", "yuv420p", 8.75, 10)
    assert np.abs(frames[3].astype(int) - clip()[3]).mean() < 4
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "faststart puts the index in front"
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "h264"), ("A.MP4", "h264"), ("a.mkv", "h264"), ("a.Mov", "h264"), ("a.webm", "vp9"),
     ("12:30.mp4", "h264"), ("a%d [1].webm", "vp9"), ("http:b.mkv", "h264")],
)  # fmt: skip
def test_a_clip_is_written_in_the_format_of_its_name(tmp_path, monkeypatch, name, codec):
    if sys.platform == "win32" and ":" in name:
        pytest.skip("Windows has no such names")
    monkeypatch.chdir(tmp_path)
    assert video.save_clip(name, clip(), fps=15) == Path(name)
    assert [path.name for path in tmp_path.iterdir()] == [name], "and nothing else"
    with open_container(name) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert container.streams.video[0].codec_context.name == codec
    assert len(frames) == 10
    assert np.abs(frames[3].astype(int) - clip()[3]).mean() < 6


@pytest.mark.parametrize("name", ["c", "c.png", "c.avi", "c.mp4.txt", "c.", ".mp4", "folder", "folder.mp4"])
def test_a_name_that_is_of_no_clip_is_refused(tmp_path, name):
    for folder in ("folder", "folder.mp4"):
        (tmp_path / folder).mkdir()
    (tmp_path / "c.mp4").write_text("mine")
    with pytest.raises(ConfigError, match=r"a clip (in it|ends in \.mp4, \.webm, \.gif, \.mkv or \.mov)"):
        video.save_clip(tmp_path / name, clip(), fps=15)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.mp4", "folder", "folder.mp4"]
    assert (tmp_path / "c.mp4").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "kind"), [("s.PNG", "PNG"), ("s.jpg", "JPEG"), ("s.webp", "WEBP"), ("s.bmp", "BMP")]
)
def test_a_picture_is_written_in_the_format_of_its_name(tmp_path, name, kind):
    path = pictures.save_picture(tmp_path / name, clip()[0])
    assert path.name == name
    with Image.open(path) as picture:
        assert picture.format == kind


def test_a_name_that_is_of_no_picture_is_refused(tmp_path):
    for name in ("s", "s.mp4", "s.png.txt"):
        with pytest.raises(ConfigError, match="a picture ends in"):
            pictures.save_picture(tmp_path / name, clip()[0])
    assert not list(tmp_path.iterdir())


def test_video_of_odd_size_is_padded_and_scaled(tmp_path):
    _, _, _, frames = read(video.save_video(tmp_path / "odd.mp4", clip(height=33, width=47), fps=15, scale=3))
    assert frames[0].shape == (100, 142, 3)


def test_an_enlarged_gif_shows_the_same_pixels(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (2, 6, 10, 3), np.uint8)
    with Image.open(video.save_gif(tmp_path / "a.gif", frames, 10, scale=3)) as gif:
        assert (gif.n_frames, gif.size) == (2, (30, 18))
        assert np.array_equal(np.asarray(gif.convert("RGB")), frames[0].repeat(3, 0).repeat(3, 1))


@pytest.mark.parametrize("failure", [VideoError("no"), ImportError("no av here")])
def test_no_encoder_is_one_error_and_leaves_nothing(tmp_path, monkeypatch, failure):
    def broken(path, frames, fps):
        path.write_bytes(b"half")
        raise failure

    monkeypatch.setattr(video, "write_encoded", broken)
    with pytest.raises(VideoError, match=f"{failure}.*pip install av"):
        video.save_video(tmp_path / "clip.mp4", clip(), fps=15)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "bad", [np.zeros((0, 8, 8, 3), np.uint8), np.zeros((2, 8, 8, 3)), np.zeros((2, 8, 8), np.uint8)]
)
def test_bad_clip_is_refused(tmp_path, bad):
    with pytest.raises(VideoError, match=r"uint8 \[T, H, W, 3\]"):
        video.save_video(tmp_path / "clip.mp4", bad, fps=15)


def test_strip_keeps_frames_and_labels(tmp_path):
    frames = clip()
    path = pictures.save_strip(
        tmp_path / "new" / "s.png",
        [list(frames), list(frames[:4])],
        ["truth", "prediction"],
        ["a", "b"],
        "Title",
        2,
    )
    picture = np.asarray(Image.open(path))
    assert picture.shape[1] > 10 * 96
    left = picture.shape[1] - 10 * (96 + pictures.GAP_PX) - pictures.GAP_PX
    first = picture[-2 * (64 + pictures.GAP_PX) :][:64, left : left + 96]
    np.testing.assert_array_equal(first, pictures.enlarge(frames[0], 2))


def test_picture_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="Could not write"):
        pictures.save_picture(tmp_path / "file" / "x.png", clip()[0])
