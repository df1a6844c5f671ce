"""Open-loop clips on disk: a video, a strip, the raw pictures, the errors step by step."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from tinyworlds.dreamer.open_loop import OpenLoop
from tinyworlds.errors import VideoError
from tinyworlds.media.pictures import FONT_PX, INK, PAPER, enlarge, label_font, save_strip, text_width
from tinyworlds.media.video import save_clip
from tinyworlds.system.files import replacing, write_text

GREEN, RED = (0, 170, 0), (220, 0, 0)
ROWS = ("truth", "dream", "error")
BORDER_PX, BLACK_FRAMES = 2, 10
_MOST_COLUMNS = 6
_TILE_PX = 128  # pictures are enlarged to about that
_STRIP_COLUMNS = 12


def save_open_loop(
    folder: Path, found: OpenLoop, fps: float, name: str = "open_loop", gif: bool = False, raw: bool = True
) -> list[Path]:
    """Write what there is to be seen, and return the files.

    ``NAME.json`` has the errors by step, ``NAME.npy`` (if `raw`) uint8 ``[3, B, T, H, W, 3]``: truth, dream,
    error; ``NAME.mp4`` (and ``.gif``) the clip, ``NAME.png`` a strip of the first. Where nothing is seen in
    pictures, or no codec works, the others are written.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    files = [folder / f"{name}.json"]
    write_text(files[0], json.dumps(_figures(found), indent=1) + "\n")
    if found.truth is None or found.dream is None or found.error is None:
        return files
    if raw:
        with replacing(folder / f"{name}.npy") as part, part.open("wb") as file:
            np.save(file, np.stack([found.truth, found.dream, found.error]))
        files.append(folder / f"{name}.npy")
    files.append(_strip(folder / f"{name}.png", found))
    frames = clip_frames(found)
    for suffix in (".mp4", ".gif") if gif else (".mp4",):
        try:
            files.append(save_clip(folder / f"{name}{suffix}", frames, fps))
        except VideoError as error:
            print(f"no {name}{suffix}: {error}")
    return files


def clip_frames(found: OpenLoop) -> np.ndarray:
    """The clip, uint8 ``[T + 10, H, W, 3]``.

    Clips stand side by side, in each truth over dream over error, with a border that is green while steps
    are given and red while they are dreamt; rows are labelled. Ten black frames close it.
    """
    assert found.truth is not None
    assert found.dream is not None
    assert found.error is not None
    parts = [part[:_MOST_COLUMNS] for part in (found.truth, found.dream, found.error)]
    scale = max(1, round(_TILE_PX / parts[0].shape[2]))
    frames = []
    for step in range(parts[0].shape[1]):
        colour = GREEN if step < found.context else RED
        columns = [
            _bordered(np.concatenate([enlarge(part[clip, step], scale) for part in parts]), colour)
            for clip in range(len(parts[0]))
        ]
        told = f"given {step + 1}" if step < found.context else f"dreamt {step + 1 - found.context}"
        frames.append(_labelled(np.concatenate(columns, axis=1), told, parts[0].shape[2] * scale))
    frames += [np.zeros_like(frames[0])] * BLACK_FRAMES
    return np.stack(frames)


def _bordered(column: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    column = column.copy()
    height = len(column) // len(ROWS)
    for row in range(1, len(ROWS)):
        column[row * height] = PAPER
    for edge in (np.s_[:BORDER_PX], np.s_[-BORDER_PX:], np.s_[:, :BORDER_PX], np.s_[:, -BORDER_PX:]):
        column[edge] = colour
    return column


def _labelled(picture: np.ndarray, told: str, tile_px: int) -> np.ndarray:
    """Names of the rows on the left, the step above."""
    left, top = max(map(text_width, ROWS)) + 12, FONT_PX + 8
    height, width = picture.shape[:2]
    sheet = Image.new("RGB", (left + width + (left + width) % 2, top + height + (top + height) % 2), PAPER)
    sheet.paste(Image.fromarray(picture), (left, top))
    draw = ImageDraw.Draw(sheet)
    draw.text((left, 3), told, INK, label_font(FONT_PX))
    for row, label in enumerate(ROWS):
        draw.text((6, top + row * tile_px + (tile_px - FONT_PX) // 2), label, INK, label_font(FONT_PX))
    return np.asarray(sheet)


def _strip(path: Path, found: OpenLoop) -> Path:
    assert found.truth is not None
    assert found.dream is not None
    assert found.error is not None
    length = found.truth.shape[1]
    shown = np.unique(
        np.linspace(found.context - 1, length - 1, min(_STRIP_COLUMNS, length)).round().astype(int)
    )
    rows = [[part[0, step] for step in shown] for part in (found.truth, found.dream, found.error)]
    columns = ["given" if step < found.context else f"{step + 1 - found.context}" for step in shown]
    title = f"Imagined after {found.context} given steps: {_summary(found)}"
    save_strip(path, rows, ROWS, columns, title)
    return path


def _summary(found: OpenLoop) -> str:
    errors = found.picture_error[found.context :]
    last = int(np.flatnonzero(~np.isnan(errors))[-1]) if (~np.isnan(errors)).any() else 0
    return f"squared error {errors[0]:.2g} at the first step, {errors[last]:.2g} at step {last + 1}"


def _figures(found: OpenLoop) -> dict[str, object]:
    def plain(values: np.ndarray) -> list[float | None]:
        return [None if np.isnan(value) else round(float(value), 7) for value in values]

    return {
        "context": found.context,
        "picture_mse": plain(found.picture_error),
        "vector_mse": plain(found.vector_error),
        "reward_error": plain(found.reward_error),
        "end_error": plain(found.end_error),
        "clips": [int(count) for count in found.counted],
    }
