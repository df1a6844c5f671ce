"""Firefox and WebKit (Safari's engine) for tests of pages; playwright would have to fetch its own.

Both speak W3C protocols by themselves: Firefox WebDriver BiDi, WebKitGTK the WebDriver of its own program.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from x_server import x_server

PATIENCE_S = 120
MINI_BROWSER = "/usr/lib/*/webkit2gtk-*/MiniBrowser"


@contextlib.contextmanager
def running(command: list[str], **settings: Any) -> Iterator[None]:
    """A program and all that it starts, which end with the block."""
    said: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, start_new_session=True, **said, **settings)
    try:
        yield
    finally:
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()


def free_port() -> int:
    """A port at which nobody answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Firefox:
    """One tab, driven by WebDriver BiDi."""

    def __init__(self, loop: asyncio.AbstractEventLoop, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.loop, self.socket, self.number = loop, socket, 0
        self.troubles: list[str] = []
        self.call("session.new", capabilities={})
        self.call("session.subscribe", events=["log.entryAdded"])
        self.tab = self.call("browsingContext.getTree")["contexts"][0]["context"]

    def call(self, method: str, **params: Any) -> Any:
        return self.loop.run_until_complete(self._call(method, params))

    async def _call(self, method: str, params: dict[str, Any]) -> Any:
        self.number += 1
        await self.socket.send_json({"id": self.number, "method": method, "params": params})
        while True:
            told = await self.socket.receive_json(timeout=PATIENCE_S)
            if told["type"] == "event" and told["params"]["level"] in ("warn", "error"):
                self.troubles.append(told["params"]["text"])
            if told.get("id") == self.number:
                assert told["type"] == "success", told
                return told["result"]

    def goto(self, address: str) -> None:
        self.call("browsingContext.navigate", context=self.tab, url=address, wait="complete")

    def evaluate(self, function: str, argument: Any = None) -> Any:
        """What a function gives when it is called with the argument in the page; both as JSON."""
        declared = f"async (given) => JSON.stringify(await ({function})(JSON.parse(given)) ?? null)"
        given = [{"type": "string", "value": json.dumps(argument)}]
        target = {"context": self.tab}
        told = self.call(
            "script.callFunction",
            functionDeclaration=declared,
            awaitPromise=True,
            target=target,
            arguments=given,
        )
        assert told["type"] == "success", told
        return json.loads(told["result"]["value"])

    def hold(self, key: str, down: bool) -> None:
        events = [{"type": "keyDown" if down else "keyUp", "value": key}]
        keyboard = {"type": "key", "id": "keyboard", "actions": events}
        self.call("input.performActions", context=self.tab, actions=[keyboard])

    def screenshot(self) -> bytes:
        return base64.b64decode(self.call("browsingContext.captureScreenshot", context=self.tab)["data"])


@contextlib.contextmanager
def firefox(folder: Path) -> Iterator[Firefox]:
    """A Firefox without a window; `folder` takes its profile."""
    program = shutil.which("firefox") or shutil.which("firefox-esr")
    if program is None:
        pytest.skip("needs Firefox (apt-get install firefox-esr)")
    port = free_port()
    command = [program, "--headless", "--no-remote", "--profile", str(folder)]
    command += ["--remote-debugging-port", str(port)]
    loop = asyncio.new_event_loop()
    with running(command), contextlib.closing(loop):
        session = loop.run_until_complete(_session())
        try:
            yield Firefox(loop, loop.run_until_complete(_connected(session, port)))
        finally:
            loop.run_until_complete(session.close())


async def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession()


async def _connected(session: aiohttp.ClientSession, port: int) -> aiohttp.ClientWebSocketResponse:
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await session.ws_connect(f"http://127.0.0.1:{port}/session", max_msg_size=0)
        except aiohttp.ClientError:
            assert time.monotonic() < end, "Firefox does not answer"
            await asyncio.sleep(0.05)


class WebKit:
    """One tab of WebKitGTK's small browser, driven by WebDriver. What its console says is not told."""

    def __init__(self, address: str, browser: str) -> None:
        self.address, self.session, self.troubles = address, "", []
        wanted = {"webkitgtk:browserOptions": {"binary": browser, "args": ["--automation"]}}
        self.session = (
            f"/session/{self.call('POST', '/session', capabilities={'alwaysMatch': wanted})['sessionId']}"
        )
        self.call("POST", "/timeouts", script=1000 * PATIENCE_S)

    def call(self, method: str, path: str, **body: Any) -> Any:
        data = json.dumps(body).encode() if method == "POST" else None
        request = urllib.request.Request(f"{self.address}{self.session}{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return json.load(answer)["value"]

    def goto(self, address: str) -> None:
        self.call("POST", "/url", url=address)

    def evaluate(self, function: str, argument: Any = None) -> Any:
        """What a function gives when it is called with the argument in the page; both as JSON."""
        script = f"""const [given, done] = arguments;
        const failed = (error) => done({{ error: `${{error}}` }});
        (async () => ({function})(given))().then((value) => done({{ value }}), failed);"""
        told = self.call("POST", "/execute/async", script=script, args=[argument])
        assert "error" not in told, told
        return told.get("value")

    def hold(self, key: str, down: bool) -> None:
        events = [{"type": "keyDown" if down else "keyUp", "value": key}]
        self.call("POST", "/actions", actions=[{"type": "key", "id": "keyboard", "actions": events}])

    def screenshot(self) -> bytes:
        return base64.b64decode(self.call("GET", "/screenshot"))


@contextlib.contextmanager
def webkit(folder: Path) -> Iterator[WebKit]:
    """A WebKitGTK in a window of an X server of its own; `folder` is its home."""
    browsers = [str(path) for path in Path("/").glob(MINI_BROWSER.lstrip("/"))]
    if shutil.which("WebKitWebDriver") is None or not browsers:
        pytest.skip("needs WebKitGTK (apt-get install webkit2gtk-driver)")
    port = free_port()
    with x_server() as display:
        environment = {**os.environ, "DISPLAY": display, "HOME": str(folder)}
        with running(["WebKitWebDriver", f"--port={port}"], env=environment):
            address = f"http://127.0.0.1:{port}"
            _answers(address)
            yield WebKit(address, browsers[0])


def _answers(address: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with contextlib.suppress(urllib.error.URLError):
            urllib.request.urlopen(f"{address}/status", timeout=PATIENCE_S).close()
            return
        time.sleep(0.05)
    raise AssertionError("WebKitWebDriver does not answer")
