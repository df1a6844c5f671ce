"""The page in a real Chromium: keys, fingers, gamepads, lost connections, several tabs, changed keys."""

import time
from pathlib import Path

import numpy as np
import pytest
from browser_play import Playing, wait_for
from fake_world import FakeWorld
from page_tabs import until

from tinyworlds.models.maskgit import Sampling
from tinyworlds.world.sureness import UsualSureness

GAMEPAD = """
globalThis.pad = { connected: true, index: 0, axes: [0, 0],
                   buttons: Array.from({ length: 16 }, () => ({ pressed: false })) };
navigator.getGamepads = () => [globalThis.pad];
"""


@pytest.fixture
def playing():
    playing = Playing()
    yield playing
    playing.stop()


@pytest.fixture
def new_tab(browser, playing):
    """Opens pages of the game; whatever one complains about fails the test."""
    complaints, contexts = [], []

    def open_tab(script="", playing=playing, **settings):
        contexts.append(browser.new_context(viewport={"width": 1000, "height": 700}, **settings))
        page = contexts[-1].new_page()
        page.add_init_script(script)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(playing.view.url)
        until(page, "tinyworlds.figures.drawn > 1")
        return page

    yield open_tab
    for context in contexts:
        context.close()
    assert [text for text in complaints if "WebSocket" not in text] == []  # Chromium tells of lost ones


@pytest.fixture
def tab(new_tab):
    return new_tab()


def pixels(page, canvas="dream"):
    """What is on a canvas, uint8 [H, W, 3]."""
    rgba = page.evaluate(
        """(id) => {
            const canvas = document.getElementById(id);
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return [canvas.height, canvas.width, Array.from(data)];
        }""",
        canvas,
    )
    return np.array(rgba[2], np.uint8).reshape(rgba[0], rgba[1], 4)[..., :3]


def sees(page, action):
    """Wait until the page says that this action was taken."""
    until(page, f"document.getElementById('action').textContent === '{action}'")


DIGITS = {
    "French 1": ("&", "Digit1", "1"), "French 2": ("é", "Digit2", "2"), "French 0": ("à", "Digit0", "0"),
    "Czech 1": ("+", "Digit1", "1"), "Czech 2": ("ě", "Digit2", "2"), "Slovak 5": ("ť", "Digit5", "5"),
    "Arabic 1": ("\u0661", "Digit1", "1"), "Persian 2": ("\u06f2", "Digit2", "2"),
    "a dead key": ("Dead", "Digit2", "2"), "French 1 with Shift": ("1", "Digit1", "1"),
    "keypad": ("3", "Numpad3", "3"), "another's digit": ("7", "Digit6", "7"),
    "French, place of W": ("z", "KeyW", "z"), "Russian, place of A": ("\u0444", "KeyA", "a"),
    "a command on the row": (".", "Digit3", "."), "a bound key on the row": ("ç", "Digit9", "ç"),
}  # fmt: skip


def test_digits_go_by_place_where_the_row_has_other_signs(tab):
    named = tab.evaluate(
        """async (cases) => {
            const { keyName } = await import("./keyboard.js");
            return cases.map(([key, code]) => keyName({ key, code }, (sign) => [".", "ç"].includes(sign)));
        }""",
        [case[:2] for case in DIGITS.values()],
    )
    assert dict(zip(DIGITS, named, strict=True)) == {what: case[2] for what, case in DIGITS.items()}


def test_a_digit_of_a_french_keyboard_acts(tab):
    for type_ in ("keydown", "keyup"):
        tab.evaluate(f"void dispatchEvent(new KeyboardEvent('{type_}', {{ key: 'é', code: 'Digit2' }}))")
        if type_ == "keydown":
            sees(tab, "2 right")


def test_the_page_shows_the_game(tab):
    assert tab.title() == "Fake"
    assert tab.inner_text("#hints .note") == "nothing found for duck"
    picture = pixels(tab)
    assert picture.shape == (16, 16, 3)
    assert (picture == 90).all(axis=-1).mean() > 0.95  # the fake world's grey, to the last bit
    assert tab.inner_text("#connection") == "connected"
    assert float(tab.inner_text("#fps")) > 10
    box = tab.locator("#dream").bounding_box()
    assert min(box["width"], box["height"]) > 500
    assert tab.evaluate("getComputedStyle(document.getElementById('dream')).imageRendering") == "pixelated"


