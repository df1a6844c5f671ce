"""What can be fetched: from which repository, where it goes, and what to type next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Kind:
    """One of the words after ``tinyworlds download``.

    Attributes:
        word: that word.
        repo: the repository used when none is named.
        repo_type: what the hub calls it, "dataset" or "model".
        suffixes: endings of its files, lower case.
        folder: where they go when no folder is named.
        flat: whether every file goes straight into that folder, where games look, and not into folders in it.
    """

    word: str
    repo: str
    repo_type: str
    suffixes: tuple[str, ...]
    folder: str
    flat: bool

    def name_here(self, name: str) -> str:
        """Return the name below the folder for the file called `name` in the repository."""
        return name.rpartition("/")[2] if self.flat else name


DATASETS = Kind("datasets", "AlmondGod/tinyworlds", "dataset", (".h5", ".hdf5"), "data", flat=True)
MODELS = Kind(
    "models",
    "AlmondGod/tinyworlds-models",
    "model",
    (".pth", ".pt", ".ckpt", ".safetensors"),
    "models",
    flat=False,
)
WORLDS = Kind("worlds", "AlmondGod/tinyworlds-models", "model", (".world",), "worlds", flat=True)


def next_commands(kind: Kind, targets: Sequence[Path], folder: Path) -> list[str]:
    """Return what to type once the files are here."""
    if kind is DATASETS:
        return [_train(path) for path in targets]
    if kind is WORLDS:
        return [f"tinyworlds play {path.as_posix()}" for path in targets]
    tops = {path.relative_to(folder).parts[0] for path in targets if path.parent != folder}
    suites = sorted(tops) or [""]
    return [command for suite in suites for command in _play(suite, folder)]


def _train(path: Path) -> str:
    game = path.stem.removesuffix("_frames")
    known = _data_files().get(game)
    return f"tinyworlds train {game}" + ("" if known == path else f" --data.files {path.as_posix()}")


def _play(suite: str, folder: Path) -> list[str]:
    weights, data = (folder / suite).as_posix(), _data_files().get(suite)
    if data is None:
        return [f"tinyworlds play {weights}"]
    fetch = [] if data.exists() else [f"tinyworlds download datasets --pattern {data.name}"]
    world = f"{WORLDS.folder}/{suite}.world"  # weights alone have no frames to start from
    return [
        *fetch,
        f"tinyworlds export {weights} {world} --data {data.as_posix()}",
        f"tinyworlds play {world}",
    ]


def _data_files() -> dict[str, Path]:
    """Where each title known here expects its gameplay."""
    from games.registry import get, titles
    from tinyworlds.errors import ConfigError

    found = {}
    for name in titles():
        try:
            found[name] = Path(get(name).data_file)
        except ConfigError:  # a broken package costs its own title only
            continue
    return found
