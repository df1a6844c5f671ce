"""Who may speak to the server: the address a page came by, the site it belongs to, the token, the rate.

Any web page can make a browser call this machine. Two things tell such a call apart: its `Origin` is not the
address that it calls, and where a foreign name was made to point here (DNS rebinding), its `Host` is that
name. Where other machines can call, too, a random token in the path is asked for as well. A proxy puts its
own name into either of the two; names that the player allows are taken for ours, always with a token.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from tinyworlds.errors import ConfigError

RATE_PER_S = 200  # messages from one page; a fast typist sends 30


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host name or address."""
    return host.lower() == "localhost" or bool((address := _address(host)) and address.is_loopback)


class Guard:
    """Decides which requests are answered.

    Args:
        host: the name or address that the server listens on.
        token: what the first part of every path has to be; None asks for none, and a random one is made where
            other machines can reach the server.
        allowed_hosts: further names by which pages reach it, such as a proxy's; ".example.com" stands for all
            names that end so.

    Raises:
        ConfigError: the token does not fit into an address, or a name is none.
    """

    def __init__(self, host: str, token: str | None = None, allowed_hosts: Sequence[str] = ()) -> None:
        if token is not None and not re.fullmatch(r"[A-Za-z0-9_-]{8,128}", token):
            raise ConfigError("the token of the page must be 8 to 128 letters, digits, '-' or '_'")
        self._allowed = [_check_allowed(name) for name in allowed_hosts]
        self.local = is_loopback(host) and not allowed_hosts
        self.token = token or (None if self.local else secrets.token_urlsafe(24))
        name = socket.gethostname().lower()
        self._names = {"localhost"} if self.local else {"localhost", host.lower(), name, f"{name}.local"}

    def knows_host(self, header: str | None) -> bool:
        """Whether a `Host` header names this machine, whatever the port (it may be forwarded)."""
        name = _host_name(header)
        if name is None:
            return False
        address = _address(name)
        if address is None:
            return name in self._names or self._allows(name)
        return address.is_loopback or not self.local  # an address needs no DNS, so none was bent

    def same_origin(self, origin: str | None, host: str | None) -> bool:
        """Whether a websocket is opened by our own page.

        `Origin` and `Host` name the same host and port then; or `Origin` is an allowed name, since some
        proxies put our name into `Host`.
        """
        if not origin or not host:
            return False
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        if parts.scheme not in ("http", "https"):
            return False
        return parts.netloc.lower() == host.lower() or self._allows(_host_name(parts.netloc) or "")

    def name_asked_for(self, path: str) -> str | None:
        """Return the part of a path after the token, such as "main.js"; None where the token is wrong."""
        path = path.removeprefix("/")
        if self.token is None:
            return path
        token, slash, name = path.partition("/")
        right = secrets.compare_digest(token.encode(errors="replace"), self.token.encode())
        return name if right and slash else None

    def _allows(self, name: str) -> bool:
        return any(name == each or (each[0] == "." and name.endswith(each)) for each in self._allowed)


class RateLimit:
    """Allows so many messages a second.

    Args:
        per_s: messages a second.
        at_once: how many may come together; by default as many as in a second.
        clock: seconds.
    """

    def __init__(
        self,
        per_s: float = RATE_PER_S,
        at_once: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_s, self._most, self._clock = per_s, float(at_once or per_s), clock
        self._left, self._last = self._most, clock()

    def allows(self) -> bool:
        """Count one message; return whether it is within the rate."""
        now = self._clock()
        self._left = min(self._left + (now - self._last) * self._per_s, self._most)
        self._last = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def _check_allowed(name: str) -> str:
    """Return a name to allow in small letters; a port or a scheme in it would never match."""
    if not re.fullmatch(r"\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*", name.lower()):
        raise ConfigError(
            f"'{name}' is no host name to allow: give a name alone, such as abc-8765.proxy.example, or"
            " .proxy.example for all names that end so"
        )
    return name.lower()


def _host_name(header: str | None) -> str | None:
    """Return the name in "name:port" or "[address]:port", None where it is neither."""
    try:
        parts = urlsplit(f"//{header}") if header else None
        if parts is None or parts.netloc != header or "@" in header or parts.port == 0:
            return None
        return parts.hostname
    except ValueError:
        return None


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
