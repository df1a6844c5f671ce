"""A play test in words: lines for whoever plays, tables for the report."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tinyworlds.evaluation.markdown import table_head, table_row
from tinyworlds.evaluation.play_test.result import MOVING
from tinyworlds.system.text import literal

if TYPE_CHECKING:
    from tinyworlds.evaluation.play_test.result import KeyResult, PlayTest


def lines_for_players(play: PlayTest) -> list[str]:
    """What works and for how long, the weakest key first, some ten lines."""
    last = play.bands[-1][1]
    lines = [f"What a player meets: each key held for {last} frames from {play.num_starts} new places."]
    ranked = sorted(play.keys, key=lambda key: key.overall)
    width = max(len(_name(key)) for key in ranked)
    lines += [f"  {_name(key):{width}}  {_verdict(key, play)}" for key in ranked]
    lines.append(
        f"  Of true frames {100 * play.read_game:.0f} of 100 are read rightly, so much could be reached; "
        f"by chance it is {100 / len(play.keys):.0f}."
    )
    if play.drift:
        lines.append(f"  {_drift_line(play)}")
    return lines


def _name(key: KeyResult) -> str:
    pressed = "/".join(key.pressed)
    return f"{pressed} ({key.name})" if pressed else key.name


def _verdict(key: KeyResult, play: PlayTest) -> str:
    if key.sent is None:
        return "nothing found for it: the world idles"
    early, late = (f"{100 * key.read_back[band]:.0f}" for band in (0, -1))
    moves = [f"{key.life[band]:.1f}" for band in (0, -1) if key.change_game[band] >= MOVING]
    alive = f"; it moves {' then '.join(dict.fromkeys(moves))} times as much as in the game" if moves else ""
    if key.change_game[-1] < MOVING:
        alive += f"; where the game stands still it changes by {key.change[-1]:.1f} of 255"
    return (
        f"seen in {100 * key.overall:.0f} of 100 frames ({early} at first, {late} after frame "
        f"{play.bands[-1][0] - 1}){alive}"
    )


def _drift_line(play: PlayTest) -> str:
    early, late = play.drift[1], play.drift[-1]
    (first, last), (begin, end) = play.drift_bands[1], play.drift_bands[-1]
    return (
        f"Played on, it is {late / early:.1f} times as far from the game at frames {begin} to {end} as at "
        f"{first} to {last}."
    )


def tables(play: PlayTest, title: str = "key held") -> list[str]:
    """Lines of Markdown: keys read back (under `title`), life, drift."""
    return [*_key_table(play, title), "", *_drift_table(play)]


def _key_table(play: PlayTest, title: str) -> list[str]:
    bands = [f"{first} to {last}" for first, last in play.bands]
    head = [title, "sent", "read in true frames", *(f"read back, {band}" for band in bands)]
    head += ["change a frame in the game, of 255", *(f"life, {band}" for band in bands)]
    head += [f"read in the real game, {band}" for band in bands if play.real]
    rows = table_head(*head)
    for key in sorted(play.keys, key=lambda key: key.overall):
        sent = "none found" if key.sent is None else str(key.sent)
        cells = [
            literal(key.name),
            sent,
            f"{key.read_game:.2f}",
            *(f"{share:.2f}" for share in key.read_back),
        ]
        in_game = [f"{change:.1f}" for change in key.change_game]
        in_game = in_game if play.real else in_game[:1]  # of a recording there is one
        cells += [", ".join(in_game), *(f"{life:.2f}" for life in key.life)]
        cells += [f"{share:.2f}" for share in key.read_real or [math.nan] * len(bands)] if play.real else []
        rows.append(table_row(*cells))
    empty = [""] * (1 + len(bands) * (2 if play.real else 1))
    means = [f"**{found.value:.2f}** ({found.low:.2f} to {found.high:.2f})" for found in play.read_back]
    rows.append(table_row("mean over keys", "", f"{play.read_game:.2f}", *means, *empty))
    scores = [f"{score:.2f}" for score in play.macro_f1]
    rows.append(table_row("macro F1", "", "", *scores, *empty))
    return rows


def _drift_table(play: PlayTest) -> list[str]:
    if not play.drift:
        return []
    bands = [f"{first} to {last}" for first, last in play.drift_bands]
    return [
        *table_head("frames played", *bands, "true frames"),
        table_row("Fréchet distance", *(f"{value:.2f}" for value in play.drift), f"{play.drift_floor:.2f}"),
    ]
