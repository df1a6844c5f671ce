"""The page as axe-core sees it (labels, roles, contrast), at three sizes; what a phone needs beyond."""

import time

import numpy as np
import pytest
from browser_play import Playing, wait_for
from page_tabs import until

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python")

SIZES = {
    "desktop": {"viewport": {"width": 1280, "height": 800}},
    "upright": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
    "on its side": {"viewport": {"width": 844, "height": 390}, "has_touch": True, "is_mobile": True},
    "small": {"viewport": {"width": 667, "height": 331}, "has_touch": True, "is_mobile": True},
}
SLOW = pytest.mark.slow  # each takes some ten seconds on a busy machine; one of a kind runs always
AXE_SIZES = ["desktop", pytest.param("upright", marks=SLOW), pytest.param("on its side", marks=SLOW)]
PHONES = ["upright", pytest.param("on its side", marks=SLOW), pytest.param("small", marks=SLOW)]
SMALL_TARGETS = """
[...document.querySelectorAll("button, a")].filter((it) => it.checkVisibility()).filter((it) => {
  const { width, height } = it.getBoundingClientRect();
  return Math.min(width, height) < 43.9;
}).map((it) => it.outerHTML)
"""
COVERED = """
[...document.querySelectorAll("canvas")].filter((it) => it.checkVisibility()).flatMap((canvas) => {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const side = Math.min(width, height);
  const [x, y] = [left + width / 2, top + height / 2];
  return [[0, 0], [-.3, -.3], [.3, -.3], [-.3, .3], [.3, .3]].map(([dx, dy]) =>
    document.elementFromPoint(x + dx * side, y + dy * side)).filter((it) => it !== canvas);
}).map((it) => it?.outerHTML.slice(0, 100) ?? "off the screen")
"""
SCROLLS = """
(() => {
  const { scrollHeight, scrollWidth } = document.scrollingElement;
  return scrollHeight > innerHeight || scrollWidth > innerWidth;
})()
"""


@pytest.fixture
def playing(tmp_path):
    playing = Playing(again=True, recordings=tmp_path)
    playing.world.truth = np.full((100_000, 16, 16, 3), (10, 200, 30), np.uint8)
    yield playing
    playing.stop()


@pytest.fixture
def open_tab(browser, playing):
    contexts = []

    def open_tab(size):
        contexts.append(browser.new_context(**SIZES[size]))
        page = contexts[-1].new_page()
        page.goto(playing.view.url)
        until(page, "tinyworlds.figures.drawn > 1")
        return page

    yield open_tab
    for context in contexts:
        context.close()


def states(page, playing):
    """Bring the page into each of its states, one after the other, and name it."""
    yield "playing"
    page.keyboard.press("g")
    page.wait_for_selector("#truth-side", state="visible")
    page.keyboard.press("p")
    page.wait_for_selector("#paused", state="visible")
    yield "paused, two pictures, and a message"
    page.keyboard.press("h")
    page.wait_for_selector("#panel", state="visible")
    yield "panel"
    page.evaluate("document.querySelector('#actions .plus').click()")
    yield "panel, asking for a key"
    page.keyboard.press("Escape")
    page.keyboard.press("p")
    for _ in range(2):
        page.keyboard.press("v")
        time.sleep(0.3)
    until(page, "document.querySelectorAll('#recording-list li').length === 1")
    page.click("#panel .close")
    page.click("[data-side=recordings]")
    page.click("#recording-list button")
    until(page, "player.readyState > 0")
    yield "recordings"
    page.click("#recordings .close")
    page.keyboard.press("Escape")
    until(page, "document.getElementById('again').textContent === 'Play again'")
    yield "ended"
    page.click("#ending-recordings")
    yield "ended, with its recordings"
    playing.stop()
    until(page, "document.getElementById('ending-title').textContent === 'The program has ended'")
    yield "gone"


@pytest.mark.parametrize("size", AXE_SIZES)
def test_axe_finds_nothing_to_complain_about(open_tab, playing, size):
    page = open_tab(size)
    for state in states(page, playing):
        found = axe.Axe().run(page)
        assert found.violations_count == 0, f"{state}: {found.generate_report()}"
        assert len(found.response["passes"]) > 10, state  # it did look


def test_axe_would_find_what_is_wrong(open_tab):
    page = open_tab("desktop")
    page.evaluate("document.getElementById('title').style.color = '#333'")
    page.evaluate("document.getElementById('dream').removeAttribute('aria-label')")
    assert {it["id"] for it in axe.Axe().run(page).response["violations"]} == {
        "color-contrast",
        "role-img-alt",
    }


def test_axe_reads_the_page_of_what_is_not_there(open_tab, playing):
    page = open_tab("desktop")
    page.goto(playing.view.url + "nothing/here")
    assert page.locator("h1").inner_text() == "Nothing here"
    assert "/nothing/here" in page.inner_text("main")
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.click("a")
    page.wait_for_selector("#dream")


@pytest.mark.parametrize("size", PHONES)
def test_on_a_phone(open_tab, playing, size):
    page = open_tab(size)
    for state in finger_states(page, playing):
        assert page.evaluate(SMALL_TARGETS) == [], state
        assert page.evaluate(COVERED) == [], state
        assert not page.evaluate(SCROLLS), state
        text = page.evaluate("document.body.innerText").lower()
        assert "drag" not in text, state
        assert "key" not in text, state
    assert page.evaluate("getComputedStyle(document.body).touchAction") == "manipulation"


def finger_states(page, playing):
    """The same, by fingers alone: the page has seen no keyboard."""
    yield "playing"
    page.tap("#commands [data-key=g]")
    page.wait_for_selector("#truth-side", state="visible")
    yield "two pictures"
    page.tap("#arrows [data-key=left]")
    wait_for(lambda: 1 in playing.taken, "the tap")
    page.tap("#commands [data-key=v]")
    page.wait_for_selector("#recording", state="visible")
    yield "recording"
    page.tap("#commands [data-key=v]")
    until(page, "document.querySelectorAll('#recording-list li').length === 1")
    yield "a message"
    page.tap("[data-side=panel]")
    yield "panel"
    page.tap("#command-list [data-key=p]")
    page.wait_for_selector("#paused", state="visible")
    page.tap("#command-list [data-key=p]")
    page.wait_for_selector("#paused", state="hidden")
    page.tap("#panel .close")
    page.tap("[data-side=recordings]")
    page.tap("#recording-list button")
    until(page, "player.readyState > 0")
    yield "recordings"
    page.tap("#recordings .close")
    page.tap("[data-side=panel]")
    page.tap("#command-list [data-key=esc]")
    until(page, "document.getElementById('again').textContent === 'Play again'")
    yield "ended"
    page.tap("#again")
    until(page, "!document.body.classList.contains('over')")
    yield "another game"


def test_a_keyboard_at_a_tablet_is_told_of_keys(open_tab):
    page = open_tab("upright")
    page.tap("[data-side=panel]")
    assert not page.is_visible("#assignment")
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector("#assignment", state="visible")
    assert "drag" not in page.inner_text("#panel")
    page.tap("#actions [data-action='1'] .plus")
    page.tap("#free [data-key=x]")  # tap an action, tap a key
    page.wait_for_selector("#actions [data-action='1'] [data-key=x]")