def test_a_held_key_changes_the_frames_until_it_is_let_go(playing, tab):
    tab.keyboard.down("ArrowLeft")
    playing.settles_on(1)
    sees(tab, "1 left")
    picture = pixels(tab)
    assert picture[0, 0, 2] == 2  # the action, as the fake world paints it
    assert tab.locator("#hints li.active kbd.held").inner_text() == "←"
    tab.keyboard.up("ArrowLeft")
    playing.settles_on(0)
    sees(tab, "0 do nothing")
    assert 0 < tab.evaluate("tinyworlds.figures.latencies[0]") < 500
    assert tab.inner_text("#latency").endswith(" ms")


def test_several_keys_at_once(playing, tab):
    tab.keyboard.down("Shift")
    tab.keyboard.down("D")
    playing.settles_on(2)
    tab.keyboard.up("Shift")  # the key now has another name
    tab.keyboard.down(" ")
    playing.settles_on(3)
    tab.keyboard.up(" ")
    playing.settles_on(2)
    tab.keyboard.up("d")
    playing.settles_on(0)


def test_keys_of_the_browser_stay_the_browsers(playing, tab):
    for key in ("Control+d", "Alt+ArrowLeft", "F5", "Meta+a"):
        tab.keyboard.press(key)
    until(tab, "tinyworlds.figures.drawn > 1")
    playing.settles_on(0)
    assert {*playing.taken} == {0}


def test_all_keys_are_up_when_the_page_loses_the_focus(playing, tab):
    tab.keyboard.down("ArrowLeft")
    playing.settles_on(1)
    tab.evaluate("window.dispatchEvent(new Event('blur'))")
    playing.settles_on(0)


def test_all_keys_are_up_when_the_page_is_closed(playing, tab):
    tab.keyboard.down("ArrowLeft")
    playing.settles_on(1)
    tab.context.close()
    playing.settles_on(0)
    wait_for(lambda: playing.view.num_pages == 0, "the page to leave")


def test_the_page_comes_back_after_a_lost_connection(playing, tab):
    tab.keyboard.down("ArrowLeft")
    playing.settles_on(1)
    port = playing.port
    playing.stop()
    until(tab, "document.body.classList.contains('lost')")
    assert tab.inner_text("#connection").startswith("the game has ended, next try in")
    time.sleep(1)
    again = Playing(port=port)
    try:
        assert again.port == port
        again.settles_on(1)  # the key is still held
        until(tab, "!document.body.classList.contains('lost')")
        tab.keyboard.up("ArrowLeft")
        again.settles_on(0)
    finally:
        again.stop()


def test_two_tabs_play_one_game(playing, new_tab):
    one, two = new_tab(), new_tab()
    one.keyboard.down("ArrowLeft")
    two.keyboard.down("ArrowLeft")
    sees(one, "1 left")
    sees(two, "1 left")
    one.keyboard.up("ArrowLeft")
    playing.settles_on(1)  # the other still holds it
    two.context.close()
    playing.settles_on(0)
    sees(one, "0 do nothing")


def test_a_key_dragged_onto_an_action_takes_it(playing, new_tab):
    one, two = new_tab(), new_tab()
    one.keyboard.press("h")
    one.drag_and_drop("#free [data-key=x]", "#actions [data-action='2']")
    two.wait_for_selector("#hints [data-action='2'] [data-key=x]")  # all pages know
    assert one.locator("#actions [data-action='2'] kbd").all_inner_texts() == ["→", "D", "X"]
    one.drag_and_drop("#actions [data-key=left]", "#actions [data-action='3']")
    one.wait_for_selector("#actions [data-action='3'] [data-key=left]")
    two.keyboard.down("x")
    playing.settles_on(2)
    two.keyboard.down("ArrowLeft")
    playing.settles_on(3)


def test_a_key_is_chosen_by_pressing_it(playing, tab):
    tab.keyboard.press("h")
    tab.click("#actions [data-action='1'] .plus")
    tab.keyboard.press("p")  # a command; it stays one, and the game goes on
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#actions [data-action='1'] [data-key=enter]")
    assert not playing.session.paused
    assert 1 not in playing.taken  # chosen, not played
    tab.keyboard.down("Enter")
    playing.settles_on(1)
    tab.keyboard.up("Enter")
    tab.click("#actions [data-action='1'] .plus")
    tab.keyboard.press("Escape")  # changes nothing, ends nothing
    tab.keyboard.press("ArrowRight")
    wait_for(lambda: 2 in playing.taken, "the key to be played again")
    assert playing.session.running


