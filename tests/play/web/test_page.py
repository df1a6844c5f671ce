"""The page that plays by itself, in a real Chromium: the same codes as here, keys, commands, no server."""

import json
from urllib.parse import urlsplit

import pytest
from page_dreams import assert_same_dream
from page_tabs import until
from static_site import hosted
from tiny_worlds import tiny_world

from tinyworlds.play.web.facts import web_world
from tinyworlds.play.web.site import write_site
from tinyworlds.shipped import shipped_worlds
from tinyworlds.world.file import load_world

pytestmark = pytest.mark.slow


@pytest.fixture
def new_page(browser):
    """Opens an address; what the page complains about, and what it asks others for, fails the test."""
    troubles, contexts = [], []

    def open_page(address, **settings):
        contexts.append(browser.new_context(viewport={"width": 1000, "height": 700}, **settings))
        page = contexts[-1].new_page()
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        host = urlsplit(address).netloc
        page.on("request", lambda each: urlsplit(each.url).netloc == host or troubles.append(each.url))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


@pytest.fixture
def site(tmp_path):
    """A page of the tiny world in some folder of a host."""
    folder = tmp_path / "some" / "where"
    world = tiny_world(actions="labels")
    world.info.key_map["left+space"] = 3
    write_site(folder, [web_world(world, "tiny", "float32")])
    with hosted(tmp_path) as address:
        yield f"{address}some/where/"


@pytest.mark.parametrize("name", shipped_worlds())
def test_a_shipped_world_dreams_the_codes_that_pytorch_dreams(name, tmp_path, new_page):
    world = load_world(shipped_worlds()[name], temperature=0.0)
    write_site(tmp_path, [web_world(world, "tiny", "int8")])
    (tmp_path / "blank.html").write_text('<link rel="icon" href="page/icon.svg">')
    with hosted(tmp_path) as address:
        page = new_page(f"{address}blank.html")  # no dream plays beside this one
        assert_same_dream(page, world, [i // 4 % world.num_actions for i in range(32)])


@pytest.mark.parametrize("kind", ["_fused", ""])
@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 1.0, "schedule": "halton", "num_steps": 4},
        {"temperature": 1.2, "top_p": 0.8, "schedule": "exponential", "num_steps": 5},
        {"temperature": 0.0, "schedule": "cosine", "num_steps": 3},
    ],
)
def test_chance_is_that_of_pytorch(settings, kind, tmp_path, new_page):
    world = tiny_world(actions="labels", **settings)
    write_site(tmp_path, [web_world(world, "tiny", "float32")])
    with hosted(tmp_path) as address:
        page = new_page(address)
        assert_same_dream(page, world, [0, 1, 1, 3, 2] * 4, seed=123456789, kinds=[kind])


def test_who_goes_back_meets_the_same_chance(site, new_page):
    page = new_page(site)
    first, again, other = page.evaluate(
        """async () => {
          const { Dream } = await import(new URL("page/dream.js", location.href));
          const dream = await Dream.load(new URL("tiny/", location.href).href, 3);
          dream.facts.sampling.temperature = 2;
          dream.reset();
          const { state } = dream;
          const play = () => [1, 0, 3, 2].map((action) => {
            dream.step(action);
            return Array.from(dream.past.ids.at(-1));
          });
          const first = play();
          dream.state = state;
          return [first, play(), play()];
        }"""
    )
    assert first == again
    assert first != other


def test_keys_play_and_commands_work_under_a_strict_policy(site, new_page):
    page = new_page(f"{site}?seed=5")
    number = "Number(document.getElementById('number').textContent)"
    shows = "document.getElementById('action').textContent === '{}'".format
    until(page, "globalThis.tinyworlds?.figures.drawn > 2")
    until(page, shows("2 action 2"))  # what the world does while no key is held
    page.keyboard.down("ArrowLeft")
    until(page, shows("1 left"))
    until(page, "globalThis.tinyworlds?.figures.latency !== null")
    page.keyboard.down("0")
    until(page, shows("0 do nothing"))  # the key that came last
    page.keyboard.up("0")
    until(page, shows("1 left"))
    page.keyboard.down("Space")
    until(page, shows("3 action 3"))  # what both together mean
    page.keyboard.up("Space")
    until(page, shows("1 left"))
    page.keyboard.up("ArrowLeft")
    page.keyboard.press("p")
    until(page, "!document.getElementById('paused').hidden")
    stands = page.evaluate(number)
    page.keyboard.press(".")
    until(page, f"{number} === {stands + 1}")
    page.keyboard.down("Backspace")
    until(page, f"{number} < {stands}")
    page.keyboard.up("Backspace")
    page.keyboard.press("p")
    until(page, "document.getElementById('paused').hidden")
    page.keyboard.press("f")
    until(page, "document.getElementById('message').textContent.startsWith('fork at frame')")
    page.keyboard.press("b")
    until(page, "document.getElementById('message').textContent === 'back to a real frame'")
    page.keyboard.press("r")
    until(page, f"{number} < 3")
    page.keyboard.press("h")
    page.click("#actions [data-action='3'] .plus")
    page.keyboard.press("x")
    until(page, "document.querySelector('#actions li:nth-child(4) kbd[data-key=x]') !== null")
    page.keyboard.down("x")
    until(page, shows("3 action 3"))
    assert page.evaluate("document.querySelectorAll('[data-side=recordings]').length") == 0


