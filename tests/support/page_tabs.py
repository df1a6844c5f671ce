"""A real Chromium for the tests of the page."""

from __future__ import annotations

import os
import shutil
from typing import Any

import pytest
from browser_play import wait_for

BROWSER_ARGS = ["--no-sandbox"]


def browser_path(playwright: Any) -> str:
    """The Chromium of this system, or the one that playwright installed; skips where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = [*map(shutil.which, names), playwright.chromium.executable_path]
    path = next((path for path in found if path and os.path.exists(path)), None)
    if path is None:
        pytest.skip("needs Chromium (apt-get install chromium, or playwright install chromium)")
    return path


def until(page: Any, expression: str) -> None:
    """Wait until JavaScript is true; playwright's own way is against the page's security policy."""
    wait_for(lambda: page.evaluate(expression), expression)
