"""The worlds that come with the package: one ``NAME.world`` for each, in this folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from tinyworlds.errors import ConfigError

_FOLDER = Path(__file__).parent


def shipped_worlds() -> dict[str, Path]:
    """Return the worlds that come with the package, by name."""
    return {path.stem: path for path in sorted(_FOLDER.glob("*.world"))}


def is_shipped(path: str | Path) -> bool:
    """Whether a file is one of these: nothing is written there."""
    return Path(path).resolve().parent == _FOLDER.resolve()


def written_beside(path: Path) -> Path:
    """Return the path that reports on a world lie beside: its own, or one in the current folder."""
    return Path(path.name) if is_shipped(path) else path


def own_copy(path: Path) -> Path:
    """Return the file to change: a world of one's own, or a fresh copy in the current folder.

    Raises:
        ConfigError: another file of that name lies here.
    """
    own = written_beside(path)
    if own != path:  # the package stays as it is; from now on the copy here is played
        if own.exists():
            raise ConfigError(
                f"the changed {own} would replace the one that lies here: name that one, or move it"
            )
        shutil.copyfile(path, own)
    return own
