"""The folder of a recording that is under way: what it is to become, its shares, and the joining of them."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinyworlds.data.content import sampled_hash
from tinyworlds.data.reader import FrameFile
from tinyworlds.data.schema import FileInfo, read_info
from tinyworlds.data.writer import CHUNK_FRAMES
from tinyworlds.errors import DataError
from tinyworlds.sources.record.environments import LiveGame
from tinyworlds.sources.record.pieces import Joiner, Piece
from tinyworlds.sources.record.share import RecordingSettings, Share
from tinyworlds.system.files import move_into_place, storing, write_text
from tinyworlds.system.progress import progress_bar

FOLDER = ".record"
_PLAN = "plan.json"
_JOINED = "joined"


@dataclass(frozen=True)
class Facts:
    """What a recording of a game looks like.

    Attributes:
        env_id: the environment as registered.
        size: height and width in pixels.
        fps: stored frames per second.
        action_names: by id.
    """

    env_id: str
    size: int
    fps: float
    action_names: tuple[str, ...]

    @classmethod
    def of(cls, game: LiveGame, size: int) -> Facts:
        """The facts of a running game."""
        return cls(game.env_id, size, game.fps, tuple(action.name for action in game.actions))


class Work:
    """A recording under way; one process at a time may have it open.

    Args:
        out: the file it becomes.
        settings: how it is recorded.
        facts: what it looks like.
        num_frames: to record.
        processes: number of shares.
        overwrite: `out` may be replaced, and another unfinished recording dropped.
        append: what is recorded comes after what `out` holds.

    Attributes:
        shares: what each process records.

    Raises:
        DataError: `out` exists, another recording of it is unfinished, or it cannot be appended to.
    """

    def __init__(
        self,
        out: Path,
        settings: RecordingSettings,
        facts: Facts,
        num_frames: int,
        processes: int,
        overwrite: bool,
        append: bool,
    ) -> None:
        self.out, self.settings, self.facts = out, settings, facts
        self.folder = out.parent / FOLDER / out.name
        self._append = append
        old = self._unfinished()
        plan = _plan(settings, num_frames, processes, append)
        if old is not None and old["plan"] != plan:
            self._refuse(old["plan"], plan, overwrite)
            old = None
        self._is_joined = old is not None and self._was_joined()
        if old is not None and self.out.exists() and not (append or overwrite or self._is_joined):
            raise self._exists()
        if old is None:
            base = self._begin(overwrite)
            write_text(self.folder / _PLAN, json.dumps({"plan": plan, "base": base}, indent=1))
        else:
            base = old["base"]
        counts = _divide(num_frames, processes)
        self.shares = [Share(self.folder / f"{i:03d}", i, count, base) for i, count in enumerate(counts)]
        if self.num_frames and not self._is_joined:
            print(f"going on with an interrupted recording of {self.num_frames:,} frames", file=sys.stderr)

    @property
    def num_frames(self) -> int:
        """Frames in complete pieces."""
        return sum(piece.num_frames for share in self.shares for piece in share.pieces())

    @property
    def is_played(self) -> bool:
        """Whether all shares are full, or were ended by the player."""
        return self._is_joined or all(
            share.ended or sum(piece.num_frames for piece in share.pieces()) >= share.num_frames
            for share in self.shares
        )

    def leave(self) -> None:
        """Say what an interruption leaves; remove the folder if that is nothing."""
        if self.num_frames:
            print(f"{self.num_frames:,} frames are kept; run the same command to go on", file=sys.stderr)
        else:
            self._remove()

    def finish(self, progress: bool) -> tuple[int, int]:
        """Join the pieces, put the file into place, remove the folder; return its frames and episodes.

        Raises:
            DataError: there is not one frame, or a piece is damaged.
            StorageError: the disk is full.
        """
        if not self._is_joined:
            if not self.num_frames:
                self._remove()
                raise DataError(
                    f"{self.out}: the recording was ended before its first frame; nothing is stored."
                )
            self._join(progress)
        self._remove()
        file = FrameFile(self.out)
        return len(file), len(file.episode_ends)

    def _join(self, progress: bool) -> None:
        whole, facts = self.folder / "whole.h5", self.facts
        old = self.out if self._append and self.out.exists() else None
        total = self.num_frames + (read_info(old).num_frames if old else 0)
        with (
            Joiner(
                whole, facts.size, facts.size, facts.fps, facts.env_id, facts.action_names, True
            ) as joiner,
            progress_bar(f"writing {self.out.name}", total, progress) as advance,
        ):
            if old is not None:
                advance(joiner.add(old))
            for share in self.shares:
                for piece, continues in _linked(share.pieces()):
                    advance(joiner.add(piece.path, continues))
        with storing(self.out):
            # who is killed after the move knows by this note that only the tidying is left
            write_text(self.folder / _JOINED, sampled_hash(whole))
            move_into_place(whole, self.out)

    def _unfinished(self) -> dict[str, Any] | None:
        """The plan of an unfinished recording; None where there is none."""
        try:
            old = json.loads((self.folder / _PLAN).read_text(encoding="utf-8"))
            return {"plan": old["plan"], "base": int(old["base"])}
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _refuse(self, old: dict[str, Any], new: dict[str, Any], overwrite: bool) -> None:
        unlike = [f"{name} was {old.get(name)}, is {new[name]}" for name in new if old.get(name) != new[name]]
        if not overwrite:
            raise DataError(
                f"{self.out}: an interrupted recording with other settings is there ({'; '.join(unlike)}); "
                "repeat that one to go on with it, or drop it with --overwrite."
            )

    def _begin(self, overwrite: bool) -> int:
        """Make an empty folder; return how many frames `out` holds that stay."""
        base = 0
        if self.out.exists() and self._append:
            base = self._checked_for_appending().num_frames
        elif self.out.exists() and not overwrite:
            self._remove()  # what is left where the tidying was killed
            raise self._exists()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        return base

    def _checked_for_appending(self) -> FileInfo:
        info, facts = read_info(self.out), self.facts
        ours = {"size": facts.size, "fps": facts.fps, "source": facts.env_id, "actions": facts.action_names}
        theirs = {"size": info.height, "fps": info.fps, "source": info.source, "actions": info.action_names}
        unlike = [f"{key} {theirs[key]}, not {ours[key]}" for key in ours if theirs[key] != ours[key]]
        if unlike or not (info.has_actions and info.has_rewards and info.has_episodes):
            told = "; ".join(unlike) or "no actions, rewards or episodes"
            raise DataError(f"{self.out} cannot be appended to, it has {told}; record to another file.")
        return info

    def _exists(self) -> DataError:
        return DataError(f"{self.out} exists already; choose another name, or --overwrite or --append.")

    def _was_joined(self) -> bool:
        """Whether `out` is what the pieces were joined to."""
        try:
            return (self.folder / _JOINED).read_text(encoding="utf-8") == sampled_hash(self.out)
        except OSError:
            return False

    def _remove(self) -> None:
        with contextlib.suppress(OSError):
            (self.folder / _PLAN).unlink()  # first: without it nobody takes what is left for a recording
        shutil.rmtree(self.folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # others are under way
            self.folder.parent.rmdir()


def _plan(settings: RecordingSettings, num_frames: int, processes: int, append: bool) -> dict[str, Any]:
    """Everything the result depends on, as JSON reads it back."""
    policy = settings.policy
    told = getattr(policy, "__qualname__", type(policy).__qualname__)
    values = {field: getattr(settings, field) for field in settings.__dataclass_fields__ if field != "policy"}
    values["policy"] = asdict(policy) if is_dataclass(policy) and not isinstance(policy, type) else told
    values |= {"frames": num_frames, "processes": processes, "append": append}
    return json.loads(json.dumps(values, default=repr))


def _divide(num_frames: int, processes: int) -> list[int]:
    """Shares of whole chunks, so that packed chunks can be joined as they are."""
    even = -(-num_frames // (processes * CHUNK_FRAMES)) * CHUNK_FRAMES
    return [int(count) for count in np.diff([*range(0, num_frames, even), num_frames])]


def _linked(pieces: list[Piece]) -> Iterator[tuple[Piece, bool]]:
    """Yield each piece and whether its last frame and the next piece's first are of one episode."""
    for piece, following in zip(pieces, [*pieces[1:], None], strict=True):
        yield piece, following is not None and piece.continues and following.begun == piece.begun
