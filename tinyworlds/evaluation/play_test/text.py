"""A play test as tables for the report; in words it is told by `tinyworlds.evaluation.words`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tinyworlds.evaluation.markdown import Strong, Table

if TYPE_CHECKING:
    from tinyworlds.evaluation.play_test.result import PlayTest


def tables(play: PlayTest, title: str = "key held") -> list[str]:
    """Lines of Markdown: keys read back (under `title`), life, drift."""
    return [*key_table(play, title).markdown(), "", *drift_table(play).markdown()]


def key_table(play: PlayTest, title: str = "key held") -> Table:
    """Every key, the weakest first: read back and alive, by band."""
    bands = [f"{first} to {last}" for first, last in play.bands]
    head = [title, "sent", "read in true frames", *(f"read back, {band}" for band in bands)]
    head += ["change a frame in the game, of 255", *(f"life, {band}" for band in bands)]
    head += [f"read in the real game, {band}" for band in bands if play.real]
    table = Table(tuple(head))
    for key in sorted(play.keys, key=lambda key: key.overall):
        sent = "none found" if key.sent is None else str(key.sent)
        cells = [key.name, sent, f"{key.read_game:.2f}", *(f"{share:.2f}" for share in key.read_back)]
        in_game = [f"{change:.1f}" for change in key.change_game]
        in_game = in_game if play.real else in_game[:1]  # of a recording there is one
        cells += [", ".join(in_game), *(f"{life:.2f}" for life in key.life)]
        cells += [f"{share:.2f}" for share in key.read_real or [math.nan] * len(bands)] if play.real else []
        table.add(*cells)
    empty = [""] * (1 + len(bands) * (2 if play.real else 1))
    means = [Strong(f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})") for found in play.read_back]
    table.add("mean over keys", "", f"{play.read_game:.2f}", *means, *empty)
    table.add("macro F1", "", "", *(f"{score:.2f}" for score in play.macro_f1), *empty)
    return table


def drift_table(play: PlayTest) -> Table:
    """How far a dream is from the game, by band; without rows where nobody played on."""
    bands = [f"{first} to {last}" for first, last in play.drift_bands]
    table = Table(("frames played", *bands, "true frames"))
    if play.drift:
        table.add("Fréchet distance", *(f"{value:.2f}" for value in play.drift), f"{play.drift_floor:.2f}")
    return table
