"""What lies in a source: names, sizes, checksums; and what every source can do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import BinaryIO, Protocol

from tinyworlds.errors import MissingFileError, did_you_mean

_SHOWN_NAMES = 12


@dataclass(frozen=True)
class PublishedFile:
    """One file elsewhere.

    Attributes:
        name: its path there, with forward slashes; not to be trusted.
        size: bytes.
        checksum: as `tinyworlds.sources.hub.checksum` writes them, or None where none was published.
    """

    name: str
    size: int
    checksum: str | None


@dataclass(frozen=True)
class Listing:
    """All files of a source at one moment.

    Attributes:
        origin: the repository or folder, for people.
        revision: the commit, or an empty string for a folder.
        files: the files.
    """

    origin: str
    revision: str
    files: tuple[PublishedFile, ...]


class Source(Protocol):
    """Where files come from: the hub or a folder.

    What goes wrong is a MissingFileError (not there, or may not be read), a DataError (not to be trusted) or
    a HubError (not reached, though it may be there).
    """

    def listing(self) -> Listing:
        """Return what there is."""
        ...

    def with_checksum(self, file: PublishedFile) -> PublishedFile:
        """Return `file` with its checksum, computed if none was published."""
        ...

    def append_rest(self, file: PublishedFile, part: BinaryIO) -> None:
        """Write what is missing of `file` to the end of `part`."""
        ...


def select(
    listing: Listing, suffixes: Sequence[str], patterns: Sequence[str] | None, suite: str | None
) -> list[PublishedFile]:
    """Return the files with one of the endings that were asked for, by name.

    Args:
        listing: what there is.
        suffixes: endings, such as ".h5".
        patterns: shell patterns, matched against the whole name and its last part; None takes all.
        suite: only files in this top folder; None takes all.

    Raises:
        MissingFileError: there is none; the message names those there are.
    """
    fitting = [file for file in listing.files if file.name.lower().endswith(tuple(suffixes))]
    if not fitting:
        raise MissingFileError(
            f"{listing.origin} holds no {' or '.join(suffixes)} file; name another with --repo OWNER/NAME"
        )
    in_suite = [file for file in fitting if suite in (None, file.name.partition("/")[0])]
    if not in_suite:
        suites = {file.name.partition("/")[0] for file in fitting if "/" in file.name}
        raise _nothing(listing, "suite", [suite or ""], suites)
    chosen = [file for file in in_suite if patterns is None or _matches(file.name, patterns)]
    if not chosen:
        raise _nothing(listing, "file", patterns or [], {file.name for file in in_suite})
    return sorted(chosen, key=lambda file: file.name)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    last = name.rpartition("/")[2]
    return any(fnmatchcase(name, pattern) or fnmatchcase(last, pattern) for pattern in patterns)


def _nothing(listing: Listing, what: str, asked: Sequence[str], there: Iterable[str]) -> MissingFileError:
    names = sorted(ascii(name)[1:-1] for name in there)  # not ours: nothing that moves the cursor
    shown = ", ".join(names[:_SHOWN_NAMES]) or "none"
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    hint = did_you_mean(asked[0], names) if asked else ""
    return MissingFileError(
        f"no {what} in {listing.origin} matches '{' '.join(asked)}'.{hint} There are: {shown}{more}"
    )
