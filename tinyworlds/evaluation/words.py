"""What a report says to a person: which keys work how often, how long before it drifts, how it looks.

Every sentence rests on figures of the report; what the words stand for is in docs/evaluation.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tinyworlds.actions.words import player_words
from tinyworlds.errors import listed
from tinyworlds.evaluation.drawn import Mood
from tinyworlds.evaluation.play_test.result import MOVING
from tinyworlds.keys import key_label

if TYPE_CHECKING:
    from tinyworlds.evaluation.play_test.result import KeyResult, PlayTest
    from tinyworlds.evaluation.report import Report

WORKS, AT_TIMES = 0.75, 0.5
"""Shares of frames from which on a key is said to work, and to work at times."""
DRIFTED = 1.25
"""How many times as far from the game as at frames 17 to 32 counts as drifted."""
LIVELY = (0.5, 1.5)
"""Change a frame over the game's, within which it is said to move as the game does."""
CLEAR_DB, BLURRED_DB = 28.0, 24.0


@dataclass(frozen=True)
class Sentence:
    """Something that a person wants to know, and whether it is good news."""

    mood: Mood
    text: str


@dataclass(frozen=True)
class KeyWords:
    """One key as a player meets it.

    Attributes:
        keys: on the keyboard, ``"Left, A"``; empty where none is known.
        does: what it does, in words.
        share: of all frames while it is held, in which it is seen, 0 to 1; None where the world has nothing
            for it.
        early: the same in the first band of frames.
        late: in the last.
        reachable: the same in true frames.
        life: least and most change a frame over the game's, where the game moves; None where it does not.
    """

    keys: str
    does: str
    share: float | None
    early: float
    late: float
    reachable: float
    life: tuple[float, float] | None

    @property
    def mood(self) -> Mood:
        """How well it works."""
        share = self.share or 0.0
        return "good" if share >= WORKS else "fair" if share >= AT_TIMES else "poor"

    @property
    def verdict(self) -> str:
        """The same in words."""
        if self.share is None:
            return "nothing found for it"
        return {"good": "works", "fair": "works at times", "poor": "hardly works"}[self.mood]

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        return f"{self.does} ({self.keys})" if self.keys else self.does


def key_words(play: PlayTest) -> list[KeyWords]:
    """Every key that was held, the weakest first."""
    return [_key(key) for key in sorted(play.keys, key=lambda key: (key.sent is not None, key.overall))]


def _key(key: KeyResult) -> KeyWords:
    moving = [
        life
        for life, change in zip(key.life, key.change_game, strict=True)
        if change >= MOVING and math.isfinite(life)
    ]
    return KeyWords(
        keys=", ".join(map(key_label, key.pressed)),
        does=player_words(key.name),
        share=None if key.sent is None else key.overall,
        early=key.read_back[0],
        late=key.read_back[-1],
        reachable=key.read_game,
        life=(min(moving), max(moving)) if moving else None,
    )


def steady_frames(play: PlayTest) -> int | None:
    """How many frames of play pass before it has drifted; None where nobody played on."""
    if len(play.drift) < 2:
        return None
    usual = play.drift[1]
    for (first, _), distance in zip(play.drift_bands[2:], play.drift[2:], strict=True):
        if distance > DRIFTED * usual:
            return first - 1
    return play.drift_bands[-1][1]


def sentences(report: Report) -> list[Sentence]:
    """What the figures say, the most important first."""
    told = [*_of_keys(report), *_of_drift(report), *_of_life(report), *_of_pictures(report)]
    if report.num_episodes < 2:
        told.append(
            Sentence("fair", "Measured on a single episode: how sure these figures are, nobody can say.")
        )
    return told


