"""The web server of the page: a fixed handful of files, recordings, and one websocket for each open page.

It runs on an event loop, knows neither sessions nor worlds, and hands what pages say to its owner.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from aiohttp import WSCloseCode, web
from aiohttp.http_exceptions import HttpProcessingError

from tinyworlds.play.browser.guard import Guard
from tinyworlds.play.browser.messages import Message
from tinyworlds.play.browser.page_socket import Page, new_socket
from tinyworlds.play.browser.refusal import refuse
from tinyworlds.play.browser.shelf import Shelf

log = logging.getLogger(__name__)

MAX_PAGES = 8
_SOCKET, _RECORDINGS = "play", "recordings/"  # the websocket's name beside the files, and their folder
_BY_PROXY = "Behind a proxy, start the game with --allow-host and the name in your address bar."
_NOT_OURS = f"The game does not go by this name: open the address that the program printed. {_BY_PROXY}"
_NOT_WHOLE = (
    "The address of this game has a secret part, and here it is missing or wrong. Copy the whole address,"
    " from the line of the terminal that begins with 'play at'."
)
FOLDER = Path(__file__).parent / "page"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_RECORDED = {
    ".mp4": "video/mp4", ".webm": "video/webm", ".mkv": "video/x-matroska", ".gif": "image/gif",
    ".json": "application/json",
}  # fmt: skip
FILES = (
    "index.html", "style.css", "icon.svg", "main.js", "connection.js", "picture.js", "held.js", "keyboard.js",
    "gamepad.js", "touch.js", "figures.js", "panel.js", "caps.js", "world.js", "side.js",
    "recordings.js", "ending.js",
)  # fmt: skip
_POLICY = "Content-Security-Policy"
_HEADERS = {
    _POLICY: (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",  # after an update the browser must not mix old files with new ones
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # the address may hold the token
    "X-Content-Type-Options": "nosniff",
    "Server": "tinyworlds",
}


class PageServer:
    """Serves the page and keeps the open ones. All methods belong to the event loop's thread.

    Args:
        guard: decides which requests are answered.
        shelf: the recordings that pages may ask for.
        greet: returns the texts that a page gets first, by kind.
        receive: told what a page said.
        leave: told that a page is gone.
    """

    def __init__(
        self,
        guard: Guard,
        shelf: Shelf,
        greet: Callable[[], Mapping[str, str]],
        receive: Callable[[Page, Message], None],
        leave: Callable[[Page], None],
    ) -> None:
        self.pages: set[Page] = set()
        log.addFilter(_is_our_fault)
        self._guard, self._shelf = guard, shelf
        self._greet, self._receive, self._leave = greet, receive, leave
        self._files = {name: (FOLDER / name).read_bytes() for name in FILES}
        app = web.Application(client_max_size=1024)
        app.router.add_get("/{path:.*}", self._answer)
        app.on_response_prepare.append(_add_headers)
        self._runner = web.AppRunner(
            app, access_log=None, logger=log, keepalive_timeout=10, shutdown_timeout=1
        )

    async def start(self, listener: socket.socket) -> None:
        """Answer requests that come by a bound socket."""
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()

    async def stop(self) -> None:
        """Tell all pages that the game is over, and close every connection."""
        goodbye = [page.close(WSCloseCode.GOING_AWAY, "the game has ended") for page in self.pages]
        await asyncio.gather(*goodbye, return_exceptions=True)
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if not self._guard.knows_host(request.headers.get("Host")):
            return refuse(request, 403, "This is not our address", _NOT_OURS)
        name = self._guard.name_asked_for(request.path)
        if name is None and self._guard.name_asked_for(f"{request.path}/") == "":
            # the page's own files lie behind the last slash; a proxy may have taken off what stood before
            raise web.HTTPFound(f"./{request.path.rpartition('/')[2]}/")
        if name is None:
            return refuse(request, 403, "This address is not whole", _NOT_WHOLE)
        if name == _SOCKET:
            return await self._play(request)
        name = name or "index.html"
        if name in self._files:
            kind = _TYPES[Path(name).suffix]
            return web.Response(body=self._files[name], content_type=kind, charset="utf-8")
        return self._recording(name) or _nothing_at(request, name)

    def _recording(self, name: str) -> web.StreamResponse | None:
        """Answer with a recording, or with the part of it that was asked for; None if it is none."""
        file = self._shelf.get(name.removeprefix(_RECORDINGS)) if name.startswith(_RECORDINGS) else None
        if file is None:
            return None
        kind = _RECORDED.get(file.suffix, "application/octet-stream")
        return web.FileResponse(file, headers={"Content-Type": kind})

    async def _play(self, request: web.Request) -> web.StreamResponse:
        if not self._guard.same_origin(request.headers.get("Origin"), request.headers.get("Host")):
            raise web.HTTPForbidden(text=f"Only our own page may play. {_BY_PROXY}")
        websocket = new_socket()
        if not websocket.can_prepare(request):
            raise web.HTTPBadRequest(text="This address is for the page's websocket.")
        await websocket.prepare(request)
        page = Page(websocket)
        if len(self.pages) >= MAX_PAGES:
            await page.close(WSCloseCode.TRY_AGAIN_LATER, f"{MAX_PAGES} pages are open already")
            return websocket
        await self._serve(page)
        return websocket

    async def _serve(self, page: Page) -> None:
        """Keep a page until it is gone."""
        self.pages.add(page)
        for kind, text in self._greet().items():
            page.tell(kind, text)
        sender = asyncio.create_task(page.send())
        try:
            async for message in page.messages():
                self._receive(page, message)
        finally:
            self.pages.discard(page)
            self._leave(page)
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await sender


def _nothing_at(request: web.Request, name: str) -> web.Response:
    """Say that there is nothing, and the way from there to the page."""
    why = "There is no such page and no such recording (any more)."
    return refuse(request, 404, "Nothing here", why, "../" * name.count("/") or "./")


def _is_our_fault(record: logging.LogRecord) -> bool:
    """False where somebody sent what is no HTTP: that is answered, and no news to the player."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    for name, value in _HEADERS.items():
        if name != _POLICY or name not in response.headers:  # a page without scripts has a stricter one
            response.headers[name] = value
