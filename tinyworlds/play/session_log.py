"""The log of a session: what it takes to see the same frames again.

A session depends on its world, its seed and the events of each tick (see `session`), so these are what a log
holds. On the same device the frames of a replay are the same bit for bit; another device rounds otherwise.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tinyworlds.errors import ConfigError, MissingFileError
from tinyworlds.keys import KeyBinding, KeyEvent, complete_key_map
from tinyworlds.play.view import Event, PlayableWorld, PlayFrame
from tinyworlds.system.documents import read_json
from tinyworlds.system.files import write_text
from tinyworlds.system.text import visible
from tinyworlds.world.header import PLAY, check, is_number, is_whole

_FORMAT = "tinyworlds session 2"
_MOST_TICKS = 1 << 18  # nearly five hours at 15 frames a second; the frames of a replay stay in memory
_MOST_ACTIONS = 1 << 16
_REMEDY = "play with --record to write one"


@dataclass
class SessionLog:
    """What happened in a session.

    Attributes:
        world: fingerprint of the weights that were played; empty until `complete`.
        game: its title.
        seed: of the session.
        fps: frames per second.
        settings: how frames were decoded, as keyword arguments of `World`; of each world that was played.
        key_map: key or chord to action.
        device: where it ran.
        events: ``[tick, key, True if it went down]``, or ``[tick, key, action]`` where the player gave a key
            another action; in order.
        num_ticks: frames that were shown.
        start: hash of the clips that it started from; empty in older logs.
        real: the game that ran beside it, as ``--real`` names it; None without one.
    """

    world: str
    game: str
    seed: int
    fps: float
    settings: list[dict[str, Any]]
    key_map: dict[str, int]
    device: str
    events: list[list[Any]] = field(default_factory=list)
    num_ticks: int = 0
    start: str = ""
    real: str | None = None

    def __repr__(self) -> str:
        return (
            f"SessionLog of {visible(self.game) or 'an unnamed game'}: {self.num_ticks:,} frames at "
            f"{self.fps:g} a second, {len(self.events):,} events of keys, seed {self.seed}, on "
            f"{visible(self.device)}"
        )

    def note(self, tick: int, events: Iterable[Event]) -> None:
        """Add the events that a tick takes in; auto-repeats change nothing and are left out."""
        for event in events:
            if isinstance(event, KeyBinding):
                self.events.append([tick, event.key, event.action])
            elif not event.repeat:
                self.events.append([tick, event.key, event.down])

    def complete(self, world: PlayableWorld, num_ticks: int) -> None:
        """Add what only a log that is kept needs: hashing the weights of a large world takes seconds."""
        self.world, self.num_ticks, self.start = _fingerprint(world), num_ticks, _start(world)

    def write(self, path: str | Path) -> Path:
        """Write the log as JSON."""
        write_text(path, json.dumps({"format": _FORMAT, **asdict(self)}, indent=1) + "\n")
        return Path(path)

    @classmethod
    def read(cls, path: str | Path) -> SessionLog:
        """Read a log.

        Raises:
            MissingFileError: there is no such file.
            ConfigError: it is no log of a session.
        """
        try:
            entries = read_json(path)
            if entries.pop("format", None) != _FORMAT:
                raise ValueError("another format")
            check(entries, _ENTRIES)
            return cls(**entries)
        except MissingFileError:
            if Path(path).is_file():  # and no file of its own, but a pointer
                raise
            raise MissingFileError(f"there is no session log {path}: {_REMEDY}") from None
        except (ValueError, TypeError, KeyError, OSError) as error:
            reason = " ".join(str(error).split())[:100]
            raise ConfigError(f"{path} is no log of a session ({reason}): {_REMEDY}") from None


def _are_events(value: Any) -> bool:
    def is_event(event: Any) -> bool:
        if not isinstance(event, list) or len(event) != 3:
            return False
        tick, key, then = event
        is_action = isinstance(then, bool) or is_whole(then, 0, _MOST_ACTIONS)
        return is_whole(tick, 0, _MOST_TICKS) and isinstance(key, str) and len(key) < 100 and is_action

    return isinstance(value, list) and all(map(is_event, value))


def _are_settings(value: Any) -> bool:
    """Whether each is what `_settings` writes: arguments of `World`, and none that name files or code."""
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        return False
    return all(name in _DECODING and _DECODING[name](it) for each in value for name, it in each.items())


def _is_key_map(value: Any) -> bool:
    known = isinstance(value, dict) and len(value) < 10_000
    return known and all(
        len(key) < 100 and is_whole(action, 0, _MOST_ACTIONS) for key, action in value.items()
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) < 1000


_DECODING: dict[str, Callable[[Any], bool]] = {
    **PLAY,
    "feedback": lambda value: value in ("codes", "memory", "pixels"),
    "precision": lambda value: value in ("32", "bf16"),
    "compile": lambda value: isinstance(value, bool),
}
_ENTRIES: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("world", "game", "device", "start"), _is_text),
    "seed": lambda value: is_whole(value, 0, (1 << 63) - 1),
    "fps": lambda value: is_number(value, 0.01, 1000),
    "settings": _are_settings,
    "key_map": _is_key_map,
    "events": _are_events,
    "num_ticks": lambda value: is_whole(value, 0, _MOST_TICKS),
    "real": lambda value: value is None or _is_text(value),
}


def new_log(world: PlayableWorld, seed: int, fps: float, real: str | None = None) -> SessionLog:
    """Begin the log of a session; `real` is as `SessionLog` has it."""
    key_map = complete_key_map(world.key_map, world.num_actions)
    settings = [_settings(each) for each in _worlds(world)]
    return SessionLog("", world.game, seed, fps, settings, key_map, _device(world), real=real)


def check_replayable(log: SessionLog, world: PlayableWorld, real: str | None = None) -> str:
    """Make sure that a world is the one of a log; return why frames may differ all the same, or nothing.

    Raises:
        ConfigError: it has other weights, or the real game `real` beside it is another one.
    """
    if real != log.real:
        wanted = "leave --real out" if log.real is None else f"add --real {log.real}".rstrip()
        raise ConfigError(
            f"the log was played {'without' if log.real is None else 'beside'} a real game: {wanted}"
        )
    if (playing := _fingerprint(world)) != log.world:
        raise ConfigError(
            f"the log is of the world {log.world} ({log.game}), this one is {playing} ({world.game}):"
            " replay it with the file that was played"
        )
    if log.start not in ("", _start(world)):
        return "it started from other pictures, so the frames differ: add --start FILE, as it was played"
    if (device := _device(world)) != log.device:
        return f"played on {log.device}, replayed on {device}: the frames may differ a little"
    return ""


def _worlds(world: PlayableWorld) -> Sequence[Any]:
    return getattr(world, "worlds", (world,))


def _device(world: PlayableWorld) -> str:
    return str(getattr(world, "device", ""))


def _fingerprint(world: PlayableWorld) -> str:
    from tinyworlds.checkpoints.load import fingerprint

    names = ("tokenizer", "dynamics", "latent_actions")
    networks = [getattr(each, name, None) for each in _worlds(world) for name in names]
    return "-".join(fingerprint(network)[:8] for network in networks if network is not None)


def _start(world: PlayableWorld) -> str:
    clips = [each.start_clips.frames for each in _worlds(world) if getattr(each, "start_clips", None)]
    return hashlib.sha256(b"".join(frames.tobytes() for frames in clips)).hexdigest()[:16]


def _settings(world: Any) -> dict[str, Any]:
    sampling = getattr(world, "sampling", None)
    if sampling is None:
        return {}
    settings = asdict(sampling) | {"context_frames": world.context_frames, "feedback": world.feedback}
    settings |= {"precision": "bf16" if world.bf16 else "32"}
    return settings | ({"compile": True} if world.compiled else {})  # it rounds in its own way


class ReplayView:
    """Plays a log instead of a player, and keeps the frames (a `View` for `play_through`)."""

    def __init__(self, log: SessionLog) -> None:
        self.frames: list[PlayFrame] = []
        self._log, self._next = log, 0

    def poll(self) -> list[Event]:
        """Return the events of the tick that comes next; after the last one the session is asked to quit."""
        tick = len(self.frames)
        if tick >= self._log.num_ticks:
            return [KeyEvent("esc")]
        taken = []
        while self._next < len(self._log.events) and self._log.events[self._next][0] <= tick:
            _, key, value = self._log.events[self._next]
            self._next += 1
            taken.append(KeyEvent(key, down=value) if isinstance(value, bool) else KeyBinding(key, value))
        return taken

    def show(self, frame: PlayFrame) -> None:
        """Keep the frame."""
        self.frames.append(frame)

    def wait(self, seconds: float) -> None:
        """Nobody watches: go on at once."""