def test_help_opens_and_esc_closes_it_before_it_ends_the_game(playing, tab):
    tab.keyboard.press("h")
    tab.wait_for_selector("#panel", state="visible")
    assert "hold to rewind" in tab.inner_text("#panel")
    tab.keyboard.press("Escape")
    tab.wait_for_selector("#panel", state="hidden")
    assert playing.session.running
    tab.keyboard.press("Escape")
    wait_for(lambda: not playing.session.running, "the end")


def test_help_is_each_tabs_own(playing, new_tab):
    one, two = new_tab(), new_tab()
    one.keyboard.press("h")
    one.wait_for_selector("#panel", state="visible")
    drawn = two.evaluate("tinyworlds.figures.drawn")
    until(two, f"tinyworlds.figures.drawn > {drawn} + 5")
    assert not two.is_visible("#panel")
    two.click("[data-side=panel]")
    one.keyboard.press("h")
    one.wait_for_selector("#panel", state="hidden")
    assert two.is_visible("#panel")
    assert two.get_attribute("#commands [data-side=panel]", "aria-expanded") == "true"
    assert one.get_attribute("#commands [data-side=panel]", "aria-expanded") == "false"


FOCUS = """
(() => {
  const it = document.activeElement;
  const { outlineStyle, outlineWidth } = getComputedStyle(it);
  const seen = it === document.body || (outlineStyle !== "none" && parseFloat(outlineWidth) >= 2);
  const name = it.id || it.className || it.dataset.key || it.dataset.side || it.tagName;
  return [name, seen, it.checkVisibility()];
})()
"""


def test_all_of_it_goes_by_the_keyboard_alone(playing, tab):
    def tabbed(count, key="Tab"):
        walked = []
        for _ in range(count):
            tab.keyboard.press(key)
            name, is_seen, is_visible = tab.evaluate(FOCUS)
            assert is_seen, name
            assert is_visible, name
            walked.append(name)
        return walked

    assert tabbed(2) == ["fullscreen", "r"]
    tab.keyboard.press("h")
    tab.wait_for_selector("#panel", state="visible")
    assert tabbed(2) == ["close", "plus"]  # the focus went along
    tab.keyboard.press("Enter")
    assert tab.inner_text("#free-title") == "Press a key, or choose one here"
    tab.keyboard.press("Space")  # even this key, though a button has the focus
    tab.wait_for_selector("#actions [data-action='0'] [data-key=space]")
    assert tab.evaluate(FOCUS)[0] == "plus"  # and it is still where it was
    tab.keyboard.press("Escape")
    tab.wait_for_selector("#panel", state="hidden")
    assert tab.evaluate(FOCUS)[0] == "r"  # back to where it came from
    assert tabbed(6)[-1] == "panel"  # its button, past the other commands
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#panel", state="visible")
    assert tabbed(1, "Shift+Tab") == ["fullscreen"]
    tab.keyboard.press("Escape")
    tab.keyboard.down("ArrowLeft")
    playing.settles_on(1)
    assert playing.session.running


def test_tab_may_be_a_key_of_the_game_and_with_shift_goes_on(playing, tab):
    tab.keyboard.press("h")
    tab.click("#actions [data-action='1'] .plus")
    tab.keyboard.press("Tab")
    tab.wait_for_selector("#actions [data-action='1'] [data-key=tab]")
    tab.keyboard.press("Escape")
    tab.keyboard.down("Tab")
    playing.settles_on(1)
    tab.keyboard.up("Tab")
    before = tab.evaluate(FOCUS)[0]
    tab.keyboard.press("Shift+Tab")
    assert tab.evaluate(FOCUS)[0] != before


@pytest.fixture
def recorded(tmp_path):
    playing = Playing(again=True, recordings=tmp_path)
    yield playing
    playing.stop()


