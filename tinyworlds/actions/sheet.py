"""What each action does, as a PNG to read and a clip to watch. Frames are uint8 [H, W, 3]."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tinyworlds.actions.discovery import ActionReport, Discovery
from tinyworlds.actions.effects import MOVES_PX
from tinyworlds.errors import VideoError
from tinyworlds.media.pictures import enlarge, save_strip
from tinyworlds.media.video import save_video
from tinyworlds.world.info import nothing_found

if TYPE_CHECKING:
    from tinyworlds.world.core import WorldCore

log = logging.getLogger(__name__)

_PANEL_PX = 128
_STEPS = (1, 2, 4, 8)
_ARROWS = 8  # a side
_ARROW_GAIN = 3.0  # dreamt motion is a pixel or two
_CLIP_COLUMNS = 4
_INK, _PAPER = (255, 220, 60), (0, 0, 0)
_FONT, _FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.4


def draw(path: Path, sheet: str | None, world: WorldCore, found: Discovery) -> list[Path]:
    """Save sheet and clip at `sheet`, or beside the world in `path`; return where they are."""
    folder = path if path.is_dir() else path.parent
    picture = Path(sheet) if sheet else folder / f"{path.stem}_actions.png"
    what = f"What each action of {world.game or path.stem} ({world.info.actions}) does"
    title = f"{what}: held for several frames from the same starts"
    if missing := nothing_found(found.proposal.not_found):
        title = f"{title}; {missing}"
    clip = save_clip(picture.with_suffix(".mp4"), found, world.fps)
    return [save_sheet(picture, found, title), *([clip] if clip else [])]


def save_sheet(path: Path, found: Discovery, title: str) -> Path:
    """Draw one row an action: mean motion, then its dreams from the same starts; returns the PNG's path."""
    starts = found.dreams.shape[1]
    steps = [step for step in _STEPS if step < found.dreams.shape[2]]
    rows = []
    for report in found.actions:
        frames = [_arrows(found.dreams[report.action, 0, 0], report.effect.field)]
        for start in range(starts):
            frames += [_panel(found.dreams[report.action, start, step]) for step in (0, *steps)]
        rows.append(frames)
    columns = ["motion", *(["start", *(f"+{step}" for step in steps)] * starts)]
    return save_strip(path, rows, [_row_label(found, report) for report in found.actions], columns, title, 1)


def save_clip(path: Path, found: Discovery, fps: float) -> Path | None:
    """Write the dreams of all actions side by side, start after start.

    None, and a warning, where no codec works.
    """
    played = [
        _grid([_captioned(_panel(found.dreams[report.action, start, step]), _caption(found, report))
               for report in found.actions])
        for start in range(found.dreams.shape[1])
        for step in range(found.dreams.shape[2])
    ]  # fmt: skip
    try:
        return save_video(path, np.stack(played), fps)
    except VideoError as error:
        log.warning("%s; the sheet is written all the same.", error)
        return None


def _panel(frame: np.ndarray) -> np.ndarray:
    return enlarge(frame, max(1, _PANEL_PX // max(frame.shape[:2])))


def _arrows(frame: np.ndarray, field: np.ndarray) -> np.ndarray:
    """The start, darkened, with the mean motion of each part of the picture drawn as an arrow."""
    picture = np.ascontiguousarray(_panel(frame) // 3)
    height, width = picture.shape[:2]
    cells = cv2.resize(field, (_ARROWS, _ARROWS), interpolation=cv2.INTER_AREA)
    scale = width / field.shape[1] * _ARROW_GAIN
    for (row, column), (right, down) in zip(np.ndindex(_ARROWS, _ARROWS), cells.reshape(-1, 2), strict=True):
        if np.hypot(right, down) * _ARROW_GAIN < MOVES_PX:
            continue
        middle = (round((column + 0.5) * width / _ARROWS), round((row + 0.5) * height / _ARROWS))
        tip = (round(middle[0] + right * scale), round(middle[1] + down * scale))
        cv2.arrowedLine(picture, middle, tip, _INK, 1, cv2.LINE_AA, tipLength=0.4)
    return picture


def _row_label(found: Discovery, report: ActionReport) -> str:
    keys = "/".join(found.keys_of(report.action))
    share = "" if report.share is None else f"{report.share:.0%}"
    words = [f"{report.action} {report.name}", f"[{keys}]" if keys else "", share, report.remark]
    if not report.name.replace("_", " ").startswith(report.does):
        words.insert(1, f"({report.does})")
    return "  ".join(filter(None, words))


def _caption(found: Discovery, report: ActionReport) -> str:
    keys = "/".join(found.keys_of(report.action))
    return f"{report.action} {report.name}" + (f" [{keys}]" if keys else "")


def _captioned(panel: np.ndarray, text: str) -> np.ndarray:
    """A panel under a line of text, which is cut where it is too long."""
    while text and cv2.getTextSize(text, _FONT, _FONT_SCALE, 1)[0][0] > panel.shape[1] - 4:
        text = text[:-1]
    line = np.full((16, panel.shape[1], 3), _PAPER, np.uint8)
    cv2.putText(line, text, (2, 12), _FONT, _FONT_SCALE, _INK, 1, cv2.LINE_AA)
    return np.concatenate([line, panel])


def _grid(panels: list[np.ndarray]) -> np.ndarray:
    """Panels of one size in rows of `_CLIP_COLUMNS`."""
    columns = min(_CLIP_COLUMNS, len(panels))
    panels = panels + [np.zeros_like(panels[0])] * (-len(panels) % columns)
    rows = [np.concatenate(panels[i : i + columns], axis=1) for i in range(0, len(panels), columns)]
    return np.concatenate(rows)
