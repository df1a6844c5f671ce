"""What a page and the server say to each other; nothing here knows sockets.

From the page, one JSON object in a text message, with exactly these fields:

    {"type": "key", "key": "left", "down": true, "repeat": false, "id": 17}
    {"type": "bind", "key": "x", "action": 2}
    {"type": "seen"}                                   one for each frame that came, drawn or passed over
    {"type": "again"}                                  after the end: begin another session

`id` counts the key messages of a page. To the page, in text: what there is to play (`world_text`), how the
session stands (`state_text`), what was recorded (`recordings_text`). Frames are binary, numbers big-endian:
uint32 id of the page's last key message that acts in this frame, uint32 length of the header, the header
(JSON), the picture, and the true picture if there is one.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from tinyworlds.actions.words import player_words
from tinyworlds.keys import COMMANDS, USUAL_COMMANDS, Command, KeyBinding, KeyEvent, normalise_key
from tinyworlds.play.view import PlayFrame

JPEG_FROM_PX = 256 * 256  # smaller pictures go as PNG: enlarged, the traces of JPEG would show
JPEG_QUALITY = 90
_MAX_ID = 2**32 - 1
_NAMED_KEYS = {"space", "up", "down", "left", "right", "enter", "esc", "tab", "backspace"}
_LONGEST_KEY = 40  # characters, of a chord
_LABELS = {
    "reset": "start anew", "step": "one frame", "real": "back to real", "truth": "compare",
    "both": "side by side", "switch": "swap", "help": "keys",
}  # fmt: skip
"""What the button of a command says, where its name says too little."""
_LATIN = 0x250  # single characters beyond are not keys; pages name letters of other scripts by their place


@dataclass(frozen=True)
class KeyMessage:
    """A key of a page went down or up; `id` counts these messages."""

    event: KeyEvent
    id: int


@dataclass(frozen=True)
class Seen:
    """A page is done with a frame and has room for another."""


@dataclass(frozen=True)
class Again:
    """After the end of a session: somebody wants to play another."""


Message = KeyMessage | KeyBinding | Seen | Again

State = Literal["playing", "saving", "ended"]
"""How a session stands: it runs; it was ended, and its recordings are written; all is done."""


def read_message(text: str) -> Message | None:
    """Return what a page said, or None for anything that is not exactly one of the known messages."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return None
    match fields:
        case {"type": "seen", **rest} if not rest:
            return Seen()
        case {"type": "again", **rest} if not rest:
            return Again()
        case {
            "type": "key",
            "key": str(key),
            "down": bool(down),
            "repeat": bool(repeat),
            "id": number,
            **rest,
        }:
            name = _single_key(key)
            if name and not rest and _is_count(number):
                return KeyMessage(KeyEvent(name, down, repeat), number)
        case {"type": "bind", "key": str(key), "action": action, **rest}:
            name = _key_to_bind(key)
            if name and not rest and _is_count(action):
                return KeyBinding(name, action)
    return None


def world_text(
    title: str,
    fps: float,
    actions: Sequence[str],
    keys: Mapping[str, int],
    notes: Sequence[str] = (),
    commands: Sequence[Command] = USUAL_COMMANDS,
) -> str:
    """Return the message that tells a page what there is to play and which key takes which action.

    Actions are named in a player's words. Reserved are keys that no action can have: the commands of this
    session, and those of any other.
    """
    words = [_words(name) for name in actions]
    said = {"title": title, "fps": fps, "actions": words, "keys": dict(keys), "notes": list(notes)}
    reserved = dict.fromkeys([*COMMANDS, *(command.key for command in commands)])
    told = [{**asdict(command), "label": _LABELS.get(command.name, command.name)} for command in commands]
    return json.dumps({"type": "world", **said, "commands": told, "reserved": [*reserved]})


def state_text(state: State) -> str:
    """Return the message that tells a page how the session stands."""
    return json.dumps({"type": "state", "state": state})


def recordings_text(files: Sequence[Path]) -> str:
    """Return the message that names the files that a page may ask for, with their sizes in bytes."""
    told = [{"name": file.name, "bytes": file.stat().st_size} for file in files if file.is_file()]
    return json.dumps({"type": "recordings", "files": told})


def pack_frame(frame: PlayFrame, serial: int) -> bytes:
    """Return a frame as bytes, all but the id that differs from page to page (`address_frame`).

    Args:
        frame: what to show.
        serial: counts the frames that were shown, so that a page knows how many it passed over.
    """
    kind = "png" if frame.image.shape[0] * frame.image.shape[1] < JPEG_FROM_PX else "jpeg"
    pictures = [_encode(image, kind) for image in (frame.image, frame.truth) if image is not None]
    header: dict[str, Any] = {
        "serial": serial,
        "type": f"image/{kind}",
        "sizes": [len(picture) for picture in pictures],
        "number": frame.number,
        "action": frame.action,
        "fps": round(frame.fps, 1),
        "steps": frame.num_steps,
        "dropped": frame.dropped,
        "paused": frame.paused,
        "recording": frame.recording,
        "message": frame.message,
        "labels": [frame.label, frame.truth_label],
        "sure": None if frame.sure is None else round(frame.sure, 3),
        "made_up": frame.made_up,
    }
    text = json.dumps(header).encode()
    return b"".join([struct.pack(">I", len(text)), text, *pictures])


def address_frame(packed: bytes, acted: int) -> bytes:
    """Return the message for one page: a packed frame, and the page's last key that acts in it."""
    return struct.pack(">I", acted) + packed


def _words(name: str) -> str:
    """A player's words for an action, or for one in each of two worlds."""
    return " | ".join(player_words(part) for part in name.split(" | "))


def _encode(image: np.ndarray, kind: str) -> bytes:
    settings = [cv2.IMWRITE_PNG_COMPRESSION, 1] if kind == "png" else [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    _, data = cv2.imencode(f".{kind}", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), settings)
    return data.tobytes()


def _single_key(name: str) -> str | None:
    """Return our name of one key; None for a chord and for what is no key."""
    if len(name) > _LONGEST_KEY:
        return None
    key = normalise_key(name)
    printable = len(key) == 1 and key.isprintable() and ord(key) < _LATIN and key != "+"
    return key if printable or key in _NAMED_KEYS else None


def _key_to_bind(name: str) -> str | None:
    """Return our name of a key or chord that may take an action.

    Commands keep their meaning, and a digit always chooses the action of that number.
    """
    if len(name) > _LONGEST_KEY:
        return None
    parts = normalise_key(name).split("+")
    if all(_single_key(part) and part not in COMMANDS and not part.isdigit() for part in parts):
        return "+".join(dict.fromkeys(parts))
    return None


def _is_count(number: object) -> bool:
    return type(number) is int and 0 <= number <= _MAX_ID  # True is an int, too
