"""Clips that no stage was trained on, for reports and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tinyworlds.data.trained_on import TRAINED_ON_KEY, TrainedOn, read_trained_on
from tinyworlds.errors import DataError
from tinyworlds.media.pixels import frames_to_input
from tinyworlds.system.text import visible


@dataclass(frozen=True)
class Clips:
    """Clips at rest.

    Attributes:
        frames: uint8 [N, T, H, W, C].
        actions: int64 [N, T], the true action taken at each frame, where the file has them.
        fps: frames per second of game time.
        source: where they come from, in words.
        episodes: which episode each clip is from, int64 [N]: clips of one are no independent draws.
        action_names: of the true actions; may be empty.
    """

    frames: Tensor
    actions: Tensor | None
    fps: float
    source: str
    episodes: Tensor
    action_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.frames)

    def __repr__(self) -> str:
        known = "without actions" if self.actions is None else "with their actions"
        return f"{len(self)} Clips of {self.num_frames} frames, {known}, {visible(self.source)}"

    @property
    def num_frames(self) -> int:
        """Frames of each clip."""
        return self.frames.shape[1]

    def batch(
        self, start: int, count: int, device: torch.device | str = "cpu"
    ) -> tuple[Tensor, Tensor | None]:
        """Clips from `start` on as networks take them: float [B, T, C, H, W] in [-1, 1]; actions [B, T]."""
        part = slice(start, start + count)
        actions = None if self.actions is None else self.actions[part].to(device)
        return frames_to_input(self.frames[part].to(device)), actions


def held_out_clips(module: Any, num_frames: int, num_clips: int, split: str = "test") -> Clips:
    """Clips drawn from the held-out part of the data; no two share a frame, and the draw is always the same.

    Args:
        module: an :class:`tinyworlds.data.H5DataModule`.
        num_frames: frames of each clip.
        num_clips: how many, at most.
        split: "test" or "val".

    Raises:
        DataError: the split has no clip of that length.
    """
    module.setup()
    dataset = module.dataset(split, num_frames)
    numbers = list(range(min(num_clips, len(dataset))))  # evaluation sets are dealt in a random order
    batch = dataset.__getitems__(numbers)
    files = ", ".join(str(path) for path in module.files)
    return Clips(
        frames=batch["frames"],
        actions=batch.get("actions"),
        fps=float(module.fps),
        source=f"{split} split ({module.what_is_held_out}) of {files}",
        episodes=torch.from_numpy(dataset.episodes(numbers)),
        action_names=tuple(module.action_names),
    )


def networks_trained_on(provenance: Mapping[str, Any]) -> dict[str, TrainedOn | None]:
    """Return by stage what a world's networks were trained on, None where that was not noted."""
    stages = provenance.get("stages")
    if not isinstance(stages, dict) or not stages:
        return {"the world": None}
    return {
        str(name): read_trained_on(noted.get(TRAINED_ON_KEY)) if isinstance(noted, dict) else None
        for name, noted in stages.items()
    }


def keep_untrained(module: Any, networks: Mapping[str, TrainedOn | None]) -> list[str]:
    """Take frames that networks were trained on out of the held-out part; return what is to be said of that.

    Args:
        module: an :class:`tinyworlds.data.H5DataModule`.
        networks: what each was trained on, see `networks_trained_on`.

    Raises:
        DataError: no held-out frame is left.
    """
    notes = []
    for name, before in networks.items():
        trained, held_out = module.count_trained(before, ["test"]) if before is not None else (0, 0)
        if trained:
            notes.append(
                f"left out are {trained:,} of {held_out:,} held-out frames, which {name} was trained on"
            )
    for before in networks.values():
        if before is not None:
            module.leave_out(before)
    if notes and not module.num_held_out:
        files = ", ".join(str(path) for path in module.files)
        raise DataError(
            f"nothing is left to measure on of {files} ({'; '.join(notes)}): name other gameplay with "
            "--data FILE, or train the stages with one --data.split"
        )
    unknown = [name for name, before in networks.items() if before is None or not before.whole]
    if unknown:
        notes.append(
            f"cannot vouch for {', '.join(unknown)}, trained before splits were recorded or elsewhere: "
            "these frames may be among those trained on"
        )
    return notes
