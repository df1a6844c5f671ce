"""What is at an address, and its bytes: fsspec behind errors of one line. Nothing is written here."""

from __future__ import annotations

import glob
import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tinyworlds.errors import (
    ConfigError,
    DataError,
    MissingExtraError,
    MissingFileError,
    TinyWorldsError,
    did_you_mean,
)

BLOCK_BYTES = 16 * 2**20  # of one request, and in memory
_WAITS_S = (1.0, 2.0, 4.0)  # between attempts that bring nothing
_CONNECT_S, _ANSWER_S = 10.0, 30.0  # what a web server may take to connect, and for each piece of an answer
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
_WEB = ("http", "https")
_VERSIONS = (
    "ETag", "etag", "md5Hash", "Content-MD5", "generation",
    "LastModified", "Last-Modified", "last_modified", "updated", "mtime", "created",
)  # fmt: skip
"""Keys under which file systems name a file's version, the surest first."""


class RemoteError(TinyWorldsError, ConnectionError):
    """An address cannot be reached or may not be read."""


@dataclass(frozen=True)
class RemoteFile:
    """One file at an address.

    Attributes:
        system: the fsspec file system.
        path: of the file in it.
        name: its last part.
        size: in bytes.
        version: 12 hex digits that change with the file's ETag, time or size.
    """

    system: Any
    path: str
    name: str
    size: int
    version: str

    @property
    def key(self) -> str:
        """12 hex digits of the address."""
        return digest(self.system.unstrip_protocol(self.path))


def list_files(url: str, is_wanted: Callable[[str], bool]) -> list[RemoteFile]:
    """Return the files that an address names, by name.

    Args:
        url: a file, a pattern, or a folder.
        is_wanted: tells a folder's files that are meant by their paths inside it.

    Raises:
        ConfigError: no file system has such addresses.
        MissingExtraError: its package is not installed.
        MissingFileError: there is no such file.
        DataError: its size is not told.
        RemoteError: the address cannot be reached or may not be read.
    """
    system, path = _connect(url)
    try:
        found = _look(system, path, url, is_wanted)
        return [_described(system, name, info) for name, info in sorted(found.items())]
    except TinyWorldsError:
        raise
    except Exception as error:  # file systems raise whatever their libraries raise
        raise explained(url, error) from error


def read(file: RemoteFile, start: int) -> Iterator[bytes]:
    """Yield the content from byte `start` on; a connection that breaks is taken up again.

    Raises:
        RemoteError: several attempts in a row brought nothing.
        MissingFileError: the file is not there any more.
    """
    waits = list(_WAITS_S)
    while start < file.size:
        try:
            for block in _attempt(file, start):
                start += len(block)
                waits = list(_WAITS_S)
                yield block
            if start < file.size:
                raise ConnectionError("the answer ended too early")
        except Exception as error:
            failure = explained(file.system.unstrip_protocol(file.path), error)
            if not waits or isinstance(failure, MissingFileError):
                raise failure from error
            time.sleep(waits.pop(0))


def as_it_is_now(file: RemoteFile) -> RemoteFile:
    """Return the file with the size and version of this moment; listings may name the version otherwise.

    Raises:
        RemoteError: it cannot be asked.
    """
    try:
        file.system.invalidate_cache()
        return _described(file.system, file.path, {})
    except TinyWorldsError:
        raise
    except Exception as error:
        raise explained(file.system.unstrip_protocol(file.path), error) from error


def shown(url: str) -> str:
    """Return an address without what may be secret: a password before the host, a signature after ``?``."""
    return re.sub(r"\?[^\s'\"]+", "?...", re.sub(r"//[^/@\s]+@", "//", url))


