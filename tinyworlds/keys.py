"""What a key means: names of keys, the session's commands, and keys to action ids.

Keys are lower-case names: ``"a"`` ... ``"z"``, ``"0"`` ... ``"9"``, ``"space"``, ``"up"``, ``"down"``,
``"left"``, ``"right"``, ``"enter"``, ``"esc"``, ``"tab"``, ``"backspace"``, ``"."``. The commands below mean
the same in every game; all other keys are the game's. A digit selects the action id of that number, unless
the game's key map gives it another meaning. Keys held together may have an action of their own:
``"left+space"`` in a key map.

This file knows neither worlds nor windows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tinyworlds.errors import ConfigError, did_you_mean

COMMANDS = {
    "r": "reset", "p": "pause", ".": "step", "backspace": "rewind", "f": "fork", "v": "record", "b": "real",
    "g": "truth", "h": "help", "esc": "quit",
}  # fmt: skip

COMMAND_HELP = {
    "r": "start anew",
    "p": "pause",
    ".": "one frame, then pause",
    "backspace": "hold to rewind",
    "f": "fork here; again: back to the fork",
    "v": "record, stop recording",
    "b": "back to a real frame",
    "g": "the true clip beside the dream",
    "h": "this help",
    "esc": "quit",
}
"""What each command does, for a page of help."""

_BESIDE_HELP = {
    "r": "start both anew, at one place",
    "p": "pause",
    ".": "one frame, then pause",
    "b": "the dream goes on from where the game is",
    "g": "dream and real game side by side",
    "v": "record the dream, stop recording",
    "h": "this help",
    "esc": "quit",
}
_SWITCH_KEYS = "tyxczqe"  # the first of them that is no key of the game
_AGENT_KEYS = "oklm"  # likewise

_SPELLINGS = {
    " ": "space", "spacebar": "space", "return": "enter", "escape": "esc", "period": ".",
    "arrowup": "up", "arrowdown": "down", "arrowleft": "left", "arrowright": "right",
}  # fmt: skip
_TWINS = {"w": "up", "a": "left", "s": "down", "d": "right"}
_TWINS |= {arrow: letter for letter, arrow in _TWINS.items()}
NAMED_KEYS = ("space", "up", "down", "left", "right", "enter", "esc", "tab", "backspace")
"""Keys with more than one letter, as people type them."""
_IDLE = ("idle", "none", ".")


@dataclass(frozen=True)
class KeyEvent:
    """A key went down or up; `repeat` marks the auto-repeat of a key that is already down."""

    key: str
    down: bool = True
    repeat: bool = False


@dataclass(frozen=True)
class KeyBinding:
    """The player's wish that from now on a key takes an action."""

    key: str
    action: int


@dataclass(frozen=True)
class Command:
    """A key that commands the session, whatever the game; `help` says what it does."""

    key: str
    name: str
    help: str


@dataclass(frozen=True)
class KeyHint:
    """The keys that take one action, for the line of hints below the picture."""

    keys: tuple[str, ...]
    action: int
    name: str


def key_label(key: str) -> str:
    """Return how a key or chord is written for a player: ``"left+space"`` -> ``"Left+Space"``."""
    parts = ("period" if part == "." else part for part in key.split("+"))  # a dot alone is overlooked
    return "+".join(part.capitalize() if len(part) > 1 else part.upper() for part in parts)


def normalise_key(name: str) -> str:
    """Return our name of a key: ``"W"`` -> ``"w"``, ``"ArrowUp"`` -> ``"up"``, ``" "`` -> ``"space"``.

    Keys of a chord come in alphabetical order: ``"Space+Left"`` -> ``"left+space"``.
    """
    keys = name.lower().split("+") if len(name) > 1 else [name.lower()]
    return "+".join(sorted(_SPELLINGS.get(key, key) for key in keys))


def complete_key_map(key_map: Mapping[str, int], num_actions: int) -> dict[str, int]:
    """Return all keys that take an action.

    Entries whose action the world does not have and keys taken by a command are left out; W/A/S/D and the
    arrows stand in for each other where the map names only one of the two; digits are added up to
    ``num_actions - 1``.

    Args:
        key_map: the game's own map from key to action id.
        num_actions: how many actions the world has; ids are 0 ... `num_actions` - 1.
    """
    given = {normalise_key(key): int(action) for key, action in key_map.items()}
    keys = {
        key: a for key, a in given.items() if 0 <= a < num_actions and not COMMANDS.keys() & key.split("+")
    }
    for key in [key for key in keys if _TWINS.keys() & key.split("+")]:
        twin = "+".join(sorted(_TWINS.get(part, part) for part in key.split("+")))
        if twin not in given:
            keys[twin] = keys[key]
    for digit in range(min(num_actions, 10)):
        keys.setdefault(str(digit), digit)
    return keys


