"""World files: each one is loaded as play does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tinyworlds.doctor.findings import Finding, failure, ok, warning
from tinyworlds.errors import TinyWorldsError

_DEPTH = ("*.world", "*/*.world")


def check_worlds(folder: str) -> Iterator[Finding]:
    """The world files in `folder` and the folders in it, hidden folders left out."""
    root = Path(folder)
    paths = sorted({path for pattern in _DEPTH for path in root.glob(pattern) if _is_visible(path, root)})
    if not paths:
        yield ok("no .world files here yet", "make one of a run: tinyworlds export RUN OUT.world")
    for path in paths:
        yield judge_world(path)


def judge_world(path: Path) -> Finding:
    """Say whether a file can be played."""
    from tinyworlds.world.file import load_world

    try:
        world = load_world(path)
    except TinyWorldsError as error:
        return failure(str(error))
    text = f"{path}: {world.num_actions} actions at {world.fps:g} fps, {path.stat().st_size / 2**20:.1f} MB"
    if not world.start_clips:
        return warning(f"{text}, without clips to start from", "export it again with --data FILE")
    return ok(text, f"tinyworlds play {path}")


def _is_visible(path: Path, root: Path) -> bool:
    return path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts)
