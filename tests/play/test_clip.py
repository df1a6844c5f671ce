"""`World.play` and `compare`: things that show themselves in a notebook."""

import base64
import io
import re

import cv2
import numpy as np
import pytest
from PIL import Image
from small_worlds import known_world

import tinyworlds
from tinyworlds import compare
from tinyworlds.errors import ConfigError, DataError, VideoError
from tinyworlds.media import video


@pytest.fixture
def clip():
    return known_world().play("d*3 idle*2 s", seed=1)


def embedded(html):
    kind, data = re.search(r'src="data:([\w/]+);base64,([^"]+)"', html).groups()
    return kind, base64.b64decode(data)


def test_keys_are_played_from_the_start_frame(clip):
    assert clip.frames.shape == (7, 16, 16, 3)
    assert clip.actions == (None, 1, 1, 1, 0, 0, 3)
    assert (len(clip), clip.fps, clip.action_names[1]) == (7, 10.0, "right")
    assert repr(clip) == "Clip of 7 frames, 16 x 16, 10 a second"
    assert np.array_equal(clip.frames[3], np.roll(clip.frames[0], 12, axis=1))
    assert np.array_equal(clip.frames[5], clip.frames[3])


def test_the_same_seed_plays_the_same_and_the_world_stays_where_it_is(clip):
    world = known_world()
    before = world.reset(seed=0)
    assert np.array_equal(world.play("d*3 idle*2 s", seed=1).frames, clip.frames)
    assert np.array_equal(world.step(0), before)
    starts = np.stack([world.play("idle").frames[0] for _ in range(20)])
    assert len(np.unique(starts, axis=0)) > 1  # without a seed, from any clip


def test_a_notebook_shows_a_video(clip, tmp_path):
    kind, data = embedded(html := clip._repr_html_())
    assert html.startswith("<video")
    assert ' width="320" controls' in html
    path = tmp_path / f"shown.{kind.split('/')[1]}"
    path.write_bytes(data)
    video = cv2.VideoCapture(str(path))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 7
    assert video.get(cv2.CAP_PROP_FRAME_WIDTH) == 320


def test_without_a_codec_it_shows_a_gif(clip, monkeypatch):
    def no_codec(*_):
        raise VideoError("no codec here")

    monkeypatch.setattr(video, "write_encoded", no_codec)
    kind, data = embedded(html := clip._repr_html_())
    assert kind == "image/gif"
    assert html.startswith("<img")
    picture = Image.open(io.BytesIO(data))
    assert (picture.n_frames, picture.size) == (5, (320, 320))  # three equal frames are one that lasts
    with pytest.raises(VideoError, match="no codec here"):
        clip.save("clip.mp4")


def test_save(clip, tmp_path):
    assert clip.save(tmp_path / "new" / "a.gif").suffix == ".gif"
    path = clip.save(str(tmp_path / "b.mp4"), scale=2)
    assert path.stem == "b"
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_HEIGHT) == 32


@pytest.mark.parametrize(
    ("keys", "words"),
    [("q*3 d", "q does nothing in this world; it has"), ("d*x", r"'d\*x'"), ("", "empty")],
)
def test_wrong_keys_are_one_clear_line(keys, words):
    with pytest.raises(ConfigError, match=words) as error:
        known_world().play(keys)
    assert "\n" not in str(error.value)


def test_a_world_without_clips_says_so():
    with pytest.raises(DataError, match="no start clips"):
        known_world(num_clips=0).play("d")


def test_compare_lays_the_dream_under_the_truth(clip, tmp_path):
    dream = clip.frames.copy()
    dream[2, :8] = 255 - dream[2, :8]
    strip = compare(clip, dream, title="walk")
    assert strip.psnr[0] == pytest.approx(58.92, abs=0.01)  # equal frames, as in reports
    assert strip.psnr[2] < 20
    overall = 10 * np.log10(255**2 / np.mean((dream.astype(float) - clip.frames) ** 2))
    assert repr(strip) == f"Strip: PSNR {overall:.1f} dB over 7 frames"
    picture = np.asarray(Image.open(io.BytesIO(strip._repr_png_())))
    assert np.array_equal(picture, strip.picture)
    assert np.array_equal(np.asarray(Image.open(strip.save(tmp_path / "new" / "s.png"))), picture)


def test_the_error_is_black_where_both_are_equal(clip):
    same, other = compare(clip, clip).picture, compare(clip.frames, 255 - clip.frames).picture
    below = slice(same.shape[0] - 40, same.shape[0] - 10)
    assert not same[below, -60:-10].any()
    assert other[below, -60:-10].any()
    assert repr(compare(clip, clip)) == "Strip: PSNR equal over 7 frames"


def test_compare_takes_clips_of_different_length_and_shows_some_of_many():
    truth, dream = np.zeros((40, 8, 8, 3), np.uint8), np.full((30, 8, 8, 3), 9, np.uint8)
    strip = compare(truth, dream, max_columns=5)
    assert len(strip.psnr) == 30
    assert strip.picture.shape[1] < compare(truth, dream).picture.shape[1]


@pytest.mark.parametrize(
    ("truth", "dream", "words"),
    [
        (np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 8, 9, 3), np.uint8), r"\[8, 8\] .* \[8, 9\]"),
        (np.zeros((2, 8, 8, 3)), np.zeros((2, 8, 8, 3), np.uint8), "truth is no clip: .* got float64"),
        (np.zeros((2, 8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint8), r"dream .* \[8, 8, 3\]"),
        (np.zeros((2, 8, 8, 3), np.uint8), [1], "dream .* list"),
    ],
)
def test_what_cannot_be_compared_is_one_clear_line(truth, dream, words):
    with pytest.raises(DataError, match=words) as error:
        compare(truth, dream)
    assert "\n" not in str(error.value)


def test_compare_is_offered_by_the_library():
    assert "compare" in tinyworlds.__all__
