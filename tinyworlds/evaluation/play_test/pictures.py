"""Pictures of a play test: each key held, and what is left after hundreds of frames."""

from __future__ import annotations

from pathlib import Path

from tinyworlds.evaluation.play_test.drift import SHOWN_PLAYED
from tinyworlds.evaluation.play_test.measure import SHOWN_HELD, Shown
from tinyworlds.evaluation.play_test.result import PlayTest
from tinyworlds.media.pictures import save_strip

PICTURES = {
    "keys.png": "Each key held, from the same start",
    "played.png": "Played on as people did, four sessions",
}


def draw(folder: Path, play: PlayTest, shown: Shown) -> None:
    """Draw `PICTURES` into a folder."""
    rows, labels = [], []
    for number, key in enumerate(play.keys):
        name = key.name if key.sent is not None else f"{key.name} (nothing found)"
        if number in shown.real:
            rows.append(list(shown.real[number].numpy()))
            labels.append(f"{name}: game")
            name = f"{name}: dream"
        rows.append(list(shown.held[number].numpy()))
        labels.append(name)
    columns = ["start", *(f"+{frame}" for frame in SHOWN_HELD)]
    beside = ", beside the real game" if shown.real else ""
    title = f"Each key held in the dream, from the same start{beside}"
    save_strip(folder / "keys.png", rows, labels, columns, title)
    if shown.played is not None:
        rows = [list(row.numpy()) for row in shown.played]
        columns = ["start", *(f"+{frame}" for frame in SHOWN_PLAYED)]
        title = "Played on as people did"
        save_strip(
            folder / "played.png", rows, [f"session {i}" for i in range(1, len(rows) + 1)], columns, title
        )
