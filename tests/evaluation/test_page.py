"""The page of a report: one file, everything inside, nothing that runs."""

import re
from pathlib import Path

import numpy as np
import pytest
from made_reports import made_key, made_play, made_report
from PIL import Image

from tinyworlds.evaluation.next_steps import Step
from tinyworlds.evaluation.page import embedded, write_report_page
from tinyworlds.media.video import save_video

HOSTILE = "</style><script>alert(1)</script>\"'><img src=http://x.invalid/a onerror=alert(1)>"
CHROMIUM = "/usr/bin/chromium"


def pictures_in(folder, side=64):
    noise = np.random.default_rng(0).integers(0, 255, (side, 3 * side, 3), np.uint8)
    Image.fromarray(noise).save(folder / "keys.png")
    save_video(folder / "open_loop.mp4", np.stack([noise] * 6), 5.0)
    return {"keys.png": "Each key held", "open_loop.mp4": "Rollouts"}


def page_of(folder, name="turn_left", game="walk"):
    report = made_report(made_play(made_key(name)), game=game, data=game)
    steps = [Step("play it", f"tinyworlds play {game}")]
    return write_report_page(folder, report, {}, pictures_in(folder), steps)


def test_everything_is_inside_and_nothing_runs(tmp_path):
    text = page_of(tmp_path).read_text(encoding="utf-8")
    assert text.count("data:image/png;base64,") == 1
    assert text.count("data:video/mp4;base64,") == 1
    assert "<script" not in text
    assert not re.search(r"(src|href)=\"(?!data:)", text)
    assert not re.search(r"\sstyle=|\son\w+=", text), "the policy forbids them"
    policy = re.search(r"Content-Security-Policy\" content=\"([^\"]*)\"", text)[1]
    assert policy.startswith(
        "default-src &#39;none&#39;; img-src data:; media-src data:; style-src &#39;sha256-"
    )
    first_words, keys, figures = (text.index(word) for word in ("Its one key works", ">Keys<", ">Figures<"))
    assert first_words < keys < figures, "words come first"


def test_names_are_text_whatever_they_hold(tmp_path):
    text = page_of(tmp_path, HOSTILE, HOSTILE).read_text(encoding="utf-8")
    assert "<script" not in text
    assert "<img src=http" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert text.count("<style>") == text.count("</style>") == 1


def test_what_is_too_large_is_packed_smaller_or_left_out(tmp_path):
    captions = pictures_in(tmp_path, 128)
    png = (tmp_path / "keys.png").stat().st_size
    del captions["open_loop.mp4"]
    (whole,) = embedded(tmp_path, captions, png * 2)
    (packed,) = embedded(tmp_path, captions, png)
    (none,) = embedded(tmp_path, captions, 1000)
    assert whole.uri.startswith("data:image/png")
    assert packed.uri.startswith("data:image/webp")
    assert len(packed.uri) < png
    assert none.uri == ""


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser_it_fits_shows_all_and_breaks_no_rule_of_its_own(width, scheme, tmp_path):
    playwright = pytest.importorskip("playwright.sync_api")
    if not Path(CHROMIUM).exists():
        pytest.skip("no Chromium here")
    path = page_of(tmp_path, HOSTILE, HOSTILE)
    with playwright.sync_playwright() as run:
        browser = run.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        said, asked = [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda request: asked.append(request.url[:30]))
        page.goto(path.as_uri())
        page.wait_for_function("document.querySelector('video').readyState >= 2")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
        assert said == []
        assert all(url.startswith(("file:", "data:")) for url in asked), asked
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(252, 252, 251)"
        assert dark == (scheme == "dark")
        browser.close()
