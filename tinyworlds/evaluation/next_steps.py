"""What to do next about a world: commands chosen from the figures of its report, the most useful first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyworlds.checkpoints.run_folder import versions
from tinyworlds.errors import TinyWorldsError
from tinyworlds.evaluation.words import AT_TIMES, CLEAR_DB, LIVELY, WORKS, key_words, steady_frames
from tinyworlds.export.sampling_file import SAMPLING_FILE
from tinyworlds.models.registry import INFERRED
from tinyworlds.shipped import is_shipped
from tinyworlds.system.documents import read_json, read_yaml
from tinyworlds.system.shell import shown_command

if TYPE_CHECKING:
    from tinyworlds.evaluation.report import Report

_MOST = 4
_MORE = 2  # times as many updates are proposed


@dataclass(frozen=True)
class Step:
    """Something to do, why, and the command that does it."""

    why: str
    command: str


def next_steps(report: Report, source: Path, world: Path | None = None) -> list[Step]:
    """Return what to do next, at most four steps.

    Args:
        report: what was found.
        source: the run folder or the world file that was measured.
        world: the file that a run was exported to already, if it was.
    """
    is_run = source.is_dir()
    steps = [*_measuring(report, source), *_keys(report, source, is_run), *_drawing(report, source, is_run)]
    steps += _training(report, source) if is_run else []
    playing = [*_playing(report, world or source)]
    return [*steps[: _MOST - len(playing)], *playing]


def _measuring(report: Report, source: Path) -> Iterator[Step]:
    if report.play is None and report.settings.get("actions") != "none":
        yield Step("hold every key and read it back", shown_command("evaluate", source))


def _keys(report: Report, source: Path, is_run: bool) -> Iterator[Step]:
    """A key that was not found may be bound by hand."""
    keys = key_words(report.play) if report.play else []
    if any(key.share is None for key in keys) and not is_run and not is_shipped(source):
        yield Step("see what each action does, then bind a key by --bind", shown_command("actions", source))
    weak = any(key.share is None or key.share < AT_TIMES for key in keys)
    told = report.headline == "pressed"  # the recording says what was pressed
    if weak and is_run and told and report.settings.get("actions") in INFERRED:
        words = _words(source, "dynamics")
        if words:
            yield Step(
                "train on the recorded keys: they are stronger than actions found in the pictures",
                shown_command("fit", *words, "--run", source, "--model.actions=labels"),
            )


def _drawing(report: Report, source: Path, is_run: bool) -> Iterator[Step]:
    """How codes are drawn decides how much a dream flickers or stands still; choosing takes a minute."""
    tuned = is_run and any(
        (version / SAMPLING_FILE).is_file() for version in versions(source, "dynamics")[-1:]
    )
    if report.play is None or not is_run or tuned:
        return
    lives = [each for key in key_words(report.play) if key.life for each in key.life]
    if lives and (min(lives) < LIVELY[0] or max(lives) > LIVELY[1]):
        world = Path(f"{report.game or source.name}.world")
        yield Step(
            "choose how frames are drawn, against flicker and standstill",
            shown_command("export", source, world, "--tune"),
        )


def _training(report: Report, run: Path) -> Iterator[Step]:
    if report.value("tokenizer_psnr") < CLEAR_DB:
        why = "for clearer pictures: twice the updates of the tokenizer, then the other stages again"
        yield from _longer(run, "video_tokenizer", why)
    keys = key_words(report.play) if report.play else []
    steady = steady_frames(report.play) if report.play else None
    against = []
    if any((key.share or 0.0) < WORKS for key in keys) or (not keys and report.missed(report.listening_bars)):
        against.append("keys that do not work")
    if report.play is not None and steady is not None and steady < report.play.drift_bands[-1][1]:
        against.append("drift")
    if against:
        why = f"against {' and '.join(against)}: twice the updates of the dynamics"
        yield from _longer(run, "dynamics", why)


def _longer(run: Path, stage: str, why: str) -> Iterator[Step]:
    """Propose the stage's own command with more updates, where the run notes both."""
    words, updates = _words(run, stage), _updates(run, stage)
    if words and updates:
        longer = f"--trainer.max_steps={_MORE * updates}"
        yield Step(why, shown_command("fit", *words, "--run", run, longer))


def _playing(report: Report, source: Path) -> Iterator[Step]:
    yield Step("play it", shown_command("play", source))
    if source.is_dir():
        file = Path(f"{report.game or source.name}.world")
        yield Step("put it into one file, to keep or to send", shown_command("export", source, file))


def _words(run: Path, stage: str) -> list[str]:
    """Return the words that `tinyworlds train` gave to a stage; none where it did not train it."""
    try:
        told = read_json(run / "run.json")["stages"][stage]["arguments"]
        return [str(word) for word in told if not str(word).startswith("--trainer.max_steps")]
    except (TinyWorldsError, OSError, KeyError, TypeError, ValueError):
        return []


def _updates(run: Path, stage: str) -> int | None:
    """Return the updates that the newest version of a stage was to make."""
    for version in reversed(versions(run, stage)):
        try:
            trainer: Any = read_yaml(version / "config.yaml").get("trainer")
            updates = trainer["max_steps"]
        except (TinyWorldsError, OSError, KeyError, TypeError):
            continue
        return updates if type(updates) is int and updates > 0 else None
    return None
