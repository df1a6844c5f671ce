"""A real browser for the tests of the page."""

from collections.abc import Iterator
from typing import Any

import pytest
from page_tabs import BROWSER_ARGS, browser_path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The Chromium of this system, or the one that playwright installed."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright (pip install playwright)")
    with sync_api.sync_playwright() as playwright:
        path = browser_path(playwright)
        browser = playwright.chromium.launch(executable_path=path, args=BROWSER_ARGS)
        yield browser
        browser.close()
