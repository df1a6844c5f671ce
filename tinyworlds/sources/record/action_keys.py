"""The keys a person would press for the actions of a game, guessed from the actions' names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tinyworlds.keys import complete_key_map, normalise_key

_KEYS = {
    "left": "left", "right": "right", "up": "up", "down": "down",
    "forward": "up", "backward": "down", "back": "down",
    "fire": "space", "attack": "space", "jump": "space", "b": "space",
    "gas": "up", "brake": "down", "use": "e", "select": "tab", "start": "enter",
}  # fmt: skip
_WITHOUT_MEANING = ("move", "turn", "strafe", "look", "button", "press")
_IDLE = ("noop", "idle", "none")


def action_keys(names: Sequence[str]) -> dict[str, int]:
    """Return key, or keys held together (``"right+up"``), to action id.

    ``"move_left"`` is the left arrow, ``"upright"`` up and right, ``"attack"`` the space bar; a single letter
    is the key of that letter. A digit takes the action of that id, whatever its name.

    Args:
        names: of the actions, by id.
    """
    keys: dict[str, int] = {}
    for action, name in enumerate(names):
        chord = [_key(word) for word in _words(name)]
        if chord and None not in chord:
            keys.setdefault(normalise_key("+".join(map(str, chord))), action)
    return complete_key_map(keys, len(names))


def idle_action(names: Sequence[str]) -> int:
    """Return the action that does nothing; the first one where none is called so."""
    return next((action for action, name in enumerate(names) if name.lower() in _IDLE), 0)


def _words(name: str) -> list[str]:
    """``"turn_left"`` -> ["left"], ``"downleftfire"`` -> ["down", "left", "fire"]."""
    words = []
    for part in re.split(r"[+_ \-]+", name.lower()):
        joined = re.fullmatch(r"(up|down)?(left|right)?(fire)?", part)
        words += [word for word in joined.groups() if word] if joined else [part]
    return [word for word in words if word not in _WITHOUT_MEANING]


def _key(word: str) -> str | None:
    return _KEYS.get(word) or (word if re.fullmatch("[a-z]", word) else None)
