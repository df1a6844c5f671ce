"""Pictures on disk: labelled PNG strips. Frames are uint8 [H, W, 3] RGB."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from einops import repeat
from PIL import Image, ImageDraw, ImageFont

from tinyworlds.media.pixels import as_pictures
from tinyworlds.media.suffixes import check_picture_path
from tinyworlds.system.files import replacing

INK, PAPER = (20, 20, 20), (255, 255, 255)
FONT_PX, GAP_PX = 15, 4
STRIP_WIDTH_PX = 1800


def error_picture(prediction: torch.Tensor, truth: torch.Tensor, gain: float = 2.0) -> np.ndarray:
    """The absolute error times `gain`, black where right: [..., C, H, W] twice -> uint8 [..., H, W, C]."""
    error = (prediction.float().clamp(-1, 1) - truth.float()).abs() * gain
    return as_pictures(error - 1)


@lru_cache(maxsize=8)
def label_font(size_px: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """The font of all labels."""
    return ImageFont.load_default(size=size_px)


def text_width(text: str, size_px: int = FONT_PX) -> int:
    """Width of one line of text in pixels."""
    return round(label_font(size_px).getlength(text))


def enlarge(frame: np.ndarray, scale: int) -> np.ndarray:
    """Repeat every pixel `scale` times in both directions: sprites stay sharp."""
    return repeat(frame, "h w c -> (h y) (w x) c", y=scale, x=scale)


def strip(
    rows: Sequence[Sequence[np.ndarray]],
    labels: Sequence[str],
    columns: Sequence[str] = (),
    title: str = "",
    scale: int | None = None,
) -> np.ndarray:
    """Lay frames out as a labelled table.

    Args:
        rows: rows of uint8 frames [H, W, 3], all of one size; rows may be shorter than the longest.
        labels: one label a row, on the left.
        columns: one label a column, on top; too long ones are cut.
        title: a line above everything; wrapped to the width.
        scale: pixels per pixel; by default as large as fits about 1,800 pixels, at most 4.

    Returns:
        uint8 [H, W, 3].
    """
    height, width = rows[0][0].shape[:2]
    num_columns = max(len(row) for row in rows)
    left = max((text_width(label) for label in labels), default=0) + 5 * GAP_PX
    scale = scale or min(4, max(1, (STRIP_WIDTH_PX - left) // (num_columns * (width + GAP_PX))))
    step_x, step_y = width * scale + GAP_PX, height * scale + GAP_PX
    canvas_width = left + num_columns * step_x + GAP_PX
    lines = _wrap(title, canvas_width - 4 * GAP_PX)
    line_px = FONT_PX + 5
    top = GAP_PX + line_px * len(lines) + (line_px if columns else 0)
    sheet = Image.new("RGB", (canvas_width, top + len(rows) * step_y), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines):
        draw.text((2 * GAP_PX, GAP_PX + number * line_px), line, INK, label_font(FONT_PX))
    for column, text in enumerate(columns[:num_columns]):
        draw.text(
            (left + column * step_x, top - line_px), _cut(text, step_x - GAP_PX), INK, label_font(FONT_PX)
        )
    for row, (frames, label) in enumerate(zip(rows, labels, strict=True)):
        y = top + row * step_y
        draw.text((2 * GAP_PX, y + (step_y - GAP_PX - FONT_PX) // 2), label, INK, label_font(FONT_PX))
        for column, frame in enumerate(frames):
            sheet.paste(Image.fromarray(enlarge(frame, scale)), (left + column * step_x, y))
    return np.asarray(sheet)


def _wrap(text: str, width_px: int) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer) <= width_px:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _cut(text: str, width_px: int) -> str:
    while text and text_width(text) > width_px:
        text = text[:-1]
    return text


def save_picture(path: str | Path, picture: np.ndarray) -> Path:
    """Write a uint8 [H, W, 3] picture in the format that its name ends in; the whole file or none.

    Raises:
        ConfigError: it ends in nothing that pictures end in.
        StorageError: the disk is full or the path cannot be written.
    """
    check_picture_path(path)
    with replacing(path) as temporary:
        Image.fromarray(picture).save(temporary)
    return Path(path)


def save_strip(
    path: str | Path,
    rows: Sequence[Sequence[np.ndarray]],
    labels: Sequence[str],
    columns: Sequence[str] = (),
    title: str = "",
    scale: int | None = None,
) -> Path:
    """Write :func:`strip` of the same arguments, see :func:`save_picture`."""
    return save_picture(path, strip(rows, labels, columns, title, scale))
