"""The replay on disk, so that a run goes on exactly: written piece by piece beside the checkpoints.

What happened is written once, in pieces of a thousand steps, and old pieces go as the replay forgets them.
The agent's own states change with every update; they are written anew with each checkpoint, under its step,
and stay until the checkpoint after the next is there. Each file appears whole or not at all, and none is
run: they are plain arrays.
"""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from tinyworlds.dreamer.replay import Replay
from tinyworlds.errors import TinyWorldsError
from tinyworlds.system.files import replacing, storing

PIECE = 1000
_STATES = ("deter", "classes")
_PIECE_NAME = re.compile(r"steps_(\d+)_(\d+)_(\d+)\.npz$")
_STATES_NAME = re.compile(r"states_(\d+)\.npz$")


class ReplayFolder:
    """Where a replay lies.

    Args:
        folder: need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._id = uuid.uuid4().hex
        self._written: dict[int, int] = {}  # by environment, the first step that is not in a whole piece
        self._saved_at = -1

    def save(self, replay: Replay, step: int) -> dict[str, Any]:
        """Write what is new, and the agent's states.

        Args:
            replay: to be written.
            step: updates done; the checkpoint that refers to this is saved next.

        Returns:
            What :meth:`load` needs, plain values.

        Raises:
            StorageError: the disk is full or cannot be written.
        """
        if step != self._saved_at:
            with storing(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
                for env in range(replay.num_envs):
                    self._save_steps(replay, env)
                self._save_states(replay, step)
            self._saved_at = step
        return {
            "id": self._id,
            "step": step,
            "capacity": replay.length * replay.num_envs,
            "window": replay.window,
            "replay": replay.state(),
        }

    def _save_steps(self, replay: Replay, env: int) -> None:
        count = int(replay.counts[env])
        oldest = count - replay.num_held(env)
        names = [name for name in replay.names if name not in _STATES]
        start = max(self._written.get(env, 0), oldest)
        wanted = set()
        for first, last in _pieces(start, count):
            path = self.folder / f"steps_{env:03d}_{first:09d}_{last - first:04d}.npz"
            wanted.add(path.name)
            _write(path, {**replay.stretch(env, first, last, names), "id": np.array(self._id)})
        for path, first, length in self._found(env):
            new = first >= self._written.get(env, 0) and path.name not in wanted
            if new or first + length <= oldest:
                path.unlink()
        self._written[env] = count - count % PIECE

    def _save_states(self, replay: Replay, step: int) -> None:
        states: dict[str, np.ndarray] = {"id": np.array(self._id)}
        for env in range(replay.num_envs):
            count = int(replay.counts[env])
            held = replay.stretch(env, count - replay.num_held(env), count, _STATES)
            states |= {f"{name}_{env}": values for name, values in held.items()}
        _write(self.folder / f"states_{step}.npz", states)
        numbered = {
            int(found[1]): path for path in self.folder.iterdir() if (found := _STATES_NAME.match(path.name))
        }
        for number, path in numbered.items():
            if number not in (step, self._saved_at):
                path.unlink()

    def load(self, replay: Replay, state: Mapping[str, Any], source: Path) -> str | None:
        """Fill a replay with what lay there when a checkpoint was saved.

        Args:
            replay: of the same sizes, empty.
            state: of :meth:`save`.
            source: folder that it was written to.

        Returns:
            None; or, where something is missing, what, and the replay is as if nothing had been loaded.
        """
        before = replay.state()
        try:
            replay.restore(state["replay"])
            for env in range(replay.num_envs):
                self._load_steps(replay, env, state["id"], source)
            self._load_states(replay, state, source)
        except (OSError, KeyError, ValueError, TypeError, BadZipFile, TinyWorldsError) as failure:
            replay.restore(before)
            return " ".join(str(failure).split())[:200] or type(failure).__name__
        if source.resolve() == self.folder.resolve():
            self._id, self._saved_at = state["id"], state["step"]
            self._written = {env: int(count) // PIECE * PIECE for env, count in enumerate(replay.counts)}
        return None

    def _load_steps(self, replay: Replay, env: int, history: str, source: Path) -> None:
        count = int(replay.counts[env])
        oldest = count - replay.num_held(env)
        names = [name for name in replay.names if name not in _STATES]
        reached = oldest
        for path, first, length in sorted(ReplayFolder(source)._found(env), key=lambda found: found[1:]):
            if first + length <= reached or first > reached or reached == count:
                continue
            columns = _read(path, history)
            stop = min(first + length, count)
            replay.put(env, reached, {name: columns[name][reached - first : stop - first] for name in names})
            reached = stop
        if reached < count:
            raise FileNotFoundError(f"{source} lacks steps {reached:,} to {count:,} of environment {env}")

    def _load_states(self, replay: Replay, state: Mapping[str, Any], source: Path) -> None:
        states = _read(source / f"states_{state['step']}.npz", state["id"])
        for env in range(replay.num_envs):
            start = int(replay.counts[env]) - replay.num_held(env)
            replay.put(env, start, {name: states[f"{name}_{env}"] for name in _STATES})

    def _found(self, env: int) -> Iterator[tuple[Path, int, int]]:
        """The pieces of an environment: path, first step, number of steps."""
        for path in sorted(self.folder.iterdir()) if self.folder.is_dir() else []:
            found = _PIECE_NAME.match(path.name)
            if found and int(found[1]) == env:
                yield path, int(found[2]), int(found[3])


def _pieces(start: int, stop: int) -> Iterator[tuple[int, int]]:
    while start < stop:
        end = min(start - start % PIECE + PIECE, stop)
        yield start, end
        start = end


def _write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    with replacing(path) as part, part.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def _read(path: Path, history: str) -> dict[str, np.ndarray]:
    # numpy leaves a file open that it cannot read
    with path.open("rb") as stream, contextlib.closing(np.load(stream, allow_pickle=False)) as file:
        arrays = {name: file[name] for name in file.files}
    if str(arrays.pop("id", "")) != history:
        raise ValueError(f"{path} is of another course of this run")
    return arrays
