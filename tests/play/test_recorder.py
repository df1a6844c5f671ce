"""Recordings: a clip, a GIF and a gameplay file that opens as a data set, whatever the player does."""

import re
import time

import h5py
import numpy as np
import pytest
from fake_world import FakeWorld
from PIL import Image

from tinyworlds.data import H5DataModule
from tinyworlds.errors import StorageError, VideoError
from tinyworlds.keys import KeyEvent
from tinyworlds.play.headless import ScriptedView
from tinyworlds.play.pacing import play_through
from tinyworlds.play.recorder import Recorder, recording_path
from tinyworlds.play.session import Session


def press(session, *keys):
    session.handle([KeyEvent(key) for key in keys])


@pytest.fixture
def session(tmp_path):
    world = FakeWorld()

    def new_recorder():
        time.sleep(0.002)  # files are named after milliseconds
        path = recording_path("fake", tmp_path / "new")
        return Recorder(path, 15, 2, world.action_names, world.idle_action)

    session = Session(world, new_recorder=new_recorder)
    session.tick()
    return session


def by_suffix(paths):
    return {path.suffix: path for path in paths}


def read(path):
    with h5py.File(path) as file:
        return tuple(file[name][:] for name in ("frames", "actions", "episode_ends"))


def test_frames_and_actions_are_those_played(session):
    press(session, "v", "left")
    shown = [session.tick() for _ in range(4)]
    press(session, "p")
    assert session.tick().recording  # a paused world adds nothing
    press(session, "p", "v", "p")
    assert not session.tick().recording
    files = by_suffix(session.close())
    frames, actions, ends = read(files[".h5"])
    assert len(frames) == 5  # the frame in sight when it began, and those after it
    assert np.array_equal(frames[1:], np.stack([frame.image for frame in shown]))
    assert actions.tolist() == [1, 1, 1, 1, 0]  # each leads to the next frame
    assert ends.tolist() == [False] * 4 + [True]
    with Image.open(files[".gif"]) as gif:
        assert (gif.n_frames, gif.size, gif.info["duration"]) == (5, (32, 32), 70)
    assert ".mp4" in files


def test_going_back_begins_another_episode(session):
    press(session, "v", "left")
    for _ in range(3):
        session.tick()
    press(session, "backspace")
    back = [session.tick() for _ in range(2)][-1]
    session.handle([KeyEvent("backspace", down=False)])
    onward = session.tick()
    frames, actions, ends = read(by_suffix(session.close())[".h5"])
    assert ends.tolist() == [False, False, False, True, False, True]
    assert np.array_equal(frames[4:], np.stack([back.image, onward.image]))
    assert actions[4] == 1


def test_a_recording_begun_after_going_back_holds_that_frame_once(session):
    press(session, "left")
    session.tick()
    session.tick()
    press(session, "backspace")
    back = session.tick()
    session.handle([KeyEvent("backspace", down=False), KeyEvent("v")])
    onward = [session.tick() for _ in range(2)]
    frames, actions, ends = read(by_suffix(session.close())[".h5"])
    assert np.array_equal(frames, np.stack([frame.image for frame in (back, *onward)]))
    assert actions.tolist() == [1, 1, 0]
    assert ends.tolist() == [False, False, True]


def test_the_player_reads_what_was_saved(session):
    press(session, "v")
    session.tick()
    press(session, "v")
    session.tick()
    [h5, *_] = session.close()
    message = session.tick().message
    assert message.startswith(f"saved {h5.stem} .h5 ")
    assert len(message) < 60  # fits the window


def test_a_long_wait_at_the_end_is_explained(session, monkeypatch, caplog):
    monkeypatch.setattr("tinyworlds.play.recorder.PATIENCE_S", 0.01)
    monkeypatch.setattr("tinyworlds.media.video.save_video", lambda path, *_: time.sleep(0.5) or path)
    press(session, "v")
    session.tick()
    session.close()
    assert "a long recording takes a while" in caplog.text


def test_it_opens_as_a_data_set(session):
    press(session, "v")
    for _ in range(60):
        session.tick()
    file = by_suffix(session.close())[".h5"]
    module = H5DataModule(files=[str(file)], num_frames=3, frame_size=16, batch_size=2, num_workers=0)
    module.setup("fit")
    batch = next(iter(module.train_dataloader()))
    assert batch["frames"].shape == (2, 3, 16, 16, 3)
    assert list(module.action_names) == ["noop", "left", "right", "shoot"]


def test_several_recordings_and_one_left_running(session):
    for _ in range(2):
        press(session, "v")
        session.tick()
        press(session, "v")
        session.tick()
    press(session, "v")
    session.tick()
    paths = session.close()
    assert len(set(paths)) == 9
    assert all(path.stat().st_size for path in paths)


def test_a_failing_codec_does_not_end_the_game(session, monkeypatch):
    def save_video(*_):
        raise VideoError("no codec")

    monkeypatch.setattr("tinyworlds.media.video.save_video", save_video)
    press(session, "v")
    session.tick()
    press(session, "v")
    session.tick()
    assert [path.suffix for path in session.close()] == [".h5"]
    assert "no codec" in session.tick().message


def test_a_full_disk_does_not_end_the_game(session, monkeypatch):
    def add(self, frame, action=None):
        raise StorageError("the disk is full")

    monkeypatch.setattr(Recorder, "add", add)
    press(session, "v")
    frame = session.tick()
    assert "the disk is full" in frame.message
    assert not frame.recording
    assert session.tick().number == 2


def test_recordings_are_named_after_game_and_time(tmp_path):
    assert re.fullmatch(r"pong_\d{8}_\d{6}_\d{3}\.mp4", recording_path("pong", tmp_path).name)


def test_ctrl_c_keeps_what_was_recorded(tmp_path):
    class Interrupted(ScriptedView):
        def show(self, frame):
            super().show(frame)
            if len(self.frames) == 3:
                raise KeyboardInterrupt

    session = Session(FakeWorld(), new_recorder=lambda: Recorder(tmp_path / "clip.mp4", 15, 4))
    press(session, "v")
    with pytest.raises(KeyboardInterrupt):
        play_through(session, Interrupted([None] * 9))
    assert by_suffix(session.recordings)[".h5"].is_file()