def test_recordings_are_watched_and_downloaded(recorded, new_tab, tmp_path):
    tab = new_tab(playing=recorded, accept_downloads=True)
    tab.click("[data-side=recordings]")
    assert "Nothing is recorded yet" in tab.inner_text("#recordings")
    tab.keyboard.press("v")
    time.sleep(1)
    tab.keyboard.press("v")
    tab.wait_for_selector("#recording-list li")
    assert tab.inner_text("#commands [data-side=recordings]") == "recordings (1)"
    texts = tab.locator("#recording-list :is(button, a)").all_inner_texts()
    assert [text.partition(",")[0] for text in texts] == ["Watch", "Video", "GIF", "Gameplay (H5)"]
    with tab.expect_download() as download:
        tab.click("#recording-list a:nth-of-type(3)")
    name = download.value.suggested_filename
    assert name.startswith("fake_")
    assert (tmp_path / name).read_bytes() == Path(download.value.path()).read_bytes()
    tab.click("#recording-list button")
    until(tab, "player.readyState >= 2 || !document.getElementById('still').hidden && still.naturalWidth")
    if tab.evaluate("player.readyState >= 2"):  # a browser without the codec shows the GIF
        tab.evaluate("player.pause(); player.currentTime = player.duration * 0.75")
        until(tab, "!player.seeking && player.currentTime > player.duration * 0.7")
        tab.focus("#player")
        before = len(recorded.taken)
        tab.keyboard.press("ArrowLeft")  # the video's
        wait_for(lambda: len(recorded.taken) > before + 10, "frames")
        assert 1 not in recorded.taken
    tab.keyboard.press("Escape")
    tab.wait_for_selector("#recordings", state="hidden")
    assert recorded.session.running


def test_after_the_end_there_is_a_page_with_play_again(recorded, new_tab):
    one, two = new_tab(playing=recorded), new_tab(playing=recorded)
    one.keyboard.press("h")
    one.keyboard.press("v")
    one.wait_for_selector("#recording", state="visible")
    one.keyboard.press("Escape")
    one.keyboard.press("Escape")
    for tab in (one, two):
        until(tab, "document.getElementById('again').textContent === 'Play again'")
        assert tab.inner_text("#ending-title") == "The game has ended"
        assert not tab.is_visible("#stage")
        assert not tab.is_visible("#commands")
    one.keyboard.press("ArrowLeft")  # means nothing here
    one.click("#ending-recordings")
    assert one.locator("#recording-list li").count() == 1
    one.keyboard.press("Escape")
    one.wait_for_selector("#recordings", state="hidden")
    first = recorded.session
    two.keyboard.press("Enter")  # it has the focus
    for tab in (one, two):
        until(tab, "!document.body.classList.contains('over')")
        assert tab.is_visible("#stage")
    assert recorded.session is not first
    two.keyboard.down("ArrowRight")
    recorded.settles_on(2)
    two.keyboard.up("ArrowRight")
    two.keyboard.press("Escape")
    until(one, "document.body.classList.contains('over')")


def test_a_program_that_has_ended_is_told_in_words(playing, tab):
    playing.stop()
    until(tab, "document.getElementById('ending-title').textContent === 'The program has ended'")
    assert "tinyworlds play" in tab.inner_text("#ending-words")
    assert tab.inner_text("#again") == "Try again now"
    again = Playing(port=playing.port)
    try:
        tab.keyboard.press("Enter")
        until(tab, "!document.body.classList.contains('over')")
    finally:
        again.stop()


def test_commands_have_buttons(playing, tab):
    tab.click("#commands [data-key=p]")
    tab.wait_for_selector("#paused", state="visible")
    tab.keyboard.down(" ")  # the button that was clicked does not take it
    tab.click("#commands [data-key=p]")
    playing.settles_on(3)
    tab.keyboard.up(" ")
    tab.focus("#commands [data-key=p]")
    tab.keyboard.press("Space")  # one that was chosen with Tab does
    tab.wait_for_selector("#paused", state="visible")


def test_the_truth_stands_beside_the_dream(playing, tab):
    playing.world.truth = np.full((100_000, 16, 16, 3), (10, 200, 30), np.uint8)
    tab.keyboard.press("g")
    tab.wait_for_selector("#truth-side", state="visible")
    assert (pixels(tab, "truth") == (10, 200, 30)).all()
    tab.keyboard.press("g")
    tab.wait_for_selector("#truth-side", state="hidden")