def test_what_really_followed_is_seen_beside_the_dream(tmp_path, new_page):
    world = tiny_world(actions="labels", context_frames=1)
    object.__setattr__(world.info, "fps", 2.0)  # the clip goes on for two frames: a second
    write_site(tmp_path, [web_world(world, "tiny", "float32")])
    with hosted(tmp_path) as address:
        page = new_page(address)
        until(page, "globalThis.tinyworlds?.figures.drawn > 0")
        page.keyboard.press("g")
        page.keyboard.press("r")
        until(page, "!document.getElementById('truth-side').hidden")
        assert page.inner_text("#truth-label") == "what really followed"
        until(page, "document.getElementById('truth-side').hidden")  # it has ended


def test_a_finger_plays(site, new_page):
    page = new_page(site, has_touch=True, is_mobile=True)
    until(page, "globalThis.tinyworlds?.figures.drawn > 0")
    button = page.locator("#pad [data-key=left]").bounding_box()
    point = [{"x": button["x"] + 5, "y": button["y"] + 5}]
    client = page.context.new_cdp_session(page)
    client.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": point})
    until(page, "document.getElementById('action').textContent === '1 left'")
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    until(page, "document.getElementById('action').textContent === '2 action 2'")


def test_axe_finds_nothing_in_choice_and_page(tmp_path, new_page):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    world = tiny_world(actions="labels")
    write_site(tmp_path, [web_world(world, each, "float32") for each in ("one", "two")])
    with hosted(tmp_path) as address:
        page = new_page(address, bypass_csp=True)  # axe is a script that the page's policy would refuse
        choice = axe.Axe().run(page).response["violations"]
        page.goto(f"{address}one/")
        until(page, "globalThis.tinyworlds?.figures.drawn > 0")
        assert choice + axe.Axe().run(page).response["violations"] == []


def test_names_of_strangers_are_shown_as_text(tmp_path, new_page):
    world = tiny_world(actions="labels")
    name = "<img src=x onerror=alert(1)>"
    object.__setattr__(world.info, "game", name)
    object.__setattr__(world.info, "action_names", (name, "__proto__", "constructor", "x"))
    write_site(tmp_path, [web_world(world, each, "float32") for each in ("one", "two")])
    with hosted(tmp_path) as address:
        page = new_page(address)
        assert page.locator("li span").all_inner_texts() == [name, name]
        page.click("a[href='two/']")
        until(page, "globalThis.tinyworlds?.figures.drawn > 0")
        assert page.inner_text("#title") == f"TinyWorlds {name}"
        assert name in page.locator("#actions").text_content()
        assert page.locator("img[src=x]").count() == 0
        page.click("text=all worlds")
        until(page, "document.querySelectorAll('li a').length === 2")
        page.wait_for_load_state("networkidle")  # a host that leaves while the page asks is a trouble, too


def test_what_does_not_come_is_said_and_tried_again(browser, tmp_path):
    web = web_world(tiny_world(actions="labels"), "tiny", "float32")
    write_site(tmp_path, [web])
    weights = tmp_path / "tiny" / json.loads((tmp_path / "tiny" / "world.json").read_text())["weights"]
    hidden = weights.rename(tmp_path / "elsewhere")
    page = browser.new_page()
    with hosted(tmp_path) as address:
        page.goto(address)
        until(page, "!document.getElementById('ending').hidden")
        assert page.inner_text("#ending-title") == "The world could not be played here"
        assert weights.name in page.inner_text("#ending-words")
        hidden.rename(weights)
        page.click("#again")
        until(page, "globalThis.tinyworlds?.figures.drawn > 2")
        assert page.locator("#ending").is_hidden()
    page.close()
