"""Play in the browser: a small server for pages on this machine, and the page (`BrowserView`)."""

from tinyworlds.play.browser.view import BrowserView

__all__ = ["BrowserView"]
