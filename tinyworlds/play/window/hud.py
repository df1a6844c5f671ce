"""What is said beside the picture, as lines of text: keys in a player's words, figures, states, help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from tinyworlds.actions.words import player_words
from tinyworlds.keys import Command, KeyHint, key_label
from tinyworlds.play.view import PlayFrame

Tone = Literal["plain", "title", "quiet", "bright", "alarm", "pressed"]

WINDOW_KEYS = (("F1", "hide or show this panel"), ("F11", "full screen"))
"""What the window does by itself, whatever plays in it."""


@dataclass(frozen=True)
class Line:
    """A line; `key` stands before it in a column of its own."""

    text: str
    tone: Tone = "plain"
    key: str = ""


@dataclass(frozen=True)
class Hud:
    """What a window says of a game.

    Attributes:
        title: of the game.
        hints: its keys, by action.
        num_actions: how many there are; digits choose among them where more than the keys tell.
        notes: what else a player should know.
        commands: the session's.
        menu: whether Esc opens the menu rather than ends.
    """

    title: str
    hints: Sequence[KeyHint] = ()
    num_actions: int = 0
    notes: Sequence[str] = ()
    commands: Sequence[Command] = field(default=())
    menu: bool = True

    def keys(self, action: int | None = None) -> list[Line]:
        """The game's keys in words; that of `action` is marked."""
        lines = []
        for hint in self.hints:
            label = ", ".join(map(key_label, hint.keys[:3]))
            tone: Tone = "pressed" if hint.action == action else "plain"
            lines.append(Line(player_words(hint.name), tone, label))
        if self.num_actions > len(self.hints):
            lines.append(Line("actions by number", "quiet", f"0 to {min(self.num_actions, 10) - 1}"))
        return lines

    def figures(self, frame: PlayFrame) -> list[Line]:
        """How it goes, in figures."""
        lines = [Line(f"{frame.fps:.1f} frames a second" + f", {frame.dropped} late" * bool(frame.dropped))]
        if frame.latency_ms is not None:
            lines.append(Line(f"key to picture {frame.latency_ms:.0f} ms"))
        steps = frame.num_steps
        said = "" if steps is None else f", {steps} decoding step{'s' * (steps > 1)}"
        lines.append(Line(f"frame {frame.number}{said}"))
        if frame.sure is not None:
            lines.append(Line(f"sure of it: {100 * frame.sure:.0f} %"))
        return [Line(line.text, "quiet") for line in lines]

    def states(self, frame: PlayFrame) -> list[Line]:
        """What a player must not overlook."""
        said = [("paused", frame.paused, "bright"), ("recording", frame.recording, "alarm")]
        said.append(("making it up", frame.made_up, "alarm"))
        return [Line(text, tone) for text, holds, tone in said if holds]  # type: ignore[arg-type]

    def footer(self) -> list[Line]:
        """The keys that lead to all others."""
        names = {command.name: command for command in self.commands}
        told = [Line("all keys", "quiet", key_label(names["help"].key))] if "help" in names else []
        if "quit" in names:
            quits = "menu" if self.menu else names["quit"].help
            told.append(Line(quits, "quiet", key_label(names["quit"].key)))
        return told + [Line(text, "quiet", key) for key, text in WINDOW_KEYS]

    def help(self) -> list[Line]:
        """The page of help: the game's own keys first, then what the session can do."""
        lines = [Line(self.title, "title"), *self.keys(), *(Line(note, "quiet") for note in self.notes)]
        lines += [Line(""), Line("At any time", "title")]
        lines += [
            Line(
                self._quit(command) if command.name == "quit" else command.help,
                "plain",
                key_label(command.key),
            )
            for command in self.commands
        ]
        return lines + [Line(text, "plain", key) for key, text in WINDOW_KEYS]

    def first_hint(self) -> str:
        """One line for the first seconds."""
        told = [line for line in self.keys() if line.text != "do nothing" and line.tone == "plain"][:4]
        words = [f"{line.key.split(',')[0]}: {line.text}" for line in told]
        return " · ".join([*words, *(f"{line.key}: {line.text}" for line in self.footer()[:2])])

    def _quit(self, command: Command) -> str:
        return "menu: go on, start anew, another world, quit" if self.menu else command.help
