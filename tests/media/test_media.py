import numpy as np
import pytest
from PIL import Image

from tinyworlds.errors import StorageError, VideoError
from tinyworlds.media import pictures, video


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

    monkeypatch.setattr(video, "write_h264", broken)
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
