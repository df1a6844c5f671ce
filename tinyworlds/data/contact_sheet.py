"""A picture to look at before training: moments of a gameplay file, each a row of frames in succession."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from tinyworlds.data.reader import FrameFile

_ROWS, _COLUMNS = 10, 12
_LOOK_FPS = 15.0  # frames in a row are about this far apart, as a world is mostly trained
_MOST_PX = 160  # larger frames are drawn smaller
_END_COLOUR = (230, 30, 30)


def sheet_path(path: str | Path) -> Path:
    """Return where the contact sheet of a gameplay file goes: ``data/zelda_sheet.png``, beside it."""
    path = Path(path)
    return path.with_name(f"{path.stem.removesuffix('_frames')}_sheet.png")


def save_contact_sheet(path: str | Path, out: str | Path) -> Path:
    """Draw the contact sheet of a gameplay file into a PNG and return its path.

    Ten moments spread over the file, twelve frames each, about a fifteenth of a second apart; a red edge on
    the right marks the last frame of an episode.

    Raises:
        MissingFileError: there is no such file.
        DataError: the file breaks the schema or is damaged.
        StorageError: the picture cannot be written.
    """
    from tinyworlds.media.pictures import save_strip  # brings torch along

    file = FrameFile(path)
    info = file.info
    stride = max(1, round(info.rate / _LOOK_FPS))
    count = min(_COLUMNS, -(-len(file) // stride))
    span = (count - 1) * stride + 1
    starts = np.unique(np.linspace(0, len(file) - span, _ROWS).astype(int))
    ends = set(file.episode_ends.tolist()) if info.has_episodes else set()
    rows = [_row(file, int(start), count, stride, ends) for start in starts]
    file.close()
    title = (
        f"{info.path.name}: {info.num_frames:,} frames of {info.width}x{info.height} at {info.rate:g} fps; "
        f"red: an episode ends"
    )
    labels = [_label(int(start), info.rate) for start in starts]
    return save_strip(out, rows, labels, title=title)


def _row(file: FrameFile, start: int, count: int, stride: int, ends: set[int]) -> list[np.ndarray]:
    frames = file.frames(start, count, stride)
    scale = _MOST_PX / max(frames.shape[1:3])
    if scale < 1:
        size = (max(1, round(frames.shape[2] * scale)), max(1, round(frames.shape[1] * scale)))
        frames = np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])
    edge = max(1, frames.shape[2] // 32)
    for i, frame in enumerate(frames):
        if ends.intersection(range(start + i * stride, start + (i + 1) * stride)):
            frame[:, -edge:] = _END_COLOUR
    return list(frames)


def _label(frame: int, rate: float) -> str:
    minutes, seconds = divmod(frame / rate, 60)
    return f"{int(minutes)}:{seconds:04.1f}"
