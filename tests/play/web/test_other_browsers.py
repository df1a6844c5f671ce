"""The page that plays by itself in Firefox and in WebKit, Safari's engine: codes, keys, a picture."""

import io

import numpy as np
import pytest
from other_browsers import firefox, webkit
from page_dreams import assert_same_dream
from PIL import Image
from static_site import hosted
from x_server import happens

from tinyworlds.play.web.facts import web_world
from tinyworlds.play.web.site import write_site
from tinyworlds.shipped import shipped_worlds
from tinyworlds.world.file import load_world

pytestmark = pytest.mark.slow

FIGURE = "(name) => document.querySelector(name).textContent"


@pytest.fixture(scope="module", params=[firefox, webkit], ids=["Firefox", "WebKit"])
def browser(request, tmp_path_factory):
    with request.param(tmp_path_factory.mktemp("profile")) as browser:
        yield browser
        assert browser.troubles == []


@pytest.mark.parametrize("name", shipped_worlds())
def test_a_shipped_world_dreams_the_codes_that_pytorch_dreams(name, tmp_path, browser):
    world = load_world(shipped_worlds()[name], temperature=0.0)
    write_site(tmp_path, [web_world(world, "tiny", "int8")])
    (tmp_path / "blank.html").write_text('<link rel="icon" href="page/icon.svg">')
    with hosted(tmp_path) as address:
        browser.goto(f"{address}blank.html")
        actions = [i // 4 % world.num_actions for i in range(32)]
        assert_same_dream(browser, world, actions, kinds=[""])


def test_held_keys_play(tmp_path, browser):
    write_site(tmp_path, [web_world(load_world(shipped_worlds()["doom"]), "doom", "int8")])
    with hosted(tmp_path) as address:
        browser.goto(address)
        assert happens(lambda: int(browser.evaluate(FIGURE, "#number") or 0) > 3, seconds=60)
        browser.hold("d", down=True)
        assert happens(lambda: "turn right" in browser.evaluate(FIGURE, "#action"), seconds=30)
        browser.hold("d", down=False)
        assert happens(lambda: "do nothing" in browser.evaluate(FIGURE, "#action"), seconds=30)
        picture = np.asarray(Image.open(io.BytesIO(browser.screenshot())).convert("RGB"))
    height, width = picture.shape[:2]
    middle = picture[height // 4 : height // 2, width // 3 : 2 * width // 3]
    assert middle.std() > 5, "a dream, not one colour"