class BesideWorld(FakeWorld):
    """A world that a real game runs beside, and that is unsure of all it draws."""

    beside, said = np.full((16, 16, 3), (200, 10, 30), np.uint8), ""
    sureness, usual_sureness = -5.0, UsualSureness((-4.0, -1.0), 3, Sampling())


@pytest.fixture
def beside():
    playing = Playing(world=BesideWorld(fps=50))
    yield playing
    playing.stop()


def test_the_real_game_stands_beside_the_dream_or_in_its_place(beside, new_tab):
    tab = new_tab(playing=beside)
    captions = "[...document.querySelectorAll('figcaption')].map((it) => it.textContent).join()"
    assert tab.evaluate(captions) == "dream,real game"
    assert (pixels(tab, "truth") == (200, 10, 30)).all()
    tab.keyboard.press("t")
    tab.wait_for_selector("#truth-side", state="hidden")
    until(tab, "document.getElementById('dream-label').textContent === 'real game'")
    assert (pixels(tab) == (200, 10, 30)).all()
    assert tab.is_visible("#dream-label")
    buttons = tab.locator("#commands button").all_inner_texts()
    assert any("swap" in text for text in buttons)
    assert not any("rewind" in text for text in buttons)
    free = tab.evaluate("[...document.querySelectorAll('#free kbd')].map((it) => it.dataset.key)")
    assert "q" in free
    assert not {"f", "t", "g"} & {*free}  # f means nothing here, but would to a dream alone


def test_how_sure_the_world_is_stands_among_the_figures(beside, new_tab, tab):
    unsure = new_tab(playing=beside)
    until(unsure, "document.getElementById('sure').textContent === '0 %'")
    assert unsure.is_visible("#made-up")
    assert not tab.is_visible("#sure")  # a world of which nothing is known
    assert not tab.is_visible("#made-up")


def test_fingers_hold_buttons(playing, new_tab):
    tab = new_tab(has_touch=True, is_mobile=True)
    left = tab.locator("#arrows [data-key=left]").bounding_box()
    assert left["width"] >= 44
    tab.mouse.move(left["x"] + 10, left["y"] + 10)
    tab.mouse.down()
    playing.settles_on(1)
    tab.mouse.up()
    playing.settles_on(0)
    tab.tap("#others [data-key=space]")
    wait_for(lambda: 3 in playing.taken, "the tap")
    assert tab.locator("#others button").all_inner_texts() == ["do nothing", "shoot"]


def test_gamepads_play(playing, new_tab):
    tab = new_tab(script=GAMEPAD)
    tab.evaluate("window.dispatchEvent(new Event('gamepadconnected'))")
    for on, off, action in (
        ("pad.axes = [-0.9, 0]", "pad.axes = [0.1, 0]", 1),
        ("pad.buttons[15].pressed = true", "pad.buttons[15].pressed = false", 2),
        ("pad.buttons[1].pressed = true", "pad.buttons[1].pressed = false", 3),
    ):
        tab.evaluate(on)
        playing.settles_on(action)
        tab.evaluate(off)
        playing.settles_on(0)
    tab.keyboard.down("ArrowLeft")
    tab.evaluate("pad.axes = [-0.9, 0]")
    playing.settles_on(1)
    tab.keyboard.up("ArrowLeft")
    playing.settles_on(1)  # the stick still holds it
    tab.evaluate("pad.axes = [0, 0]")
    playing.settles_on(0)
    tab.evaluate("pad.buttons[9].pressed = true")
    tab.wait_for_selector("#paused", state="visible")


def test_garbage_from_a_page_changes_nothing(playing, tab):
    code = tab.evaluate(
        """async () => {
            const socket = new WebSocket(new URL("play", location.href.replace("http", "ws")));
            await new Promise((done) => { socket.onopen = done; });
            for (let i = 0; i < 150; i++) socket.send("{".repeat(i) + String.fromCharCode(i));
            socket.send("x".repeat(5000));
            return new Promise((done) => { socket.onclose = ({ code }) => done(code); });
        }"""
    )
    assert code == 1009
    drawn = tab.evaluate("tinyworlds.figures.drawn")
    until(tab, f"tinyworlds.figures.drawn > {drawn} + 5")
    assert {*playing.taken} == {0}
