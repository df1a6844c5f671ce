"""The play window: what is drawn on it, and the real thing under Xvfb (skipped where there is none)."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from paths import ROOT, SUPPORT
from x_server import happens, lit, screenshot, x_server

from benchmarks.busy import busy
from tinyworlds.keys import USUAL_COMMANDS, KeyHint, session_commands
from tinyworlds.play.overlay import command_hints, draw, figure_lines, fit_square, hint_lines
from tinyworlds.play.session import PlayFrame


def a_frame(image, **changes):
    known = {"number": 7, "action": 1, "action_name": "left", "fps": 14.9}
    said = {"paused": False, "recording": False, "message": ""}
    return PlayFrame(image=image, **{**known, **said, **changes})


def test_enlarging_keeps_pixels_sharp_or_smooth():
    image = np.zeros((4, 4, 3), np.uint8)
    image[:, 2:] = 240
    assert set(np.unique(fit_square(image, 512))) == {0, 240}
    assert len(np.unique(fit_square(image, 512, smooth=True))) > 10


@pytest.mark.parametrize("shape", [(64, 64), (48, 64), (120, 160), (100, 30), (7, 7)])
def test_frames_of_any_shape_fit_the_window(shape):
    picture = fit_square(np.full((*shape, 3), 200, np.uint8), 512)
    assert picture.shape == (512, 512, 3)
    share = (picture == 200).all(axis=-1).mean()
    assert share == pytest.approx(min(shape) / max(shape), abs=0.01)


def test_figures_are_top_left_and_hints_at_the_bottom():
    image = np.full((64, 64, 3), 100, np.uint8)
    picture = draw(a_frame(image), ["Left left"])
    plain = fit_square(image)
    assert picture.shape == (512, 512, 3)
    changed = (picture != plain).any(axis=-1)
    assert changed[:50, :80].mean() > 0.9
    assert changed[495:, :50].mean() > 0.9
    assert not changed[80:480].any()
    assert np.array_equal(image, np.full((64, 64, 3), 100, np.uint8))


@pytest.mark.parametrize(
    "changes", [{"paused": True}, {"recording": True}, {"message": "saved " + "x" * 300}]
)
def test_states_are_shown(changes):
    image = np.full((64, 64, 3), 100, np.uint8)
    assert not np.array_equal(draw(a_frame(image), []), draw(a_frame(image, **changes), []))


def test_hints_wrap():
    lines = hint_lines([KeyHint((f"f{i}",), i, "a long name of an action") for i in range(9)], 16)
    assert len(lines) > 3
    assert lines[-1] == command_hints(USUAL_COMMANDS)
    assert "0-9 action" in lines[-2]


def test_what_was_not_found_is_said_behind_the_keys():
    lines = hint_lines([KeyHint(("a",), 1, "left")], 4, ["nothing found for attack"])
    assert lines == ["A left   0-3 action   nothing found for attack", command_hints(USUAL_COMMANDS)]


def test_the_line_of_commands_names_what_there_is():
    assert command_hints(USUAL_COMMANDS).startswith("H help   R reset   P pause   Backspace rewind")
    line = command_hints(session_commands({"t": 1}, beside=True))
    assert "Y switch   G both" in line
    assert "rewind" not in line


def test_a_dream_that_is_made_up_is_marked():
    image = np.full((64, 64, 3), 100, np.uint8)
    said = {sure: draw(a_frame(image, sure=sure), []) for sure in (None, 0.83, 0.04)}
    red = {sure: ((picture[..., 0] > 150) & (picture[..., 1] < 110)).any() for sure, picture in said.items()}
    assert red == {None: False, 0.83: False, 0.04: True}
    assert figure_lines(a_frame(image, sure=0.83))[-1].endswith("sure 83 %")
    assert not figure_lines(a_frame(image))[-1].endswith("%")


PLAYER = """
import signal, sys
import numpy as np
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background inherit that it is ignored
from fake_world import FakeWorld
from tinyworlds.commands import play as cli
from tinyworlds.play import opening
world = FakeWorld(fps=15)
if sys.argv[2:]:
    world.beside = np.full((16, 16, 3), (200, 10, 30), np.uint8)  # a real game's picture
