"""One open page on the server's side: frames go out, newest only, and checked messages come in."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from aiohttp import WSCloseCode, WSMsgType, web

from tinyworlds.play.browser.guard import RateLimit
from tinyworlds.play.browser.messages import Message, Seen, address_frame, read_message

MAX_MESSAGE_BYTES = 512
MAX_UNSEEN = 3  # frames under way to a page; more would wait in line and come late
HEARTBEAT_S = 6.0  # a page that is silent for this and half of it again is gone, and lets go of its keys


def new_socket() -> web.WebSocketResponse:
    """Return a websocket with bounded messages that notices when the other end is gone."""
    return web.WebSocketResponse(
        max_msg_size=MAX_MESSAGE_BYTES, heartbeat=HEARTBEAT_S, compress=False, timeout=2.0
    )


class Page:
    """One page that is connected. All methods belong to the server's thread.

    Args:
        socket: its websocket, open.
    """

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
        self._rate = RateLimit()
        self._changed = asyncio.Event()
        self._texts: dict[str, str] = {}  # newest of each kind only
        self._frame: tuple[bytes, int] | None = None  # newest only
        self._unseen = 0
        self._acting: deque[tuple[int, int]] = deque()  # events that no frame shows yet: (count, key id)
        self._acted = 0

    def tell(self, kind: str, text: str) -> None:
        """Send a text; it takes the place of one of its kind that was not sent yet."""
        self._texts[kind] = text
        self._changed.set()

    def offer(self, frame: bytes, num_acted: int) -> None:
        """Send a frame as soon as the page has room; it takes the place of one that was not sent yet.

        Args:
            frame: packed.
            num_acted: how many events, of all pages since the start, act in this frame or did before.
        """
        while self._acting and self._acting[0][0] <= num_acted:
            self._acted = self._acting.popleft()[1]
        self._frame = (frame, self._acted)
        self._changed.set()

    def sent_event(self, count: int, key_id: int) -> None:
        """Note that an event of this page is the session's `count`-th and came with this key id."""
        self._acting.append((count, key_id))

    async def send(self) -> None:
        """Go on sending until the page is gone."""
        while not self._socket.closed:
            await self._changed.wait()
            self._changed.clear()
            while self._texts:
                await self._socket.send_str(self._texts.pop(next(iter(self._texts))))
            if self._frame is not None and self._unseen < MAX_UNSEEN:
                frame, self._frame = self._frame, None
                self._unseen += 1
                await self._socket.send_bytes(address_frame(*frame))

    async def messages(self) -> AsyncIterator[Message]:
        """Yield what the page says until it is gone, or is sent away for what it sends."""
        async for received in self._socket:
            if received.type is not WSMsgType.TEXT:
                await self.close(WSCloseCode.UNSUPPORTED_DATA, "text only")
                return
            message = read_message(received.data)
            if isinstance(message, Seen) and self._unseen:
                self._unseen -= 1  # the answer to a frame is not counted: we asked for it
                self._changed.set()
            elif not self._rate.allows():
                await self.close(WSCloseCode.POLICY_VIOLATION, "too many messages")
                return
            elif message is not None and not isinstance(message, Seen):
                yield message

    async def close(self, code: int, reason: str) -> None:
        """End the connection and tell the page why."""
        await self._socket.close(code=code, message=reason.encode())
