"""What a run or a world says of itself without being opened: settings, curves and figures, from its files.

Nothing is measured and no network is built. A run may be half written, or be written while it is read: what
cannot be read is left out, and noted.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinyworlds.checkpoints.run_folder import has_checkpoint, version_of, versions
from tinyworlds.errors import TinyWorldsError
from tinyworlds.evaluation.saved import read_report
from tinyworlds.metrics.estimate import Estimate
from tinyworlds.models.registry import ALL_STAGES, STAGE_OF_PART
from tinyworlds.system.documents import read_json, read_yaml
from tinyworlds.system.text import visible

Curve = list[tuple[int, float]]

_OF_THE_RUN = (
    "run", "ckpt_path", "weights_only", "model.tokenizer", "model.latent_actions", "trainer.logger",
    "trainer.callbacks", "trainer.default_root_dir", "rollout.out",
)  # fmt: skip
"""Settings that say where a run lies, not what it is."""
_MOST_POINTS = 2000
_DEEPEST = 3


@dataclass
class RunFacts:
    """A run or a world.

    Attributes:
        name: as it is shown.
        path: of the run folder or the world file.
        game: title; empty where nobody says.
        settings: by their names with the stage in front, such as ``"dynamics.model.embed_dim"``.
        stages: how far each is, in words; empty for a world.
        updates: of the newest version of each stage, as far as it logged them.
        seconds: of training, by stage.
        curves: by stage and column of its metrics.csv; steps count from 1.
        figures: of its last evaluation.
        measured: on what; empty where it was not.
        problems: what could not be read, and why.
    """

    name: str
    path: Path
    game: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    stages: dict[str, str] = field(default_factory=dict)
    updates: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    curves: dict[str, dict[str, Curve]] = field(default_factory=dict)
    figures: dict[str, Estimate] = field(default_factory=dict)
    measured: str = ""
    problems: list[str] = field(default_factory=list)

    def trying(self, read: Callable[[], Any]) -> Any:
        """Return what `read` returns; None where it cannot be read, which is noted."""
        try:
            return read()
        except (TinyWorldsError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self.problems.append(visible(str(error)) or repr(error))
            return None


def find_runs(folder: Path) -> list[Path]:
    """Return the runs in a folder, also in folders in it, by name."""
    return sorted(_runs(folder, _DEEPEST)) if folder.is_dir() else []


def _runs(folder: Path, depth: int) -> Iterator[Path]:
    inner = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    for path in inner:
        if is_run(path):
            yield path
        elif depth > 1 and version_of(path) is None:
            yield from _runs(path, depth - 1)


def is_run(folder: Path) -> bool:
    """Whether a folder is a run in which something was begun."""
    return any(versions(folder, stage) for stage in ALL_STAGES)


def facts_of(path: Path, name: str = "", report: Path | None = None) -> RunFacts:
    """Return what is known of a run or a world.

    Args:
        path: a run folder or a ``.world`` file.
        name: to show; default that of the path.
        report: the folder of its report; default where `evaluate` writes it.
    """
    from tinyworlds.evaluation.run import default_folder

    facts = RunFacts(visible(name or path.stem), path)
    if path.is_dir():
        _read_run(facts)
    else:
        facts.trying(lambda: _read_world(facts))
    file = (report or default_folder(path)) / "metrics.json"
    if file.is_file():
        facts.trying(lambda: _read_report(facts, file))
    return facts


def _read_report(facts: RunFacts, file: Path) -> None:
    report, _ = read_report(file)
    facts.figures = report.figures
    facts.measured = f"{report.num_clips} clips of {report.num_episodes} episodes, {report.data}"
    facts.game = facts.game or report.game
    for key in ("num_steps", "schedule", "horizon", "context_frames"):
        if key in report.settings:
            facts.settings[f"evaluation.{key}"] = report.settings[key]


def _read_run(facts: RunFacts) -> None:
    states: dict[str, Any] = {}
    if (facts.path / "run.json").is_file():
        told = facts.trying(lambda: read_json(facts.path / "run.json")) or {}
        facts.game = visible(str(told.get("game") or ""))
        states = told["stages"] if isinstance(told.get("stages"), dict) else {}
    for stage in ALL_STAGES:
        if not (found := versions(facts.path, stage)):
            continue
        _read_stage(facts, stage, found[-1])
        state = states.get(stage)
        state = state if isinstance(state, dict) else {}
        has_weights = has_checkpoint(facts.path, stage)
        facts.stages[stage] = visible(str(state.get("status") or ("trained" if has_weights else "begun")))
        seconds = state.get("seconds")
        if isinstance(seconds, int | float) and math.isfinite(seconds) and seconds > 0:
            facts.seconds[stage] = float(seconds)


def _read_stage(facts: RunFacts, stage: str, version: Path) -> None:
    if (file := version / "config.yaml").is_file():
        config = facts.trying(lambda: read_yaml(file)) or {}
        facts.settings |= {f"{stage}.{name}": value for name, value in _flat(config)}
        game = config.get("data", {}).get("game") if isinstance(config.get("data"), dict) else None
        facts.game = facts.game or visible(str(game or ""))
    if (file := version / "metrics.csv").is_file():
        curves = facts.trying(lambda: read_curves(file)) or {}
        facts.curves[stage] = curves
        steps = [step for curve in curves.values() for step, _ in curve[-1:]]
        if steps:
            facts.updates[stage] = max(steps)


def _flat(config: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Settings by dotted names, without those that only say where a run lies."""

    def walk(value: Any, name: str) -> Iterator[tuple[str, Any]]:
        if isinstance(value, dict) and value:
            for key, each in value.items():
                inner = name if key == "init_args" else f"{name}.{key}" if name else str(key)
                yield from walk(each, inner)
        elif name not in _OF_THE_RUN:
            yield name, value

    return walk(config, "")