def _of_keys(report: Report) -> Iterator[Sentence]:
    if report.play is None:
        yield from _of_listening(report)
        return
    keys = key_words(report.play)
    works = [key for key in keys if key.mood == "good"]
    if len(works) == len(keys):
        least = min(key.share or 0.0 for key in keys)
        all_keys = f"All {len(keys)} keys work" if len(keys) > 1 else "Its one key works"
        yield Sentence("good", f"{all_keys}: held, each is seen in {_of_hundred(least)} or more.")
    else:
        mood: Mood = "fair" if len(works) >= len(keys) / 2 else "poor"
        yield Sentence(mood, f"{len(works)} of {len(keys)} keys work (seen in 75 of 100 frames or more).")
        at_times = [f"{key.name} in {_of_hundred(key.share)}" for key in keys if key.mood == "fair"]
        weak = [f"{key.name} in {_of_hundred(key.share)}" for key in keys
                if key.mood == "poor" and key.share is not None]  # fmt: skip
        if at_times:
            yield Sentence("fair", f"At times: {listed(at_times)}.")
        if weak:
            yield Sentence("poor", f"Hardly: {listed(weak)}.")
        if missing := [key.name for key in keys if key.share is None]:
            yield Sentence("poor", f"Nothing was found for {listed(missing)}: the world idles there.")
    if tiring := [key.name for key in keys if key.early >= AT_TIMES > key.late]:
        yield Sentence("poor", f"Held for long, {listed(tiring)} fades.")


def _of_listening(report: Report) -> Iterator[Sentence]:
    if not (bars := report.listening_bars):
        yield Sentence("fair", "This world has no keys: it goes on by itself.")
    elif report.missed(bars):
        yield Sentence("poor", "What is pressed makes no certain difference to what is seen.")
    else:
        yield Sentence("good", "It listens: with the right actions it is nearer to the game than without.")


def _of_drift(report: Report) -> Iterator[Sentence]:
    play = report.play
    steady = None if play is None else steady_frames(play)
    if play is None or steady is None:
        return
    end = play.drift_bands[-1][1]
    if steady >= end:
        yield Sentence("good", f"No drift within {_time(end, report)}, as far as was played.")
        return
    times = play.drift[-1] / play.drift[1]
    mood: Mood = "poor" if steady <= play.drift_bands[1][1] else "fair"
    yield Sentence(
        mood,
        f"It drifts after about {_time(steady, report)} of play: at the end (frame {end}) it is "
        f"{times:.1f} times as far from the game as at first.",
    )


def _of_life(report: Report) -> Iterator[Sentence]:
    if report.play is None:
        return
    keys = [key for key in key_words(report.play) if key.life is not None and key.share is not None]
    slow = [f"{key.name}, {key.life[0]:.1f} times" for key in keys if key.life and key.life[0] < LIVELY[0]]
    wild = [f"{key.name}, up to {key.life[1]:.1f} times" for key in keys
            if key.life and key.life[1] > LIVELY[1]]  # fmt: skip
    if slow:
        yield Sentence("poor", f"It moves less than the game does: {listed(slow)}.")
    if wild:
        yield Sentence("fair", f"It flickers, moving more than the game does: {listed(wild)}.")
    if keys and not slow and not wild:
        yield Sentence("good", "It moves about as much as the game does, whichever key is held.")


def _of_pictures(report: Report) -> Iterator[Sentence]:
    found = report.value("tokenizer_psnr")
    if math.isfinite(found):
        mood: Mood = "good" if found >= CLEAR_DB else "fair" if found >= BLURRED_DB else "poor"
        look = {"good": "clear", "fair": "soft", "poor": "blurred"}[mood]
        yield Sentence(mood, f"Its pictures are {look}: {found:.1f} dB PSNR for what its codes can show.")


def _time(frames: int, report: Report) -> str:
    fps = report.settings.get("fps")
    if not isinstance(fps, int | float) or not math.isfinite(fps) or fps <= 0:
        return f"{frames} frames"
    return f"{frames} frames ({frames / fps:.0f} s)"


def _of_hundred(share: float | None) -> str:
    return f"{100 * (share or 0.0):.0f} of 100 frames"