def session_commands(
    key_map: Mapping[str, int] | None = None, beside: bool = False, has_agent: bool = False
) -> tuple[Command, ...]:
    """Return the commands of a session.

    Args:
        key_map: the world's keys, which are asked only where a letter is looked for that is none of them.
        beside: whether a real game runs beside the dream. It cannot go back, so neither can the session; a
            key switches between the two: `t`, or the next letter that is no key of the game.
        has_agent: whether an agent can take over: `o` lets it, or the next letter.
    """
    taken = {part for entry in key_map or () for part in entry.split("+")}
    names, helped = ({**COMMANDS, "g": "both"}, _BESIDE_HELP) if beside else (COMMANDS, COMMAND_HELP)
    commands = [Command(key, names[key], helped[key]) for key in helped]
    switch = next((key for key in _SWITCH_KEYS if key not in taken), None)
    if beside and switch is not None:
        commands.insert(3, Command(switch, "switch", "the dream or the real game"))
    agent = next((key for key in _AGENT_KEYS if key not in taken), None)
    if has_agent and agent is not None:
        commands.insert(3, Command(agent, "agent", "the agent plays, or you"))
    return tuple(commands)


USUAL_COMMANDS = session_commands()
"""Those of a dream alone."""


def held_action(held: Sequence[str], key_map: Mapping[str, int]) -> int | None:
    """Return the action of the keys that are held, in the order in which they were pressed.

    Of the entries whose keys are all held, the one with the most keys counts; among equals the one with the
    key pressed last. None where none of the keys has a meaning.
    """
    pressed = {key: place for place, key in enumerate(held)}
    entries = [(entry.split("+"), action) for entry, action in key_map.items()]
    found = [
        (len(keys), max(pressed[key] for key in keys), action)
        for keys, action in entries
        if pressed.keys() >= set(keys)
    ]
    return max(found)[2] if found else None


def key_hints(key_map: Mapping[str, int], names: Sequence[str]) -> list[KeyHint]:
    """Group a completed key map by action; digits are left out, they explain themselves."""
    groups: dict[int, list[str]] = {}
    for key, action in key_map.items():
        if not key.isdigit():
            groups.setdefault(action, []).append(key)
    return [KeyHint(tuple(keys), action, names[action]) for action, keys in sorted(groups.items())]


def is_key(name: str) -> bool:
    """Whether this is our name of a key that a person can type: ``"w"``, ``"3"``, ``"space"``."""
    return name in NAMED_KEYS or bool(re.fullmatch(r"[a-z0-9]", name))


def parse_script(text: str) -> list[str | None]:
    """Read a key script such as ``"w*10 d*20 idle*5 left+space"``: what is held in each frame.

    Args:
        text: words ``KEY`` or ``KEY*COUNT``; a key may be several held together (``left+space``); ``idle``
            (also ``none`` or ``.``) stands for no key.

    Returns:
        The key (or keys, ``"left+space"``) of every frame, ``None`` where none is held.

    Raises:
        ConfigError: a word is not a key, or a count is not a positive number.
    """
    frames: list[str | None] = []
    for word in text.replace(",", " ").split():
        key, star, count = word.partition("*")
        key = normalise_key(key)
        if key not in _IDLE and (wrong := [part for part in key.split("+") if not is_key(part)]):
            hint = did_you_mean(wrong[0], [*NAMED_KEYS, *_IDLE])
            raise ConfigError(
                f"'{word}' in the keys is no key; write for example 'w*10 space idle*5 3 left+space'.{hint}"
            )
        if star and not re.fullmatch(r"[1-9][0-9]{0,6}", count):
            raise ConfigError(f"'{word}' in the keys needs a count above 0 after '*', as in '{key}*10'")
        frames += [None if key in _IDLE else key] * (int(count) if star else 1)
    if not frames:
        raise ConfigError("the keys are empty; write for example --keys 'w*10 d*20'")
    return frames


def keys_without_meaning(
    script: Iterable[str | None], key_map: Mapping[str, int], commands: Iterable[str] = COMMANDS
) -> list[str]:
    """Return the keys of a script that neither take an action nor are `commands`, each once."""
    known = {*commands}
    keys = {key for key in script if key is not None and not known & {*key.split("+")}}
    return sorted(key for key in keys if held_action(key.split("+"), key_map) is None)


def do_nothing(unused: Sequence[str], key_map: Mapping[str, int]) -> str:
    """Return what a player should know of keys without meaning, and which keys there are."""
    verb = "does" if len(unused) == 1 else "do"
    known = ", ".join(sorted(key_map, key=lambda key: (len(key), key)))
    return f"{', '.join(unused)} {verb} nothing in this world; it has {known}"
