"""The fake world played in the browser: a session in a thread, its view, and a page without a browser."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import cv2
import numpy as np
from fake_world import FakeWorld

from tinyworlds.play.browser import BrowserView
from tinyworlds.play.pacing import play
from tinyworlds.play.recorder import Recorder, recording_path
from tinyworlds.play.session import Session


class Playing:
    """Sessions, one after the other, until `stop`; settings go to the view.

    Args:
        fps: frames a second.
        world: what is played.
        port: of the view.
        again: whether pages may begin another session after one.
        recordings: folder; without it nothing can be recorded.
        settings: of the view.
    """

    def __init__(
        self,
        fps: float = 50.0,
        world: Any = None,
        port: int = 0,
        again: bool = False,
        recordings: Path | None = None,
        **settings: Any,
    ):
        self.world = world or FakeWorld(fps=fps)
        self._folder, self._again, self._waits = recordings, again, False
        self.session = self._new_session()
        self.view = BrowserView(
            "Fake",
            self.session.hints,
            self.world.action_names,
            self.world.num_actions,
            fps,
            self.session.notes,
            port=port,
            commands=self.session.commands,
            recorded=lambda: self.session.recordings,
            **settings,
        )
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _new_session(self) -> Session:
        def new_recorder() -> Recorder:
            path = recording_path("fake", self._folder)
            return Recorder(path, self.world.fps, 8, self.world.action_names)

        return Session(self.world, seed=0, new_recorder=new_recorder if self._folder else None)

    def _run(self) -> None:
        play(self.session, self.view)
        while self._again and self._another():
            self.session = self._new_session()
            self.view.begin(lambda: self.session.recordings)
            play(self.session, self.view)

    def _another(self) -> bool:
        self._waits = True
        another = self.view.wants_another()
        self._waits = False
        return another

    @property
    def port(self) -> int:
        return int(self.view.url.split(":")[2].split("/")[0])

    @property
    def taken(self) -> list[int]:
        """The actions so far."""
        return list(self.world.taken)

    def settles_on(self, action: int, num_frames: int = 5) -> None:
        """Wait until the world took nothing but this action for some frames, all of them still to come."""
        start = len(self.world.taken)

        def settled() -> bool:
            return len(self.taken[start:]) >= num_frames and set(self.taken[-num_frames:]) == {action}

        wait_for(settled, f"action {action}")

    def stop(self) -> None:
        self._again = self.session.running = False
        while self._thread.is_alive() and not self._waits:
            self._thread.join(0.05)
        self.view.close()  # which also ends the wait for another session
        self._thread.join()


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited too long for {what}"
        time.sleep(0.01)


class FakePage:
    """What the page does on its websocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self._id = 0

    async def key(self, key: str, down: bool = True) -> int:
        self._id += 1
        await self.say(type="key", key=key, down=down, repeat=False, id=self._id)
        return self._id

    async def say(self, **fields: Any) -> None:
        await self.socket.send_str(json.dumps(fields))

    async def world(self) -> dict[str, Any]:
        """The next text that says what there is to play."""
        return await self.told("world")

    async def told(self, kind: str) -> dict[str, Any]:
        """The next text of a kind."""
        while True:
            message = await self.socket.receive(timeout=10)
            if message.type is aiohttp.WSMsgType.TEXT and (said := json.loads(message.data))["type"] == kind:
                return said
            await self._answer(message)

    async def frame(self, answer: bool = True) -> dict[str, Any]:
        """The next frame: its header, `acted`, and `images`."""
        while True:
            message = await self.socket.receive(timeout=10)
            if message.type is aiohttp.WSMsgType.BINARY:
                if answer:
                    await self.say(type="seen")
                return unpack(message.data)
            assert message.type is aiohttp.WSMsgType.TEXT, message

    async def end(self) -> int:
        """Read until the server ends it; return the code."""

        async def read() -> None:
            while not self.socket.closed:
                await self._answer(await self.socket.receive())

        await asyncio.wait_for(read(), 20)
        return self.socket.close_code

    async def _answer(self, message: aiohttp.WSMessage) -> None:
        if message.type is aiohttp.WSMsgType.BINARY:
            with contextlib.suppress(ConnectionError):
                await self.say(type="seen")


def unpack(data: bytes) -> dict[str, Any]:
    acted, length = struct.unpack_from(">II", data)
    header = json.loads(data[8 : 8 + length])
    images, start = [], 8 + length
    for size in header["sizes"]:
        encoded = np.frombuffer(data[start : start + size], np.uint8)
        images.append(cv2.cvtColor(cv2.imdecode(encoded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB))
        start += size
    assert start == len(data)
    return {**header, "acted": acted, "images": images}


@contextlib.asynccontextmanager
async def page_of(view: BrowserView, origin: str | None = "own", **headers: str) -> AsyncIterator[FakePage]:
    """Connect as a page does; `origin` and headers may be other than a browser's."""
    if origin == "own":
        origin = "/".join(view.url.split("/")[:3])
    if origin is not None:
        headers["Origin"] = origin
    url = view.url.replace("http", "ws", 1) + "play"
    async with aiohttp.ClientSession() as client, client.ws_connect(url, headers=headers) as socket:
        yield FakePage(socket)
