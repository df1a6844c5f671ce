"""What the hub said last time, kept beside the files, so that they can be checked without a network."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from tinyworlds.errors import MissingFileError
from tinyworlds.sources.hub.checksum import is_checksum
from tinyworlds.sources.hub.listing import Listing, PublishedFile
from tinyworlds.system.files import write_text


def remember(folder: Path, listing: Listing) -> None:
    """Keep a listing in `folder`."""
    listings = {**_read(folder), listing.origin: dataclasses.asdict(listing)}
    write_text(_path(folder), json.dumps(listings, indent=1))


def recall(folder: Path, repo: str) -> Listing:
    """Return what was remembered of a repository in `folder`.

    Raises:
        MissingFileError: nothing was.
    """
    try:
        entry = _read(folder)[repo]
        files = [PublishedFile(**file) for file in entry["files"]]
        return Listing(repo, str(entry["revision"]), tuple(filter(_is_sound, files)))
    except (KeyError, TypeError):
        raise MissingFileError(
            f"nothing is known of {repo} in {folder} yet: run this once without --offline, "
            "or give a copy of the repository with --source FOLDER"
        ) from None


def _is_sound(file: PublishedFile) -> bool:
    return isinstance(file.name, str) and isinstance(file.size, int) and is_checksum(str(file.checksum))


def _path(folder: Path) -> Path:
    return folder / ".cache" / "hub.json"


def _read(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads(_path(folder).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not there, or damaged: the hub says it again
        return {}
    return content if isinstance(content, dict) else {}
