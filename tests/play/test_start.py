"""Weights without data play: a dream starts from any picture, video or gameplay file."""

import numpy as np
import pytest
from PIL import Image
from small_worlds import random_world

from tinyworlds.commands import play as command
from tinyworlds.data.writer import FrameWriter
from tinyworlds.errors import DataError
from tinyworlds.media.video import save_video
from tinyworlds.play import launch, opening
from tinyworlds.play.start import NO_START, start_clips
from tinyworlds.world.file import save_world
from tinyworlds.world.start_clips import StartClips

SHAPE, RED = (16, 16, 3), (200, 40, 30)
pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def bare_world(here):
    """A world file without clips to start from."""
    world = random_world()
    world.start_clips = StartClips()
    save_world(here / "bare.world", world)
    return "bare.world"


def save_red(name, colour=RED):
    Image.new("RGB", (40, 24), colour).save(name)


def test_the_middle_is_kept_and_not_stretched(here):
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = 255
    Image.fromarray(wide).save("wide.png")
    clips = start_clips("wide.png", SHAPE, fps=10, context=3)
    assert clips.frames.shape == (1, 3, *SHAPE)
    assert clips.frames.min() == 255


def test_a_long_clip_is_many_places_to_start_from(here):
    save_video("a.mp4", np.random.default_rng(0).integers(0, 255, (90, 32, 32, 3), np.uint8), fps=10)
    clips = start_clips("a.mp4", SHAPE, fps=10, context=3)
    assert clips.frames.shape == (16, 3 + 40, *SHAPE)


def test_a_gameplay_file(here):
    frames = np.random.default_rng(0).integers(0, 255, (60, *SHAPE), np.uint8)
    with FrameWriter("a.h5", 16, 16, fps=30) as writer:
        for frame in frames:
            writer.append(frame)
    clips = start_clips("a.h5", SHAPE, fps=10, context=2)
    assert np.array_equal(clips.frames[0], frames[::3])


def test_play_from_a_picture(here, bare_world, capsys):
    save_red("a.png")
    words = ["--headless", "--keys", "left*2", "--seed", "1", "--out", "a.gif"]
    assert command.main([bare_world, "--start", "a.png", *words]) == 0
    world = random_world()
    world.start_clips = start_clips("a.png", SHAPE, world.fps, world.context_frames)
    with Image.open("a.gif") as clip:
        shown = np.asarray(clip.convert("RGB").resize((16, 16), Image.NEAREST), int)
    assert np.abs(shown - world.reset(seed=1)).mean() < 12  # a GIF has few colours


def test_two_worlds_from_one_picture(here, bare_world):
    save_red("a.png")
    words = ["--start", "a.png", "--headless", "--keys", "left*2", "--out", "a.gif"]
    assert command.main([bare_world, bare_world, *words]) == 0


def test_without_anything_to_start_from_a_script_says_what_to_do(bare_world):
    with pytest.raises(DataError, match="--start PICTURE_OR_CLIP"):
        command.main([bare_world, "--headless", "--keys", "left*2"])


@pytest.mark.parametrize("words", [[], pytest.param(["--browser"], marks=pytest.mark.slow)])
def test_who_plays_live_sees_what_to_do(bare_world, words, monkeypatch, capsys):
    seen = []

    def look(session, view):
        seen.append((session.notes, session.world.reset(seed=0)))

    monkeypatch.setattr("tinyworlds.play.pacing.play", look)
    assert command.main([bare_world, *words]) == 0
    [(notes, frame)] = seen
    assert NO_START in notes
    assert frame.shape == SHAPE
    assert f"note: {NO_START}" in capsys.readouterr().err


def test_a_replay_says_when_it_starts_elsewhere(here, bare_world, capsys):
    for name, colour in (("a.png", RED), ("b.png", (0, 0, 250))):
        Image.new("RGB", (16, 16), colour).save(name)
    args = command.play_parser("x", "").parse_args(["--start", "a.png", "--headless", "--keys", "left*2"])
    world = opening.load([bare_world], args, None)
    _, log = launch._session(args, world)
    log.complete(world, 3)
    log.write("log.json")
    for name, told in (("a.png", False), ("b.png", True)):
        words = [bare_world, "--replay", "log.json", "--start", name, "--out", "b.gif"]
        assert command.main(words) == 0
        assert ("started from other pictures" in capsys.readouterr().err) == told
