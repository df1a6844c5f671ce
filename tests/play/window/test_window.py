"""The play window: what it shows and reports, in memory and under Xvfb (skipped where there is none)."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pygame
import pytest
from paths import ROOT, SUPPORT
from x_server import happens, lit, screenshot, x_server

from tinyworlds.errors import DisplayError
from tinyworlds.keys import KeyEvent, KeyHint
from tinyworlds.play.view import PlayFrame
from tinyworlds.play.window import display
from tinyworlds.play.window.view import Window

GREY = np.full((64, 64, 3), 90, np.uint8)
HINTS = [KeyHint(("left", "a"), 1, "turn_left"), KeyHint(("space",), 2, "attack")]


def a_frame(image=GREY, **changes):
    known = {"number": 7, "action": 1, "action_name": "left", "fps": 14.9}
    said = {"paused": False, "recording": False, "message": ""}
    return PlayFrame(image=image, **{**known, **said, **changes})


@pytest.fixture
def open_window(monkeypatch):
    """Windows drawn into memory: SDL's dummy driver."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setattr(display, "has_display", lambda: True)
    opened = []

    def open_one(**settings):
        opened.append(Window("TinyWorlds doom", HINTS, 3, **settings))
        return opened[-1]

    yield open_one
    for window in opened:
        window.close()
    pygame.display.quit()


def shown(window, frame):
    """What stands in the window, [H, W, 3]."""
    window.show(frame)
    surface = window._window.get_surface()
    return pygame.surfarray.array3d(surface).transpose(1, 0, 2)


def type_key(code, scancode=0, down=True):
    kind = pygame.KEYDOWN if down else pygame.KEYUP
    pygame.event.post(pygame.event.Event(kind, key=code, scancode=scancode or code % 500, mod=0, unicode=""))


def where(picture, colour):
    """Top, bottom, left and right of all pixels of a colour."""
    rows, columns = np.nonzero((picture == colour).all(axis=-1))
    return rows.min(), rows.max() + 1, columns.min(), columns.max() + 1


def test_the_picture_is_a_whole_multiple_and_nothing_is_written_on_it(open_window):
    window = open_window()
    window.show(a_frame())
    window._hint_until = 0.0
    picture = shown(window, a_frame(fps=3.0, sure=0.02, recording=True))
    top, bottom, left, right = where(picture, 90)
    assert (bottom - top, right - left) == (512, 512)
    assert (picture[top:bottom, left:right] == 90).all()
    assert (picture[:, right + 1 :] > 200).any()  # the panel speaks


def test_the_first_hint_goes_away(open_window):
    window = open_window()
    assert not (shown(window, a_frame())[:512, :512] == 90).all()
    type_key(pygame.K_SPACE)
    window.poll()
    window._hint_until -= 3.0
    assert (shown(window, a_frame())[:512, :512] == 90).all()


@pytest.mark.parametrize("changes", [
    {"paused": True}, {"recording": True}, {"message": "saved " + "x" * 300}, {"sure": 0.01}, {"help": True},
    {"action": 2}, {"number": 8}, {"label": "dream"},
])  # fmt: skip
def test_states_are_shown(open_window, changes):
    window = open_window()
    plain = shown(window, a_frame())
    assert not np.array_equal(plain, shown(window, a_frame(**changes)))


@pytest.mark.parametrize("changes", [{"paused": True}, {"message": "saved it"}, {"help": True}])
def test_what_matters_is_said_without_the_panel_too(open_window, changes):
    window = open_window()
    window.show(a_frame())
    window._hint_until = 0.0
    type_key(pygame.K_F1)
    window.poll()
    plain = shown(window, a_frame())
    assert set(np.unique(plain[:, :, 0])) <= {90, 18}  # the picture, and the window around it
    assert not np.array_equal(plain, shown(window, a_frame(**changes)))


def test_side_by_side_is_as_large_as_alone(open_window):
    window = open_window()
    window.show(a_frame())
    red = np.full((64, 64, 3), (200, 10, 30), np.uint8)
    picture = shown(window, a_frame(truth=red, label="dream", truth_label="real game"))
    pictures = [where(picture, colour) for colour in (90, (200, 10, 30))]
    room = pygame.display.get_desktop_sizes()[0]
    least = 448 if room[0] >= 1280 else 256
    for top, bottom, left, right in pictures:
        assert bottom - top == right - left >= least
        assert (bottom - top) % 64 == 0
    assert pictures[0][3] < pictures[1][2]


def test_two_worlds_are_shown_apart_each_as_large_as_one(open_window):
    dark = np.full((64, 64, 3), 60, np.uint8)
    pair = SimpleNamespace(frame_apart=lambda frame: replace(frame, truth=dark, label="a", truth_label="b"))
    picture = shown(open_window(pair=pair), a_frame())
    one, other = where(picture, 90), where(picture, 60)
    assert one[3] - one[2] == other[3] - other[2] >= 256
    assert one[3] < other[2]


def test_keys_are_reported_as_they_go_down_and_up(open_window):
    window = open_window()
    window.show(a_frame())
    type_key(pygame.K_LEFT, 80)
    type_key(pygame.K_SPACE, 44)
    assert window.poll() == [KeyEvent("left"), KeyEvent("space")]
    type_key(pygame.K_LEFT, 80, down=False)
    assert window.poll() == [KeyEvent("left", down=False)]


