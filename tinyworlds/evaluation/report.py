"""The report of a world: figures with their intervals, as JSON for programs and Markdown for people.

No torch, no plots: :mod:`tinyworlds.evaluation.evaluate` measures,
:mod:`tinyworlds.evaluation.pictures` draws.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tinyworlds import __version__
from tinyworlds.metrics.estimate import Estimate
from tinyworlds.system.files import write_text

SCHEMA_VERSION = 1

# key: (what it is, unit); the order is that of the report
FIGURES = {
    "tokenizer_psnr": ("tokenizer: PSNR of the reconstruction", "dB"),
    "tokenizer_ssim": ("tokenizer: SSIM", ""),
    "tokenizer_motion_psnr": ("tokenizer: PSNR of what moves", "dB"),
    "tokenizer_motion_gain": ("tokenizer: the same above the clip's temporal median", "dB"),
    "code_perplexity": ("tokenizer: perplexity of its codes", ""),
    "actions_used": ("latent actions used (by 1 % of the transitions or more)", ""),
    "action_nmi": ("latent with true actions: normalised mutual information", ""),
    "one_step_psnr": ("one step: PSNR of the predicted frame", "dB"),
    "one_step_repeat": ("one step: PSNR of repeating the last true frame", "dB"),
    "one_step_gain": ("one step: prediction above repeating", "dB"),
    "one_step_gain_pooled": ("one step: the same with errors averaged before PSNR", "dB"),
    "one_step_motion_psnr": ("one step: PSNR of what moves", "dB"),
    "one_step_motion_gain": ("one step: the same above the clip's temporal median", "dB"),
    "delta_t_psnr": ("delta-t PSNR, t=4: inferred actions above random ones", "dB"),
    "rollout_psnr": ("rollout: PSNR, mean over its steps", "dB"),
    "rollout_gain": ("rollout: above repeating, mean over its steps", "dB"),
    "last_step_gain": ("rollout: above repeating at its last step", "dB"),
    "last_step_gain_pooled": ("rollout: the same with errors averaged before PSNR", "dB"),
    "rollout_ssim": ("rollout: SSIM, mean over its steps", ""),
    "rollout_motion_psnr": ("rollout: PSNR of what moves", "dB"),
    "rollout_motion_gain": ("rollout: the same above the clip's temporal median", "dB"),
}


@dataclass(frozen=True)
class Bar:
    """What a figure must reach: `at_least`, and its interval wholly above `interval_above` if that is set."""

    at_least: float
    interval_above: float | None = None

    def met_by(self, estimate: Estimate) -> bool:
        """Whether the figure reaches it."""
        sure = self.interval_above is None or estimate.low > self.interval_above
        return estimate.mean >= self.at_least and sure

    def __str__(self) -> str:
        above = f", interval above {self.interval_above:g}" if self.interval_above is not None else ""
        return f"{self.at_least:g} or more{above}"


QUICKSTART_BARS = {
    "tokenizer_psnr": Bar(28.0),
    "actions_used": Bar(3.0),
    "action_nmi": Bar(0.3),
    "one_step_gain_pooled": Bar(1.5),  # a mean of PSNRs would be ruled by frames in which nothing moves
    "delta_t_psnr": Bar(1.0, interval_above=0.0),
    "last_step_gain_pooled": Bar(0.0),
}
"""What the Doom quickstart must reach on held-out episodes."""

MOTION_BARS = {**QUICKSTART_BARS, "one_step_motion_gain": Bar(4.0)}
"""The same for games such as Pong, where what moves is a few pixels."""


@dataclass(frozen=True)
class Report:
    """Everything measured on one world.

    Attributes:
        figures: by the keys of :data:`FIGURES`, each with its 95 % interval; an interval of a point is exact.
        horizon_psnr: PSNR of the 1st, 2nd, ... generated frame.
        repeat_psnr: PSNR of repeating the last given frame, at the same frames.
        horizon_gain: their difference, clip by clip.
        game: the world's title.
        data: where the clips come from.
        settings: of the evaluation.
        seconds: how long it took.
        action_shares: share of each latent action among the transitions.
        confusion: transitions by true (rows) and latent (columns) action; empty without true actions.
        true_action_names: of the rows.
    """

    figures: dict[str, Estimate]
    horizon_psnr: list[float]
    repeat_psnr: list[float]
    horizon_gain: list[Estimate]
    game: str = ""
    data: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    action_shares: list[float] = field(default_factory=list)
    confusion: list[list[int]] = field(default_factory=list)
    true_action_names: list[str] = field(default_factory=list)

    def value(self, key: str) -> float:
        """The mean of one figure; NaN when it was not measured."""
        return self.figures[key].mean if key in self.figures else math.nan

    def missed(self, bars: dict[str, Bar]) -> list[str]:
        """The keys of `bars` that were not reached (or not measured)."""
        return [
            key for key, bar in bars.items() if key not in self.figures or not bar.met_by(self.figures[key])
        ]

    def latent_names(self) -> list[str]:
        """What each latent action mostly is, and how often, such as ``left 82 %``."""
        if not self.confusion:
            return [f"{share:.0%} of the time".replace("%", " %") for share in self.action_shares]
        names = []
        for latent in range(len(self.action_shares)):
            counts = [row[latent] for row in self.confusion]
            best = max(range(len(counts)), key=counts.__getitem__)
            total = sum(counts)
            known = total > 0
            names.append(
                f"{self.true_action_names[best]} {100 * counts[best] / total:.0f} %" if known else "never"
            )
        return names

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "schema_version": SCHEMA_VERSION,
            "tinyworlds_version": __version__,
            **_finite(asdict(self)),
        }

    def to_markdown(self, bars: dict[str, Bar] | None = None, pictures: dict[str, str] | None = None) -> str:
        """The report for people; `pictures` maps file names to captions."""
        head = f"# {self.game or 'World'}: figures on held-out clips"
        told = ", ".join(f"{key} {value}" for key, value in self.settings.items())
        lines = [
            head,
            "",
            f"Data: {self.data}. Settings: {told}. Took {self.seconds:.0f} s, tinyworlds {__version__}.",
            "Intervals are 95 %, over clips. Context frames that were given never count. Equal frames "
            "count as 58.9 dB (8-bit rounding).",
            "",
            *self._figure_table(bars),
            "",
            *self._horizon_table(),
        ]
        if self.confusion:
            lines += ["", *self._confusion_table()]
        for name, caption in (pictures or {}).items():
            is_picture = name.endswith(".png")
            lines += ["", f"![{caption}]({name})" if is_picture else f"[{caption}]({name})"]
        return "\n".join(lines) + "\n"

    def _figure_table(self, bars: dict[str, Bar] | None) -> list[str]:
        bars = bars or {}
        rows = ["| figure | value | 95 % interval |" + (" asked | met |" if bars else "")]
        rows.append("|---|---|---|" + ("---|---|" if bars else ""))
        for key, (title, unit) in FIGURES.items():
            if key not in self.figures and key not in bars:
                continue
            found = self.figures.get(key)
            cells = [title, *(_cells(found, unit) if found else ("not measured", ""))]
            if bars:
                bar = bars.get(key)
                met = bar is not None and found is not None and bar.met_by(found)
                cells += [str(bar), "yes" if met else "**no**"] if bar else ["", ""]
            rows.append("| " + " | ".join(cells) + " |")
        return rows

    def _horizon_table(self) -> list[str]:
        steps = range(1, len(self.horizon_psnr) + 1)
        gains = [f"{gain.mean:+.2f} ± {gain.half_width:.2f}" for gain in self.horizon_gain]
        return [
            "| frame of the rollout | " + " | ".join(str(step) for step in steps) + " |",
            "|---|" + "---|" * len(self.horizon_psnr),
            "| prediction, dB | " + " | ".join(f"{value:.2f}" for value in self.horizon_psnr) + " |",
            "| repeating, dB | " + " | ".join(f"{value:.2f}" for value in self.repeat_psnr) + " |",
            "| difference, dB | " + " | ".join(gains) + " |",
        ]

    def _confusion_table(self) -> list[str]:
        num_latent = len(self.confusion[0])
        return [
            "| true action \\ latent | " + " | ".join(str(latent) for latent in range(num_latent)) + " |",
            "|---|" + "---|" * num_latent,
            *(
                f"| {name} | " + " | ".join(str(count) for count in row) + " |"
                for name, row in zip(self.true_action_names, self.confusion, strict=True)
            ),
        ]

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


def _cells(found: Estimate, unit: str) -> tuple[str, str]:
    """Value and interval of one row."""
    if math.isnan(found.mean):
        return "nothing to measure", ""
    is_count = found.count == 0 and found.mean == int(found.mean)
    digits = 0 if is_count else 3 if not unit and abs(found.mean) <= 1 else 2
    space = f" {unit}" if unit else ""
    value = f"{found.mean:.{digits}f}{space}"
    if found.low == found.high:
        return value, ""
    return value, f"{found.low:.{digits}f} to {found.high:.{digits}f}{space}"


def _finite(value: Any) -> Any:
    """The same with None for numbers that JSON cannot hold."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
