"""The worlds that come with the package: one ``NAME.world`` for each, in this folder."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent


def shipped_worlds() -> dict[str, Path]:
    """Return the worlds that come with the package, by name."""
    return {path.stem: path for path in sorted(_FOLDER.glob("*.world"))}


def is_shipped(path: str | Path) -> bool:
    """Whether a file is one of these: nothing is written there."""
    return Path(path).resolve().parent == _FOLDER.resolve()
