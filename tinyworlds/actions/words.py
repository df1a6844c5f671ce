"""What actions are called where a player reads it: ``turn_right`` is "turn right", ``attack`` is "shoot"."""

from __future__ import annotations

import re

_WORDS = {
    "noop": "do nothing",
    "nop": "do nothing",
    "idle": "do nothing",
    "attack": "shoot",
    "fire": "fire",
    "gas": "accelerate",
    "move_forward": "go forward",
    "move_backward": "go back",
    "move_left": "step left",
    "move_right": "step right",
    "use": "open, use",
    "altattack": "shoot, second way",
    "speed": "run",
}
_WAYS = "up|down|left|right"
_RUN_TOGETHER = re.compile(rf"({_WAYS})({_WAYS})?(fire)?")
"""As Atari writes them: ``upright``, ``leftfire``, ``downrightfire``."""


def player_words(name: str) -> str:
    """Return what an action does, in words of a player.

    Names that nobody has given (``action 3``) and those of a player's own stay as they are.

    Args:
        name: of the action, as the game or the world calls it; ``left+gas`` is both at once.
    """
    parts = name.split("+") if "+" in name.strip("+") else [name]
    return " and ".join(_one(part) for part in parts)


def _one(name: str) -> str:
    key = name.strip().lower()
    if key in _WORDS:
        return _WORDS[key]
    if ((together := _RUN_TOGETHER.fullmatch(key)) and together[2]) or (together and together[3]):
        ways = "-".join(way for way in together.groups()[:2] if way)
        return f"{ways} and fire" if together[3] else ways
    return re.sub(r"[_\s]+", " ", name).strip() or name
