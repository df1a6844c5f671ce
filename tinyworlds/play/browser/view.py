"""A view in the browser: frames to all open pages, the keys of all open pages to the session.

The server runs in a thread of its own; the session's thread only hands frames over and takes events away.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tinyworlds.errors import ConfigError
from tinyworlds.keys import USUAL_COMMANDS, Command, KeyBinding, KeyEvent, KeyHint
from tinyworlds.play.browser.guard import Guard, RateLimit
from tinyworlds.play.browser.messages import (
    Again,
    KeyMessage,
    Message,
    State,
    pack_frame,
    recordings_text,
    state_text,
    world_text,
)
from tinyworlds.play.browser.server import PageServer
from tinyworlds.play.browser.shared_keys import SharedKeys
from tinyworlds.play.browser.shelf import Shelf

if TYPE_CHECKING:
    from tinyworlds.play.browser.page_socket import Page
    from tinyworlds.play.side_by_side import SideBySide
    from tinyworlds.play.view import Event, PlayFrame

PORT = 8765
MAX_WAITING = 1000  # key presses that the session has not asked for yet; further ones are lost
MAX_NEW_KEYS = 100  # that all pages together may bind; every frame looks through all keys
BINDINGS_PER_S, BINDINGS_AT_ONCE = 2.0, 20
COMMANDS_PER_S, COMMANDS_AT_ONCE = 10.0, 20  # people are slower; a repeated key counts once
RECORDINGS_PER_S, RECORDINGS_AT_ONCE = 0.2, 6  # started or stopped; each is four files
LEFT_S = 10.0  # after a session has ended, how long no page may be open before all is over


class BrowserView:
    """Serves a page that shows frames and reports keys (a `View` of the session).

    What the player of a page asks of that page alone, such as its help, stays in the page. A session may be
    followed by another: `wants_another` after the end of one, `begin` before the next.

    Events that the first `poll` after a `show` returns act in the frame that is shown next; those of later
    polls come while that frame is computed and act in the one after. Pages are told so, and measure the time
    from key to frame.

    Args:
        title: of the page.
        hints: the game's keys.
        action_names: names of all actions, by id.
        num_actions: how many actions there are.
        fps: frames per second that the session plays at.
        notes: what else a player should know.
        host: name or address to listen on; anything but this machine's own needs a token in the address.
        port: where to listen, 0 for any free port; default: 8765, or a free one where that is taken.
        token: the secret part of the address, letters, digits, "_" and "-"; default: a random one where other
            machines can reach the page, none otherwise.
        allowed_hosts: names by which a proxy lets browsers reach the page, see `Guard`; with any there is
            always a token.
        commands: the session's.
        recorded: returns the files that the session has recorded so far; pages may ask for them.
        pair: the two worlds that are played as one, if so; pages show their pictures apart, with captions.

    Attributes:
        url: the whole address of the page.

    Raises:
        ConfigError: it is not possible to listen there, the token does not fit into an address, or an allowed
            host is no name.
    """

    def __init__(
        self,
        title: str,
        hints: Sequence[KeyHint],
        action_names: Sequence[str],
        num_actions: int,
        fps: float,
        notes: Sequence[str] = (),
        host: str = "127.0.0.1",
        port: int | None = None,
        token: str | None = None,
        allowed_hosts: Sequence[str] = (),
        commands: Sequence[Command] = USUAL_COMMANDS,
        recorded: Callable[[], Sequence[Path]] = tuple,
        pair: SideBySide | None = None,
    ) -> None:
        self._title, self._fps, self._notes = title, fps, notes
        self._actions = [str(name) for name in action_names[:num_actions]]
        self._keys = {key: hint.action for hint in hints for key in hint.keys}
        self._commands = commands
        self._command_of = {command.key: command.name for command in commands}
        self._recorded, self._pair = recorded, pair
        self._shelf = Shelf()
        self._state: State = "playing"
        self._again = threading.Event()
        self._shared = SharedKeys()
        self._events: deque[Event] = deque()
        self._num_received = self._num_polled = self._num_acted = self._num_shown = 0
        self._acts_next = False  # the next poll is the first one after a frame
        self._binding_rate = RateLimit(BINDINGS_PER_S, BINDINGS_AT_ONCE)
        self._command_rate = RateLimit(COMMANDS_PER_S, COMMANDS_AT_ONCE)
        self._recording_rate = RateLimit(RECORDINGS_PER_S, RECORDINGS_AT_ONCE)
        self._most_keys = len(self._keys) + MAX_NEW_KEYS
        guard = Guard(host, token, allowed_hosts)
        listener = _listen(host, port)
        self.url = _url(host, listener.getsockname()[1], guard.token)
        self._server = PageServer(guard, self._shelf, self._greet, self._receive, self._leave)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="page server", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._server.start(listener), self._loop).result()

    @property
    def num_pages(self) -> int:
        """How many pages are open."""
        return len(self._server.pages)

    def poll(self) -> list[Event]:
        """Return the events of all pages since the last call."""
        events = [self._events.popleft() for _ in range(len(self._events))]
        self._num_polled += len(events)
        if self._acts_next:
            self._num_acted, self._acts_next = self._num_polled, False
        return events

    def show(self, frame: PlayFrame) -> None:
        """Send a frame to all open pages; a page that is not done with earlier ones passes it over."""
        self._num_shown += 1
        self._collect()
        if self._server.pages:
            packed = pack_frame(
                frame if self._pair is None else self._pair.frame_apart(frame), self._num_shown
            )
            self._loop.call_soon_threadsafe(self._offer, packed, self._num_acted)
        self._acts_next = True

    def wait(self, seconds: float) -> None:
        """Let time pass; keys are collected meanwhile."""
        if seconds > 0:
            time.sleep(seconds)

    def wants_another(self) -> bool:
        """Tell the pages that the session has ended, and wait for what their players want.

        Returns:
            True once somebody wants to play again; False once no page has been open for some seconds, or at
            Ctrl-C.
        """
        self._collect()
        self._again.clear()
        self._turn("ended")
        seen = time.monotonic()
        try:
            while time.monotonic() - seen < LEFT_S and self._thread.is_alive():
                if self._again.wait(0.1):
                    return True
                if self._server.pages:
                    seen = time.monotonic()
        except KeyboardInterrupt:
            pass
        return False

    def begin(self, recorded: Callable[[], Sequence[Path]]) -> None:
        """Go on with another session, of the same world; `recorded` is as in the constructor."""
        self._recorded = recorded
        self.poll()  # what came after the end of the one before
        self._loop.call_soon_threadsafe(self._forget_keys)
        self._turn("playing")

    def close(self) -> None:
        """Tell the pages that the game is over, and stop the server."""
        if not self._thread.is_alive():
            return
        for last_words in (self._server.stop(), self._loop.shutdown_asyncgens()):
            asyncio.run_coroutine_threadsafe(last_words, self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _collect(self) -> None:
        """Put on the shelf what was recorded meanwhile."""
        if self._shelf.put(self._recorded()):
            self._tell("recordings", lambda: recordings_text(self._shelf.files))

    def _turn(self, state: State) -> None:
        self._state = state
        self._tell("state", lambda: state_text(self._state))

    def _tell(self, kind: str, text: Callable[[], str]) -> None:
        self._loop.call_soon_threadsafe(self._tell_all, kind, text)

    # In the server's thread.

    def _tell_all(self, kind: str, text: Callable[[], str]) -> None:
        for page in self._server.pages:
            page.tell(kind, text())

    def _greet(self) -> dict[str, str]:
        return {
            "world": self._world_text(),
            "recordings": recordings_text(self._shelf.files),
            "state": state_text(self._state),
        }

    def _forget_keys(self) -> None:
        self._shared = SharedKeys()

    def _offer(self, packed: bytes, num_acted: int) -> None:
        for page in self._server.pages:
            page.offer(packed, num_acted)

    def _receive(self, page: Page, message: Message) -> None:
        if isinstance(message, Again):
            if self._state == "ended":
                self._again.set()
        elif isinstance(message, KeyBinding):
            self._bind(message)
        elif isinstance(message, KeyMessage) and self._has_room_for(message.event):
            event = self._shared.take(page, message.event)
            if event is not None:
                self._add(event)
                page.sent_event(self._num_received, message.id)
                if event.down and self._command_of.get(event.key) == "quit":
                    self._turn("saving")

    def _leave(self, page: Page) -> None:
        for event in self._shared.leave(page):
            self._add(event)

    def _bind(self, binding: KeyBinding) -> None:
        is_new = binding.key not in self._keys
        commands = bool(self._command_of.keys() & binding.key.split("+"))
        if commands or binding.action >= len(self._actions):
            return
        if self._is_full() or not self._binding_rate.allows():
            return
        if is_new and len(self._keys) >= self._most_keys:
            return
        self._keys[binding.key] = binding.action
        self._add(binding)
        self._tell_all("world", self._world_text)

    def _has_room_for(self, event: KeyEvent) -> bool:
        """Whether an event may go to the session: releases always, presses while they do not pile up.

        Help is each page's own, and what has ended takes no presses.
        """
        if not event.down:
            return True
        command = self._command_of.get(event.key)
        if self._is_full() or self._state != "playing" or command == "help":
            return False
        if command is None or event.repeat:
            return True
        return self._command_rate.allows() and (command != "record" or self._recording_rate.allows())

    def _add(self, event: KeyEvent | KeyBinding) -> None:
        self._num_received += 1
        self._events.append(event)

    def _is_full(self) -> bool:
        return len(self._events) >= MAX_WAITING

    def _world_text(self) -> str:
        return world_text(self._title, self._fps, self._actions, self._keys, self._notes, self._commands)


def _listen(host: str, port: int | None) -> socket.socket:
    """Return a socket that is bound to the port; where none is asked for, to the usual or a free one.

    A port that was asked for may be forwarded, so another one would not do.
    """
    if port is not None and not 0 <= port <= 65535:
        raise ConfigError(f"there is no port {port}: give --port a number from 1 to 65535")
    for wanted in (PORT, 0) if port is None else (port,):
        try:
            family = socket.getaddrinfo(host, wanted, type=socket.SOCK_STREAM)[0][0]
            return socket.create_server((host, wanted), family=family)
        except OSError as error:
            reason = error
    why = {errno.EADDRINUSE: "taken by another program", errno.EACCES: "not for this user to take"}
    if port and reason.errno in why:
        raise ConfigError(
            f"port {port} of {host} is {why[reason.errno]}: give another --port, or none for a free one"
        )
    raise ConfigError(
        f"the page cannot be served on {host}: {reason}; give --host an address of this machine"
    ) from None


def _url(host: str, port: int, token: str | None) -> str:
    """Return the address to open; where the server listens everywhere, one that others reach it by."""
    name = {"0.0.0.0": _own_address, "": _own_address, "::": socket.gethostname}.get(host, lambda: host)()
    name = f"[{name}]" if ":" in name else name
    return f"http://{name}:{port}/" + (f"{token}/" if token else "")


def _own_address() -> str:
    """Return this machine's address in its network: a phone there rarely knows its name."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))  # an address kept for documents; nothing is sent
            return str(probe.getsockname()[0])
        except OSError:  # no network
            return socket.gethostname()
