"""Logs that Scope shows (https://github.com/danijar/scope): the published agent's viewer, for every stage.

The package `scope` writes them, so what it reads is what it wrote.
"""

from __future__ import annotations

import importlib.util
import re
import struct
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only
from PIL import Image

from tinyworlds.errors import MissingExtraError

FRAMES = "env_frames"
"""What counts steps instead of updates where it is logged: frames of the game, as published."""

_RECORD = struct.Struct(">qd")  # a step and a value, in Scope's files of numbers


class ScopeLogger(Logger):
    """Writes ``scope/`` into a run's version folder.

    A resumed run goes on in the same folder: numbers of the steps that come again are dropped first.

    Args:
        folder: the version folder.

    Raises:
        MissingExtraError: Scope is not installed.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        if importlib.util.find_spec("scope") is None:
            raise MissingExtraError('--scope needs Scope: pip install "tinyworlds[scope]"')
        self._folder = folder
        self._writer: Any = None
        self._begun = False

    @property
    def name(self) -> str:
        """Of the folder it writes."""
        return "scope"

    @property
    def version(self) -> str:
        """Of the run."""
        return self._folder.name

    @property
    def experiment(self) -> Any:
        """Scope's writer."""
        if self._writer is None:
            import scope

            self._writer = scope.Writer(str(self._folder), workers=0)
        return self._writer

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the run's ``config.yaml`` holds them."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Write numbers."""
        at = int(metrics.get(FRAMES, step or 0))
        if not self._begun:
            drop_from(self._folder / "scope", at)
            self._begun = True
        figures = {key: float(value) for key, value in metrics.items() if key not in ("epoch", FRAMES)}
        self._write(at, figures)

    @rank_zero_only
    def log_image(self, key: str, images: Sequence[str], step: int | None = None) -> None:
        """Write the first of some pictures on disk."""
        pixels = np.asarray(Image.open(images[0]).convert("RGB"))
        self._write(int(step or 0), {key: pixels})

    def _write(self, step: int, values: Mapping[str, Any]) -> None:
        self.experiment.add(step, {scope_key(key): value for key, value in values.items()})
        self.experiment.flush()


def scope_key(key: str) -> str:
    """A name that Scope takes: small letters, digits, underscores, slashes."""
    return re.sub(r"[^a-z0-9_/]", "_", key.lower()).lstrip("_/") or "value"


def drop_from(folder: Path, step: int) -> None:
    """Drop the numbers of a step and of later ones from Scope's files."""
    for path in sorted(folder.glob("*.float")) if folder.is_dir() else []:
        data = path.read_bytes()
        whole = data[: len(data) // _RECORD.size * _RECORD.size]
        kept = b"".join(_RECORD.pack(at, value) for at, value in _RECORD.iter_unpack(whole) if at < step)
        if len(kept) != len(data):
            path.write_bytes(kept)
