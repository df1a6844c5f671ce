"""What an agent has lived through as a gameplay file, so that the other stages train on its play."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tinyworlds.checkpoints.formats import read_checkpoint
from tinyworlds.checkpoints.search import Say, locate
from tinyworlds.data.writer import FrameWriter
from tinyworlds.dreamer.agent import Agent
from tinyworlds.dreamer.replay import Replay
from tinyworlds.dreamer.replay_files import ReplayFolder
from tinyworlds.errors import CheckpointError, DataError
from tinyworlds.models.registry import AGENT

_STATE = "ReplayDataModule"
_USUAL_FPS = 15.0


def export_replay(
    run: Path, out: Path, say: Say = print, reached: Callable[[int], None] = lambda count: None
) -> int:
    """Write the replay of a run as a gameplay file, environment by environment.

    A frame's action leads to the next one, and its reward is that action's, as in every gameplay file; the
    picture that an episode ends with has no action and is left out. ``terminations`` tells where an episode
    came to its end by itself, rather than being cut.

    Args:
        run: a run folder of an agent, or one of its checkpoints.
        out: the file to write.
        say: called with a line about checkpoints that are skipped.
        reached: called with the number of frames written, piece by piece.

    Returns:
        How many frames were written.

    Raises:
        CheckpointError: there is no agent, or its replay is gone.
        DataError: it sees no pictures.
        StorageError: the disk is full.
    """
    found = locate(run, AGENT.name, say)
    agent, meta = found.network, found.info.meta
    assert isinstance(agent, Agent)
    if not agent.spaces.frame_size:
        raise DataError(f"{found.path}: this agent sees numbers, no pictures; a gameplay file holds pictures")
    if not agent.spaces.num_actions:
        raise DataError(f"{found.path}: this agent's actions are numbers; a gameplay file holds choices")
    replay = _loaded(found.path, agent, found.version)
    names = meta.get("action_names") or [f"action_{number}" for number in range(agent.spaces.num_actions)]
    fps, side = float(meta.get("fps") or _USUAL_FPS), agent.spaces.frame_size
    with FrameWriter(
        out, side, side, fps, f"agent of {meta.get('game')}", names, terminations=True
    ) as writer:
        for env in range(replay.num_envs):
            _write(replay, env, writer, reached)
    return writer.num_frames


def _loaded(path: Path, agent: Agent, version: Path | None) -> Replay:
    state: Any = read_checkpoint(path, stage=AGENT.name).get(_STATE)
    if not isinstance(state, dict) or "folder" not in state or version is None:
        raise CheckpointError(f"{path} was saved without a replay; name the run that it was trained in")
    sizes = state["folder"]
    replay = Replay(
        agent.spaces,
        agent.sizes,
        len(sizes["replay"]["counts"]),
        int(sizes["capacity"]),
        int(sizes["window"]),
    )
    missing = ReplayFolder(version / "replay").load(replay, sizes, version / "replay")
    if missing is not None:
        raise CheckpointError(f"{version / 'replay'} does not hold the replay of {path.name}: {missing}")
    return replay


def _write(replay: Replay, env: int, writer: FrameWriter, reached: Callable[[int], None]) -> None:
    held = replay.num_held(env)
    for step in range(-held, -1):
        row, after = replay.row(env, step), replay.row(env, step + 1)
        if row["last"] or after["first"]:  # nothing is chosen at an end
            continue
        picture = row["picture"]
        frame = picture.repeat(3, axis=-1) if picture.shape[-1] == 1 else picture
        over = bool(after["last"]) or step == -2 or bool(replay.row(env, step + 2)["first"])
        writer.append(
            np.ascontiguousarray(frame),
            int(row["action"].argmax()),
            float(after["reward"]),
            over,
            terminated=bool(after["terminal"]),
        )
        reached(1)