def explained(url: str, error: Exception) -> TinyWorldsError:
    """Return the one-line error for what went wrong at an address."""
    where, cause = shown(url), error.__cause__
    if isinstance(error, FileNotFoundError) and cause is not None and getattr(cause, "status", 0) != 404:
        error = cause  # asked for facts, fsspec's web file system calls every failure a missing file
    if isinstance(error, FileNotFoundError):
        return MissingFileError(f"{where} does not exist; check the address")
    words = "".join(sign for sign in " ".join(shown(str(error)).split()) if sign.isprintable())[:200]
    reason = words or type(error).__name__
    if isinstance(error, PermissionError) or getattr(error, "status", None) in (401, 403):
        return RemoteError(f"{where} may not be read ({reason}); log in to its store, or check the address")
    return RemoteError(
        f"{where} could not be read ({reason}): check the network, the login and the address, then run the "
        "same command again, it goes on where it was"
    )


def digest(text: str) -> str:
    """12 hex digits of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _connect(url: str) -> tuple[Any, str]:
    """The file system of an address and the path in it; no network yet."""
    from fsspec import available_protocols
    from fsspec.core import url_to_fs

    scheme = url.partition("://")[0]
    options: dict[str, Any] = {}
    if scheme in _WEB:
        import aiohttp

        limit = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_ANSWER_S)
        options["client_kwargs"] = {"timeout": limit, "trust_env": True}
    try:
        return url_to_fs(url, **options)
    except ImportError as error:
        extra = _EXTRAS.get(scheme)
        remedy = f'pip install "tinyworlds[{extra}]"' if extra else str(error)
        raise MissingExtraError(f"{scheme}:// addresses need another package: {remedy}") from error
    except ValueError as error:
        known = available_protocols()
        raise ConfigError(
            f"{shown(url)}: there are no {scheme}:// addresses.{did_you_mean(scheme, known)} "
            "http, https, s3, gs and file are some of those that are known"
        ) from error


def _look(
    system: Any, path: str, url: str, is_wanted: Callable[[str], bool]
) -> Mapping[str, Mapping[str, Any]]:
    """What is there, path to facts; as few facts as the listing gave."""
    on_web = url.startswith(_WEB)
    if "*" in path or (glob.has_magic(path) and not on_web):  # a "?" begins a query there
        matches = system.glob(path, detail=True)
        top = len(re.split(r"[*?\[]", path)[0].rpartition("/")[0])
        found = {
            name: info
            for name, info in matches.items()
            if info.get("type") != "directory" and "/." not in name[top:]  # hidden, as for local patterns
        }
        if not found:
            raise MissingFileError(f"no gameplay file matches {shown(url)}; check the address")
        return found
    # asking a web server for a folder means loading the page, which may be a file of gigabytes
    info = {"type": "directory"} if url.endswith("/") else system.info(path)
    if info.get("type") != "directory":
        return {path: info}
    inside = system.find(path, detail=True)
    top = len(path.rstrip("/")) + 1
    found = {name: facts for name, facts in inside.items() if is_wanted(name[top:])}
    if not found:
        raise MissingFileError(f"{shown(url)} holds no gameplay files (*.h5); check the address")
    return found


def _described(system: Any, path: str, info: Mapping[str, Any]) -> RemoteFile:
    if info.get("size") is None or not any(info.get(key) for key in _VERSIONS):
        info = system.info(path)
    size = info.get("size")
    if size is None:
        raise DataError(
            f"the server does not tell the size of {shown(path)}, so half of it would pass for all; "
            "fetch it by other means and name the local file"
        )
    named = next((f"{key} {info[key]}" for key in _VERSIONS if info.get(key)), "")
    name = path.split("?")[0].rpartition("/")[2]
    return RemoteFile(system, path, name, int(size), digest(f"{named} {size}"))


def _attempt(file: RemoteFile, start: int) -> Iterator[bytes]:
    try:
        with file.system.open(file.path, "rb", block_size=BLOCK_BYTES, cache_type="none") as source:
            source.seek(start)
            while block := source.read(min(BLOCK_BYTES, file.size - start)):
                start += len(block)
                yield block
    except ValueError:  # a web server that knows no ranges sends all, from the beginning
        with file.system.open(file.path, "rb", block_size=0) as source:
            done = 0
            while start < file.size and (block := source.read(BLOCK_BYTES)):
                wanted = block[max(start - done, 0) :]
                done += len(block)
                start += len(wanted)
                if wanted:
                    yield wanted
