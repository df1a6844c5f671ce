"""How long a held key goes on moving the picture, by what is fed back.

Dreams of one action begin at the stored clips; a world whose pictures stop changing has frozen, however good
they may look: ``python -m benchmarks.held_keys doom.world``.
"""

from __future__ import annotations

from typing import get_args

import numpy as np

from benchmarks.command import run
from tinyworlds.api import World
from tinyworlds.bench.report import Table
from tinyworlds.errors import DataError
from tinyworlds.world.dream import Feedback

SHOWN = (1, 4, 8, 12, 16, 24)
"""Frames whose change is printed."""


def changes(world: World, action_id: int, num_frames: int) -> np.ndarray:
    """Mean distance of each frame from the one before, ``[num_frames]`` in 0 to 255, over all start clips."""
    sessions = len(world.start_clips)
    before = world.reset_many(*world.start_clips.window(world.context_frames), seed=0)
    found = []
    for _ in range(num_frames):
        frames = world.step_many([action_id] * sessions)
        found.append(np.abs(frames.astype(np.int16) - before).mean())
        before = frames
    return np.array(found)


def table(path: str, num_frames: int) -> Table:
    """Change by frame, for each kind of feedback that the world takes and each action."""
    shown = [frame for frame in SHOWN if frame <= num_frames]
    rows = []
    for feedback in get_args(Feedback):
        world = World.load(path, "auto", feedback=feedback)
        if feedback == "memory" and not world.dynamics.transformer.slides:
            continue
        if not world.start_clips:
            raise DataError(f"{path} stores no start clips: export it with --data FILE")
        for action_id, name in enumerate(world.action_names):
            found = changes(world, action_id, num_frames)
            rows.append((feedback, name, *(f"{found[frame - 1]:.1f}" for frame in shown)))
    columns = ("fed back", "held", *(f"+{frame}" for frame in shown))
    title = f"Change from frame to frame (of 255), {world.game}, mean over {len(world.start_clips)} clips"
    return Table(title, columns, tuple(rows))


def compare(world: str, frames: int = 24) -> None:
    """Print how long held keys go on moving the picture.

    Args:
        world: a .world file or a run folder.
        frames: how long each key is held.
    """
    print(table(world, frames))


if __name__ == "__main__":
    run(compare, "held_keys")
