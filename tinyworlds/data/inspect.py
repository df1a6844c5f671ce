"""What a gameplay file holds, and whether it is sound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinyworlds.data.action_ids import UNKNOWN, Labels
from tinyworlds.data.cache import reads_slowly
from tinyworlds.data.reader import FrameFile
from tinyworlds.errors import DataError

_SAMPLES = 64  # runs of two frames looked at


@dataclass(frozen=True)
class Inspection:
    """Facts and statistics of one file.

    Attributes:
        path: the file.
        shape: of `frames`, [N,H,W,3].
        fps: stored frames per second, None if the file does not say.
        source: what it was recorded from.
        minutes: game time, at 60 fps where the file does not say.
        megabytes: on disk.
        storage: chunks and compression of the frames.
        episodes: how many, None where ends are not marked.
        episode_lengths: shortest, median and longest in frames, None likewise.
        actions: name to share of frames, None without true actions.
        reward_sum: of all rewards, None without.
        mean: mean of each channel over a sample of frames, 0 to 255.
        std: standard deviation of each channel over it.
        still: share of sampled neighbouring frames that are the same.
        notes: what deserves attention.
    """

    path: str
    shape: tuple[int, ...]
    fps: float | None
    source: str
    minutes: float
    megabytes: float
    storage: str
    episodes: int | None
    episode_lengths: tuple[int, int, int] | None
    actions: dict[str, float] | None
    reward_sum: float | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    still: float
    notes: tuple[str, ...]


def inspect_file(path: str) -> Inspection:
    """Look at a gameplay file; frames are sampled, so this takes no longer for large files.

    Raises:
        MissingFileError: there is no such file.
        DataError: the file breaks the schema or is damaged.
    """
    file = FrameFile(path)
    info = file.info
    starts = np.unique(np.linspace(0, max(0, len(file) - 2), _SAMPLES).astype(int))
    pairs = [file.frames(int(start), min(2, len(file))) for start in starts]
    pixels = np.stack([pair[0] for pair in pairs]).reshape(-1, 3).astype(np.float64)
    still = float(np.mean([len(pair) > 1 and np.array_equal(pair[0], pair[1]) for pair in pairs]))
    lengths = np.diff(file.episode_ends, prepend=-1) if info.has_episodes else None
    return Inspection(
        path=str(path),
        shape=(info.num_frames, info.height, info.width, 3),
        fps=info.fps,
        source=info.source,
        minutes=info.num_frames / info.rate / 60,
        megabytes=info.path.stat().st_size / 1e6,
        storage=_storage(info.chunks, info.compression),
        episodes=None if lengths is None else len(lengths),
        episode_lengths=None
        if lengths is None
        else (int(lengths.min()), int(np.median(lengths)), int(lengths.max())),
        actions=_action_shares(file),
        reward_sum=_reward_sum(file),
        mean=tuple(pixels.mean(0).round(1).tolist()),
        std=tuple(pixels.std(0).round(1).tolist()),
        still=still,
        notes=tuple(_notes(file, still, float(pixels.std()))),
    )


def _storage(chunks: tuple[int, ...] | None, compression: str | None) -> str:
    return f"{f'chunks {list(chunks)}' if chunks else 'one piece'}, {compression or 'raw'}"


def _action_shares(file: FrameFile) -> dict[str, float] | None:
    labels = _labels(file)[0]
    if labels is None:
        return None
    counts = np.bincount(labels.ids - UNKNOWN, minlength=len(labels.names) + 1) / len(file)
    shares = dict(zip(labels.names, counts[1:].tolist(), strict=True))
    return shares | {"unknown": float(counts[0])} if counts[0] else shares


def _reward_sum(file: FrameFile) -> float | None:
    rewards = file.column("rewards", np.float64)
    return None if rewards is None else float(rewards.sum())


def _notes(file: FrameFile, still: float, spread: float) -> list[str]:
    info, notes = file.info, []
    if info.height != info.width:
        notes.append("the frames are not square; networks need square ones")
    if reads_slowly(info):
        notes.append("stored in chunks across many frames; training unpacks it once into .cache beside it")
    if spread < 1:
        notes.append("the sampled frames are of one colour")
    if still > 0.9:
        notes.append("nearly all sampled neighbours are the same frame; nothing moves")
    labels, why_none = _labels(file)
    if why_none:
        notes.append(why_none)
    if labels is not None and labels.ids.min() < 0:
        notes.append("some actions are unknown (below 0, or empty); number them from 0 if they are actions")
    return notes


def _labels(file: FrameFile) -> tuple[Labels | None, str]:
    """The true actions, or why those that are stored cannot be used."""
    try:
        return file.labels, ""
    except DataError as error:
        return None, str(error)
