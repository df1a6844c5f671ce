"""What is at an address, and its bytes: fsspec behind errors of one line. Nothing is written here."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import re
import time
from collections.abc import Callable, Iterator
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
"""Keys of a file's version, the surest first; the `ukey` of fsspec is the same for ever on the web."""


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
    def url(self) -> str:
        """The whole address."""
        return str(self.system.unstrip_protocol(self.path))


def list_files(url: str, is_wanted: Callable[[str], bool]) -> list[RemoteFile]:
    """Return the files that an address names, by name; see `fetch_files` for what may be wrong."""
    system, path = _connect(url)
    with _explained(url):
        return [_describe(system, name) for name in sorted(_names(system, path, url, is_wanted))]


def as_it_is_now(file: RemoteFile) -> RemoteFile:
    """Return the file with the size and version of this moment.

    Raises:
        RemoteError: it cannot be asked.
    """
    with _explained(file.url):
        file.system.invalidate_cache()
        return _describe(file.system, file.path)


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
            failure = _failure(file.url, error)
            if not waits or isinstance(failure, MissingFileError):
                raise failure from error
            time.sleep(waits.pop(0))


def shown(url: str) -> str:
    """Return an address without what may be secret: a password before the host, a signature after ``?``."""
    return re.sub(r"\?[^\s'\"]+", "?...", re.sub(r"//[^/@\s]+@", "//", url))


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
        raise ConfigError(
            f"{shown(url)}: there are no {scheme}:// addresses.{did_you_mean(scheme, available_protocols())} "
            "http, https, s3, gs and file are some of those that are known"
        ) from error


def _names(system: Any, path: str, url: str, is_wanted: Callable[[str], bool]) -> list[str]:
    """The paths that an address names."""
    on_web = url.startswith(_WEB)
    if "*" in path or (glob.has_magic(path) and not on_web):  # a "?" begins a query there
        matches = system.glob(path, detail=True)
        top = len(re.split(r"[*?\[]", path)[0].rpartition("/")[0])  # no hidden ones, as for local patterns
        names = [name for name in matches if matches[name]["type"] == "file" and "/." not in name[top:]]
        if not names:
            raise MissingFileError(f"no gameplay file matches {shown(url)}; check the address")
    # asking a web server whether it is a folder means loading the page, which may be a file of gigabytes
    elif url.endswith("/") or system.info(path)["type"] == "directory":
        top = len(path.rstrip("/")) + 1
        names = [name for name in system.find(path) if is_wanted(name[top:])]
        if not names:
            raise MissingFileError(f"{shown(url)} holds no gameplay files (*.h5); check the address")
    else:
        names = [path]
    return names


def _describe(system: Any, path: str) -> RemoteFile:
    info = system.info(path)
    size = info.get("size")
    if size is None:
        raise DataError(
            f"the server does not tell the size of {shown(path)}, so half of it would pass for all; "
            "fetch it by other means and name the local file"
        )
    version = next((f"{key} {info[key]}" for key in _VERSIONS if info.get(key)), "")
    name = path.split("?")[0].rpartition("/")[2]
    return RemoteFile(system, path, name, int(size), digest(f"{version} {size}"))


def _attempt(file: RemoteFile, start: int) -> Iterator[bytes]:
    try:
        with file.system.open(file.path, "rb", block_size=BLOCK_BYTES, cache_type="none") as source:
            source.seek(start)
            while block := source.read(min(BLOCK_BYTES, file.size - start)):
                start += len(block)
                yield block
    except ValueError:  # a web server that knows no ranges sends all, from the beginning
        with file.system.open(file.path, "rb", block_size=0) as source:
            position = 0
            while start < file.size and (block := source.read(BLOCK_BYTES)):
                rest = block[max(start - position, 0) :]
                position += len(block)
                start += len(rest)
                yield rest


@contextlib.contextmanager
def _explained(url: str) -> Iterator[None]:
    """Turn whatever the libraries of file systems raise into one line; errors of ours pass."""
    try:
        yield
    except TinyWorldsError:
        raise
    except Exception as error:
        raise _failure(url, error) from error


def _failure(url: str, error: BaseException) -> TinyWorldsError:
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