def chosen(window, *codes):
    """What the window reports after Esc and keys in the menu."""
    window.show(a_frame())
    type_key(pygame.K_ESCAPE)
    type_key(pygame.K_ESCAPE, down=False)

    def answer():
        for code in codes:
            time.sleep(0.1)
            type_key(code)
            type_key(code, down=False)

    thread = threading.Thread(target=answer)
    thread.start()
    events = window.poll()
    thread.join()
    return events


def test_esc_opens_a_menu_that_goes_on(open_window):
    assert chosen(open_window(), pygame.K_RETURN) == []


def test_the_menu_starts_anew_and_quits(open_window):
    anew = chosen(open_window(), pygame.K_DOWN, pygame.K_RETURN)
    assert anew == [KeyEvent("r"), KeyEvent("r", down=False)]
    assert chosen(open_window(), pygame.K_UP, pygame.K_RETURN)[0] == KeyEvent("esc")


def test_the_menu_leads_to_another_world(open_window, tmp_path):
    window = open_window(worlds={"racing": tmp_path / "racing.world"})
    events = chosen(window, pygame.K_DOWN, pygame.K_DOWN, pygame.K_RETURN, pygame.K_RETURN)
    assert events[0] == KeyEvent("esc")
    assert window.next_world == tmp_path / "racing.world"


def test_the_menu_lets_go_of_held_keys(open_window):
    window = open_window()
    window.show(a_frame())
    type_key(pygame.K_SPACE, 44)
    window.poll()
    assert chosen(window, pygame.K_RETURN) == [KeyEvent("space", down=False)]


def test_a_mouse_chooses_in_the_menu(open_window):
    window = open_window()
    window.show(a_frame())
    type_key(pygame.K_ESCAPE)

    def click():
        assert happens(lambda: window._screen._rows, 10)
        box = window._screen._rows[1]
        place = (box.left + 5, box.top + 5)
        pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONDOWN, pos=place, button=1))

    thread = threading.Thread(target=click)
    thread.start()
    assert window.poll()[0] == KeyEvent("r")
    thread.join()


def test_without_a_menu_esc_is_a_key(open_window):
    window = open_window(menu=False)
    window.show(a_frame())
    type_key(pygame.K_ESCAPE)
    assert window.poll() == [KeyEvent("esc")]


def test_a_new_window_hears_nothing_of_the_one_before(open_window):
    first = open_window()
    first.show(a_frame())
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    first.close()
    second = open_window()
    second.show(a_frame())
    assert second.poll() == []


def test_a_game_that_draws_into_memory_is_no_display(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")  # as recording sets it where there is no display
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(DisplayError, match="no display"):
        display.require_display()


def test_closing_the_window_quits_at_once(open_window):
    window = open_window()
    window.show(a_frame())
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    assert window.poll() == [KeyEvent("esc")]


PLAYER = """
import signal, sys, tempfile
import numpy as np
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background inherit that it is ignored
from fake_world import FakeWorld
from tinyworlds.commands import play as cli
from tinyworlds.play import opening
world = FakeWorld(fps=15)
if sys.argv[2:]:
    world.beside = np.full((16, 16, 3), (200, 10, 30), np.uint8)  # a real game's picture
opening.load = lambda path, *_: world
with tempfile.NamedTemporaryFile(suffix=".world") as fake:
    code = cli.main([fake.name, "--recordings", sys.argv[1]])
print("taken", world.taken)
sys.exit(code)
"""


@contextlib.contextmanager
def player(display, folder, *more):
    """A process that plays the fake world in a real window."""
    path = os.pathsep.join([str(SUPPORT), str(ROOT)])
    process = subprocess.Popen(
        [sys.executable, "-c", PLAYER, str(folder), *more],
        env={**os.environ, "DISPLAY": display, "PYTHONPATH": path},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert happens(lambda: lit(display) > 0.25 or process.poll() is not None, 120)
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_check_for_a_display_leaves_the_server_up():
    """Some servers end, or start anew and refuse everybody, when their last client has gone."""
    script = "from tinyworlds.play.window.view import Window; Window('alone').close()"
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
        top, bottom, left, right = where(picture, 90)  # the fake world's grey
        assert bottom - top == right - left >= 256
        assert (picture[:, right + 1 :] > 200).any()  # the panel
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 130
        assert "Traceback" not in err
        assert "taken [0" in out


@pytest.mark.slow
def test_the_window_shows_the_real_game_beside_the_dream(display, tmp_path):
    with player(display, tmp_path, "beside") as process:
        assert happens(lambda: (screenshot(display) == (200, 10, 30)).all(axis=-1).sum() > 10_000, 20)
        picture = screenshot(display)
        dream, game = where(picture, 90), where(picture, (200, 10, 30))
        assert dream[3] < game[2]  # the dream stands at its left
        assert dream[3] - dream[2] == game[3] - game[2]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert "Traceback" not in err


@pytest.mark.skipif(shutil.which("xdotool") is None, reason="needs xdotool")
@pytest.mark.slow
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
        for name in ("Escape", "Up", "Return"):  # the menu's last line
            keys("key", name)
            time.sleep(0.3)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    taken = out.partition("taken [")[2].rpartition("]")[0].split(", ")
    assert taken.count("2") == 1  # the tap
    first, last = taken.index("1"), len(taken) - taken[::-1].index("1")
    assert set(taken[first:last]) == {"1"}  # held without a gap
    assert last - first >= 8  # about a second; more where the machine is busy
    written = sorted(path.suffix for path in tmp_path.iterdir())  # of the recording that Esc finished
    assert written == [".gif", ".h5", ".json", ".mp4"]
