"""What can be fetched: from which repository, and where it goes."""

from __future__ import annotations

from dataclasses import dataclass


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
KINDS = {kind.word: kind for kind in (DATASETS, MODELS, WORLDS)}