opening.load = lambda path, *_: world
code = cli.main(["fake.world", "--recordings", sys.argv[1]])
print("taken", world.taken)
sys.exit(code)
"""


@contextlib.contextmanager
def player(display, folder, *more):
    """A process that plays the fake world in a real window; OpenCV may abort it, hence not this process."""
    path = os.pathsep.join([str(SUPPORT), str(ROOT)])
    process = subprocess.Popen(
        [sys.executable, "-c", PLAYER, str(folder), *more],
        env={**os.environ, "DISPLAY": display, "PYTHONPATH": path},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert happens(lambda: lit(display) > 0.4 or process.poll() is not None, 120)
        yield process
    finally:
        process.kill()
        process.communicate()


MANY_WINDOWS = """
import time
import numpy as np
from tinyworlds.play.session import PlayFrame
from tinyworlds.play.window import Window
from x_server import lit
frame = PlayFrame(np.full((64, 64, 3), 90, np.uint8), 0, 0, "", 15.0, False, False, "")
black = 0
for number in range(25):
    window = Window(f"window {number}")
    end = time.monotonic() + 10
    while (dark := lit(None) < 0.3) and time.monotonic() < end:
        window.show(frame)
        window.wait(0.03)
    black += dark
    window.close()
    window.poll()
print("black", black)
"""


@pytest.mark.slow
def test_windows_are_drawn_on_a_busy_machine(display):
    """OpenCV's Qt lost the first events of one window in eight there, which then stayed black for good."""
    path = os.pathsep.join([str(SUPPORT), str(ROOT)])
    with busy(3):
        done = subprocess.run(
            [sys.executable, "-c", MANY_WINDOWS], env={**os.environ, "DISPLAY": display, "PYTHONPATH": path},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.stdout == "black 0\n", done.stderr


def test_the_check_for_a_display_leaves_the_server_up():
    """Some servers end, or start anew and refuse everybody, when their last client has gone."""
    script = "from tinyworlds.play.window import Window; Window('alone').close()"
    with x_server("-terminate") as display:
        done = subprocess.run(
            [sys.executable, "-c", script], env={**os.environ, "DISPLAY": display},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_window_shows_the_world_and_ctrl_c_leaves_it(display, tmp_path):
    with player(display, tmp_path) as process:
        picture = screenshot(display)
        assert process.poll() is None, process.communicate()
        assert (picture[100:400, 40:200] == 90).mean() > 0.9  # the fake world's grey
        assert (picture[:70, :110] > 200).any()  # figures
        assert (picture[480:512, :200] > 200).any()  # hints
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 130
        assert "Traceback" not in err
        assert "taken [0" in out


def test_the_window_shows_the_real_game_beside_the_dream(display, tmp_path):
    with player(display, tmp_path, "beside") as process:
        assert happens(lambda: (screenshot(display)[200:400, 530:590] == (200, 10, 30)).mean() > 0.9, 20)
        picture = screenshot(display)
        assert (picture[200:400, 40:200] == 90).mean() > 0.9  # the dream stands at its left
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert "Traceback" not in err


@pytest.mark.skipif(shutil.which("xdotool") is None, reason="needs xdotool")
def test_real_keys_drive_the_window(display, tmp_path):
    def keys(*words):
        subprocess.run(["xdotool", *words], env={**os.environ, "DISPLAY": display}, check=True)

    with player(display, tmp_path) as process:
        for words in (["key", "z"], ["key", "F5"], ["key", "v"], ["key", "d"], ["keydown", "Left"]):
            keys(*words)
            time.sleep(0.3)
        time.sleep(0.7)
        keys("keyup", "Left")
        time.sleep(0.3)
        keys("key", "Escape")
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    taken = out.partition("taken [")[2].rpartition("]")[0].split(", ")
    assert taken.count("2") == 1  # the tap
    first, last = taken.index("1"), len(taken) - taken[::-1].index("1")
    assert set(taken[first:last]) == {"1"}  # held without a gap
    assert last - first >= 8  # about a second; more where the machine is busy
    written = sorted(path.suffix for path in tmp_path.iterdir())  # of the recording that Esc finished
    assert written == [".gif", ".h5", ".json", ".mp4"]