def _read_world(facts: RunFacts) -> None:
    from tinyworlds.world.facts import WorldFacts
    from tinyworlds.world.file import read_header

    told = WorldFacts.of(facts.path)
    facts.game = told.game
    facts.settings["dynamics.model.actions"] = told.actions
    for part, config in read_header(facts.path)["configs"].items():
        if isinstance(config, dict) and part in STAGE_OF_PART:
            stage = STAGE_OF_PART[part]
            facts.settings |= {f"{stage}.model.{key}": value for key, value in config.items()}
    for key, value in told.metrics.items():
        if isinstance(value, int | float) and math.isfinite(value):
            facts.figures[key] = Estimate(float(value), math.nan, math.nan, 0)
    facts.measured = "as its file says, without intervals" if facts.figures else ""


def read_curves(file: Path) -> dict[str, Curve]:
    """Return the columns of a ``metrics.csv`` as curves over updates; what is no number is left out.

    Raises:
        OSError: it cannot be read.
    """
    curves: dict[str, Curve] = {}
    with file.open(encoding="utf-8", errors="replace", newline="") as lines:
        for row in csv.DictReader(line.replace("\0", "") for line in lines):
            step = _number(row.get("step"))
            if step is None or not 0 <= step < 1e15:
                continue
            for name, text in row.items():
                value = _number(text) if name and name != "step" else None
                if value is not None:
                    curves.setdefault(visible(name), []).append((int(step) + 1, value))
    return {name: _thinned(curve) for name, curve in curves.items()}


def _thinned(curve: Curve) -> Curve:
    every = -(-len(curve) // _MOST_POINTS)
    return curve if every <= 1 else [*curve[::every], curve[-1]]


def _number(text: Any) -> float | None:
    if not isinstance(text, str) or not text:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def distinct_names(paths: Iterable[Path]) -> list[str]:
    """Return a name for each path: its own, and as many folders before it as tell it from the others."""
    all_parts = [path.with_suffix("").parts if path.suffix == ".world" else path.parts for path in paths]
    names = []
    for parts in all_parts:
        depth = 1
        while depth < len(parts) and sum(other[-depth:] == parts[-depth:] for other in all_parts) > 1:
            depth += 1
        names.append("/".join(parts[-depth:]))
    return names
