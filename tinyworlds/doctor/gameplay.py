"""Gameplay files: each one is opened, read in samples and judged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from tinyworlds.data.inspect import inspect_file
from tinyworlds.doctor.findings import Finding, failure, ok, warning
from tinyworlds.errors import TinyWorldsError

_H5 = (".h5", ".hdf5")
_VIDEOS = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v")
_BUSY_S = 60.0  # a recorder writes more often than this


def check_data(folder: str) -> Iterator[Finding]:
    """All files under the folder; those in hidden folders (the cache) are left out."""
    root = Path(folder)
    if not root.is_dir():
        yield ok(f"no folder {folder} yet", "record a game: tinyworlds record ALE/Pong-v5")
        return
    paths = [path for path in sorted(root.rglob("*")) if path.is_file() and not _is_hidden(path, root)]
    num_found = 0
    for path in paths:
        finding = _judge(path)
        if finding is not None:
            num_found += 1
            yield finding
    if not num_found:
        yield ok(f"no gameplay files in {folder} yet", "record a game: tinyworlds record ALE/Pong-v5")


def _judge(path: Path) -> Finding | None:
    """Judge one file; None for those that are nobody's business here, such as notes and pictures."""
    kind = path.suffix.lower()
    if kind in _H5:
        return judge_gameplay(path)
    if kind == ".part":
        return judge_part(path)
    if kind in _VIDEOS:
        return ok(
            f"{path}: a video, not yet a gameplay file", f"tinyworlds ingest {_quoted(path)} --game NAME"
        )
    return None


def judge_gameplay(path: Path) -> Finding:
    """Say whether a file can be trained on; frames are read in samples across it."""
    try:
        found = inspect_file(str(path))
    except TinyWorldsError as error:
        return failure(str(error))
    count, height, width, _ = found.shape
    rate = f"{found.fps:g} fps" if found.fps else "no rate stored, taken as 60 fps"
    actions = "true actions" if found.actions is not None else "no actions"
    text = f"{path}: {count:,} frames of {width}x{height}, {rate}, {actions}"
    if found.notes:
        return warning(f"{text}; {'; '.join(found.notes)}", f"see tinyworlds inspect {_quoted(path)}")
    return ok(text)


def judge_part(path: Path) -> Finding:
    """Say what an unfinished file is: being written, or left over."""
    age_s = time.time() - path.stat().st_mtime
    if age_s < _BUSY_S:
        return ok(f"{path}: is being written")
    size_mb = path.stat().st_size / 1e6
    return warning(
        f"{path}: left over by something that was stopped ({size_mb:.1f} MB, {age_s / 3600:.1f} h old)",
        "the command that wrote it may go on with it; if you do not want that, delete it",
    )


def _is_hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _quoted(path: Path) -> str:
    return f'"{path}"' if " " in str(path) else str(path)
