"""The report of a world: figures with their intervals, as JSON for programs and Markdown for people.

No torch, no plots: :mod:`tinyworlds.evaluation.evaluate` measures, :mod:`tinyworlds.evaluation.text` writes
the tables, :mod:`tinyworlds.evaluation.pictures` draws. docs/evaluation.md explains every row.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tinyworlds import __version__
from tinyworlds.evaluation.play_test.result import PlayTest
from tinyworlds.evaluation.rows import Bar
from tinyworlds.evaluation.text import markdown
from tinyworlds.metrics.estimate import Estimate
from tinyworlds.system.files import write_text
from tinyworlds.system.text import visible

SCHEMA_VERSION = 2


@dataclass(frozen=True)
class Report:
    """Everything measured on one world.

    Attributes:
        figures: by the keys of :data:`tinyworlds.evaluation.rows.FIGURES`, and of ``PREDICTIONS`` with a
            source behind them, each with its 95 % interval over episodes; an interval of a point is exact.
        headline: the source of actions that pictures show and marks rest on.
        num_clips: how many clips were measured.
        num_episodes: of how many episodes they are.
        repeat_psnr: pooled PSNR of repeating the last given frame, at the 1st, 2nd, ... generated frame.
        horizon_psnr: by source of actions, pooled PSNR of the same frames as generated.
        horizon_gain: by source, how far above repeating.
        game: the world's title.
        data: where the clips come from.
        settings: of the evaluation.
        seconds: how long it took.
        action_shares: share of each latent action among the transitions.
        confusion: transitions by true (rows) and latent (columns) action; empty without true actions.
        true_action_names: of the rows.
        pressed_as: by name of each true action the latent one that its key takes; None where none was found,
            so that the idle action is taken.
        play: what a play test found, where there was one; its figures are among `figures`.
    """

    figures: dict[str, Estimate]
    headline: str
    num_clips: int
    num_episodes: int
    repeat_psnr: list[float]
    horizon_psnr: dict[str, list[float]]
    horizon_gain: dict[str, list[Estimate]]
    game: str = ""
    data: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    action_shares: list[float] = field(default_factory=list)
    confusion: list[list[int]] = field(default_factory=list)
    true_action_names: list[str] = field(default_factory=list)
    pressed_as: dict[str, int | None] = field(default_factory=dict)
    play: PlayTest | None = None

    def __repr__(self) -> str:
        played = "" if self.play is None else f"; {self.play!r}"
        return (
            f"Report on {visible(self.game) or 'an unnamed game'}: {len(self.figures)} figures of "
            f"{self.num_clips} clips of {self.num_episodes} episodes{played}"
        )

    def value(self, key: str) -> float:
        """The value of one figure; NaN when it was not measured."""
        return self.figures[key].value if key in self.figures else math.nan

    @property
    def listening_bars(self) -> dict[str, Bar]:
        """What any world with actions must reach: they matter, on pressed keys if the data tell them."""
        rows = [f"{row}_{self.headline}" for row in ("one_step_above_random", "last_step_above_random")]
        return {row: Bar(0.0, interval_above=0.0) for row in rows if row in self.figures}

    def missed(self, bars: dict[str, Bar]) -> list[str]:
        """The keys of `bars` that were not reached (or not measured)."""
        return [
            key for key, bar in bars.items() if key not in self.figures or not bar.met_by(self.figures[key])
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "schema_version": SCHEMA_VERSION,
            "tinyworlds_version": __version__,
            **_finite(asdict(self)),
        }

    def to_markdown(self, bars: dict[str, Bar] | None = None, pictures: dict[str, str] | None = None) -> str:
        """The report for people; `pictures` maps file names to captions."""
        return markdown(self, bars or {}, pictures or {})

    def write(
        self, folder: str | Path, bars: dict[str, Bar] | None = None, pictures: dict[str, str] | None = None
    ) -> None:
        """Write ``metrics.json`` and ``report.md`` into `folder`, each whole or not at all."""
        folder = Path(folder)
        content = self.to_dict()
        if bars:
            content["bars"] = {
                key: {**asdict(bar), "met": key not in self.missed(bars)} for key, bar in bars.items()
            }
        write_text(folder / "metrics.json", json.dumps(content, indent=2, allow_nan=False) + "\n")
        write_text(folder / "report.md", self.to_markdown(bars, pictures))


def _finite(value: Any) -> Any:
    """The same with None for numbers that JSON cannot hold."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
