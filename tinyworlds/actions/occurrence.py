"""How often each latent action occurs in gameplay, and beside which true actions."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tinyworlds.actions.naming import infer_actions
from tinyworlds.checkpoints.search import data_settings_of
from tinyworlds.data.gameplay import Gameplay, check_followed, training_samples
from tinyworlds.errors import ConfigError, DataError, MissingFileError
from tinyworlds.metrics.usage import MIN_SHARE, contingency
from tinyworlds.models.registry import INFERRED

if TYPE_CHECKING:
    from tinyworlds.world.core import WorldCore

log = logging.getLogger(__name__)

_COUNTED = 1024  # transitions

ENOUGH = 200
"""Transitions from which on an action that hardly occurs counts as dead."""


@dataclass(frozen=True)
class Occurrence:
    """Counts over transitions, the steps from one frame to the next.

    Attributes:
        counts: transitions with each action of the world, int64 [A].
        source: where they were counted, in words.
        table: true against latent actions, int64 [num_true, A]; None where no true ones are known.
        true_names: one per row.
        part: which data these are, in words, such as "training data".
    """

    counts: np.ndarray
    source: str
    table: np.ndarray | None = None
    true_names: tuple[str, ...] = ()
    part: str = ""

    @property
    def num_transitions(self) -> int:
        """How many there were."""
        return int(self.counts.sum())

    @property
    def shares(self) -> np.ndarray:
        """Share of each action, [A]."""
        return self.counts / max(self.num_transitions, 1)

    @property
    def dead(self) -> list[int]:
        """Actions with less than one in a hundred transitions; none where too few were seen to tell."""
        return np.flatnonzero(self.shares < MIN_SHARE).tolist() if self.num_transitions >= ENOUGH else []


def sample_gameplay(settings: dict[str, Any], num_frames: int, num_clips: int) -> Gameplay:
    """Read clips spread evenly over the training part of the data, with true actions where there are any.

    Args:
        settings: arguments of `H5DataModule`.
        num_frames: frames per clip.
        num_clips: at most.

    Raises:
        MissingFileError: the data are not there.
        DataError: they are malformed or hold no clip of that length.
    """
    from tinyworlds.data import H5DataModule

    module = H5DataModule(**{**settings, "num_frames": num_frames}, batch_size=1)
    module.setup("fit")
    batch = training_samples(module, num_clips)
    frames = batch["frames"].numpy()
    actions = batch["actions"].numpy() if module.has_actions else None
    names = tuple(module.action_names)
    files = tuple(Path(file).name for file in module.files)
    counts = module.action_counts
    return Gameplay(frames, actions, frames, actions, names, float(module.fps), files, counts)


def gameplay_of(world: WorldCore, path: Path, data: Sequence[str] | None = None) -> Gameplay | None:
    """Return gameplay to count in: files that are named, else those of the training, where they are here."""
    if world.info.actions in INFERRED and world.latent_actions is None:
        log.warning("%s holds no model to infer actions with: how often each occurs stays unknown", path)
        return None
    length = max(world.dynamics.context_frames, 2)
    try:
        settings = dict(data_settings_of(path, world.info.provenance))
        if data:
            # all of them is counted
            settings |= {"files": list(data), "split": "time", "val_fraction": 0.0, "test_fraction": 0.0}
        else:
            check_followed(settings, path)
        if not settings.get("files") and not settings.get("game"):
            return None
        settings = {"fps": world.fps, **settings, "frame_size": world.frame_size}
        found = sample_gameplay(settings, length, -(-_COUNTED // (length - 1)))
        return replace(found, samples_of="files that were named") if data else found
    except (MissingFileError, ConfigError, DataError) as error:
        if data:
            raise
        log.warning("what the world was trained on is not at hand (%s): --data FILE names it", error)
        return None


def count_in_gameplay(world: Any, gameplay: Gameplay) -> Occurrence:
    """Infer the latent actions of gameplay, or take the labels where the world plays by them, and count.

    Raises:
        DataError: the world plays by labels, and the gameplay has none.
    """
    true = None if gameplay.sample_actions is None else gameplay.sample_actions[:, :-1]
    if world.info.actions == "labels":
        if true is None:
            raise DataError(
                f"{', '.join(gameplay.files)} holds no actions, but this world was trained on recorded ones: "
                "name the recording with --data FILE"
            )
        latent, true = true[true >= 0], None  # those below 0 are unknown
    else:
        assert gameplay.samples is not None  # `sample_gameplay` always takes some
        latent = infer_actions(world.latent_actions, gameplay.samples)
    counts = np.bincount(latent.ravel(), minlength=world.num_actions)[: world.num_actions]
    source = ", ".join(gameplay.files)
    if true is None:
        return Occurrence(counts, source, part=gameplay.samples_of)
    names = (*gameplay.action_names, *map(str, range(len(gameplay.action_names), int(true.max()) + 1)))
    table = contingency(torch.from_numpy(latent), torch.from_numpy(true), world.num_actions, len(names))
    return Occurrence(counts, source, table.long().numpy(), names, gameplay.samples_of)


def count_in_start_clips(world: Any) -> Occurrence | None:
    """Count in the few clips that a world file holds; None if it holds none."""
    actions = world.start_clips.actions
    if actions is None or not actions.size:
        return None
    counts = np.bincount(actions.ravel(), minlength=world.num_actions)[: world.num_actions]
    return Occurrence(counts, "the world's own start clips")
