"""Draws what the player reads: the enlarged frame, the figures top left, the key hints at the bottom.

Pure functions from pictures to pictures, RGB uint8 [H, W, 3]; no window is needed.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from tinyworlds.keys import USUAL_COMMANDS, Command, KeyHint
from tinyworlds.play.view import PlayFrame

WINDOW_PX = 512
_HINTED = (
    "help",
    "reset",
    "pause",
    "switch",
    "both",
    "rewind",
    "record",
    "quit",
)  # the others stand in the help

_FONT, _SCALE, _LINE_PX, _MARGIN_PX = cv2.FONT_HERSHEY_SIMPLEX, 0.45, 18, 6
_COLUMN_PX = 90
_WHITE, _RED, _YELLOW = (255, 255, 255), (255, 80, 80), (255, 220, 90)
_SIGNS = {
    "up": "Up", "down": "Down", "left": "Left", "right": "Right", "space": "Space", "enter": "Enter",
    "esc": "Esc", "backspace": "Backspace", "tab": "Tab",
}  # fmt: skip


def fit_square(image: np.ndarray, size: int = WINDOW_PX, smooth: bool = False) -> np.ndarray:
    """Fit a frame into a square of `size` pixels, keeping its shape; black borders fill the rest.

    Args:
        image: uint8 [H, W, 3].
        size: side of the square in pixels.
        smooth: cubic instead of nearest-neighbour interpolation.
    """
    height, width = image.shape[:2]
    factor = size / max(height, width)
    inner = (max(round(width * factor), 1), max(round(height * factor), 1))
    picture = cv2.resize(image, inner, interpolation=cv2.INTER_CUBIC if smooth else cv2.INTER_NEAREST)
    if inner == (size, size):
        return picture
    canvas = np.zeros((size, size, 3), np.uint8)
    top, left = (size - inner[1]) // 2, (size - inner[0]) // 2
    canvas[top : top + inner[1], left : left + inner[0]] = picture
    return canvas


def command_hints(commands: Sequence[Command]) -> str:
    """Return the line that names the commands a player needs most."""
    keys = {command.name: command.key for command in commands}
    return "   ".join(f"{sign(keys[name])} {name}" for name in _HINTED if name in keys)


def hint_lines(
    hints: Sequence[KeyHint],
    num_actions: int,
    notes: Sequence[str] = (),
    commands: Sequence[Command] = USUAL_COMMANDS,
    width_px: int = WINDOW_PX,
) -> list[str]:
    """Return the lines of hints: the game's keys and notes, wrapped to `width_px`, then the commands."""
    words = ["/".join(map(sign, hint.keys)) + f" {hint.name}" for hint in hints]
    if num_actions > 1:
        words.append(f"0-{min(num_actions, 10) - 1} action")
    words += notes
    lines = [""]
    for word in words:
        longer = f"{lines[-1]}   {word}" if lines[-1] else word
        if lines[-1] and _text_width(longer) > width_px - 2 * _MARGIN_PX:
            lines.append(word)
        else:
            lines[-1] = longer
    return [line for line in [*lines, command_hints(commands)] if line]


def sign(key: str) -> str:
    """Return how a key or chord is written for the player: ``"left+space"`` -> ``"Left+Space"``."""
    return "+".join(_SIGNS.get(part, part.upper()) for part in key.split("+"))


def figure_lines(frame: PlayFrame) -> list[str]:
    """Return what is said about a frame in figures."""
    late = f"   {frame.dropped} dropped" if frame.dropped else ""
    key = "" if frame.latency_ms is None else f"   key {frame.latency_ms:.0f} ms"
    steps = "" if frame.num_steps is None else f"   {frame.num_steps} step{'s' * (frame.num_steps > 1)}"
    action = "-" if frame.action is None else f"{frame.action} {frame.action_name}"
    sure = "" if frame.sure is None else f"   sure {100 * frame.sure:.0f} %"
    return [f"{frame.fps:.1f} FPS{key}{late}", f"action {action}", f"frame {frame.number}{steps}{sure}"]


def draw(
    frame: PlayFrame,
    hints: Sequence[str],
    size: int = WINDOW_PX,
    smooth: bool = False,
    commands: Sequence[Command] = USUAL_COMMANDS,
) -> np.ndarray:
    """Return the picture of a frame as the window shows it, uint8 [size, size, 3].

    Twice as wide, with the true frame or the real game to the right, where the player wants to see it and it
    is known. `commands` stand in the page of help.
    """
    canvas = fit_square(frame.image, size, smooth)
    lines = [(frame.label, _YELLOW)] if frame.label else []
    lines += [(line, _WHITE) for line in figure_lines(frame)]
    if frame.made_up:
        lines.append(("making it up", _RED))
    if frame.paused:
        lines.append(("paused", _YELLOW))
    if frame.recording:
        lines.append(("recording", _RED))
    if frame.message:
        lines.append((frame.message, _YELLOW))
    _text_block(canvas, lines, top=0)
    if frame.help:
        said = [(f"{sign(command.key)}\t{command.help}", _YELLOW) for command in commands]
        _text_block(canvas, said, top=_block_height(len(lines)) + _LINE_PX)
    _text_block(canvas, [(line, _WHITE) for line in hints], top=size - _block_height(len(hints)))
    if frame.truth is None:
        return canvas
    truth = fit_square(frame.truth, size, smooth)
    _text_block(truth, [(frame.truth_label, _YELLOW if frame.label else _WHITE)], top=0)
    return np.concatenate([canvas, truth], axis=1)


def _text_width(text: str) -> int:
    return cv2.getTextSize(text, _FONT, _SCALE, 1)[0][0]


def _block_height(num_lines: int) -> int:
    return num_lines * _LINE_PX + _MARGIN_PX


def _text_block(canvas: np.ndarray, lines: Sequence[tuple[str, tuple[int, int, int]]], top: int) -> None:
    """Write lines of text on a darkened box in the left part of `canvas`, in place; a tab begins a column."""
    if not lines:
        return
    limit = canvas.shape[1] - 2 * _MARGIN_PX
    texts = [(_shorten(text, limit), colour) for text, colour in lines]
    widths = [_text_width(text.rpartition("\t")[2]) + _COLUMN_PX * ("\t" in text) for text, _ in texts]
    width = max(widths) + 2 * _MARGIN_PX
    box = canvas[top : top + _block_height(len(texts)), :width]
    box[:] = box // 3  # text stays readable on any picture
    for number, (text, colour) in enumerate(texts, start=1):
        origin = (_MARGIN_PX, top + number * _LINE_PX - 3)
        for place, part in enumerate(text.split("\t")):
            left = origin[0] + place * _COLUMN_PX
            cv2.putText(canvas, part, (left, origin[1]), _FONT, _SCALE, colour, 1, cv2.LINE_AA)


def _shorten(text: str, width_px: int) -> str:
    if _text_width(text) <= width_px:
        return text
    while text and _text_width("..." + text) > width_px:
        text = text[1:]
    return "..." + text
