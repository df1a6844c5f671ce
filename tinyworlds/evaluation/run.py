"""Measuring a world on its held-out clips; report, plots and clips go into a folder."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyworlds.checkpoints.search import data_settings_of
from tinyworlds.errors import DataError, MissingFileError
from tinyworlds.shipped import written_beside

if TYPE_CHECKING:
    from tinyworlds.data import H5DataModule
    from tinyworlds.data.held_out import Clips
    from tinyworlds.evaluation.evaluate import Evaluation
    from tinyworlds.evaluation.play_test.measure import Shown
    from tinyworlds.evaluation.play_test.real import RealGame
    from tinyworlds.evaluation.report import Report
    from tinyworlds.evaluation.rows import Bar
    from tinyworlds.world.core import WorldCore

log = logging.getLogger(__name__)

_TICKS = 100
_LIKENESS = 0.3
"""Ticks of the progress bar, and the share of them before a play test."""

PICTURES = {
    "open_loop.png": "Given frames, then truth, prediction and error of free rollouts",
    "open_loop.mp4": "Held-out clips: the truth, what the world makes of it, and the error",
    "action_sheet.png": "What each action does",
    "actions.png": "Latent actions and what they stand for",
    "horizon.png": "PSNR by frame of the rollout",
    "tokenizer.png": "What the tokenizer keeps",
}


def evaluate(
    path: str | Path,
    data: str | list[str] | None = None,
    out: str | Path | None = None,
    *,
    num_clips: int = 96,
    horizon: int = 8,
    num_steps: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    seed: int = 0,
    bars: dict[str, Bar] | None = None,
    data_settings: dict[str, Any] | None = None,
    play: bool = True,
    real: RealGame | None = None,
) -> Report:
    """Measure a world on the held-out part of its data and write the report.

    Args:
        path: a ``.world`` file or a run folder.
        data: gameplay files; default: those the world was trained on.
        out: folder for the report; default ``evaluation`` in the run, or beside the world file.
        num_clips: held-out clips, at most.
        horizon: frames of the free rollouts.
        num_steps: decoding steps a frame; default as the world plays.
        device: where it runs.
        precision: "32", "bf16" or "auto", as in :class:`tinyworlds.world.core.WorldCore`.
        seed: of random actions.
        bars: what the figures must reach, beside listening to their actions; the report says whether they do.
        data_settings: arguments of H5DataModule, when they are known better than from `path`.
        play: hold every key and read it back as well, see :mod:`tinyworlds.evaluation.play_test`.
        real: the real game, to be played beside it.

    Raises:
        MissingFileError: neither `path` nor `data` leads to gameplay files.
        DataError: the data have too few held-out clips.
    """
    from tinyworlds.evaluation.evaluate import evaluate_world
    from tinyworlds.export.loading import open_world
    from tinyworlds.system.progress import progress_bar

    path = Path(path)
    named = [data] if isinstance(data, str) else data or ()
    world = open_world(path, device, data=named, precision=precision)  # whose keys are found in these data
    if num_steps:
        world.sampling = replace(world.sampling, num_steps=num_steps)
    held_out = open_held_out(world, path, data, data_settings)
    clips = held_out.clips(world.context_frames + horizon, num_clips)
    tested = play and world.info.actions != "none"
    with progress_bar("evaluate", _TICKS, enabled=sys.stderr.isatty()) as advance:
        likeness = round(_LIKENESS * _TICKS) if tested else _TICKS
        evaluation = evaluate_world(
            world, clips, horizon=horizon, seed=seed, progress=ticks(advance, likeness)
        )
        shown = None
        if tested:
            evaluation, shown = _play(evaluation, world, held_out, ticks(advance, _TICKS - likeness), real)
    folder = Path(out) if out is not None else default_folder(path)
    write_report(folder, evaluation, world, bars, shown, path)
    return evaluation.report


def ticks(advance: Callable[[int], None], count: int) -> Callable[[float], None]:
    """What turns shares done, 0 to 1, into `count` ticks of a bar."""
    before = 0

    def progress(share: float) -> None:
        nonlocal before
        now = round(share * count)
        advance(now - before)
        before = now

    return progress


def _play(
    evaluation: Evaluation,
    world: WorldCore,
    held_out: HeldOut,
    progress: Callable[[float], None],
    real: RealGame | None,
) -> tuple[Evaluation, Shown | None]:
    """Add a play test to an evaluation; where the data are too few for one, say so and leave it out."""
    from tinyworlds.evaluation.play_test.run import run_play_test

    try:
        play, shown = run_play_test(world, held_out.settings, held_out.module, progress, real)
    except DataError as error:
        if real is not None:
            raise
        log.warning("no play test: %s", error)
        return evaluation, None
    report = evaluation.report
    report = replace(report, play=play, figures={**play.figures(), **report.figures})
    return replace(evaluation, report=report), shown


@dataclass(frozen=True)
class HeldOut:
    """The data of a world, with what any of its networks was trained on left out of the test part.

    Attributes:
        settings: arguments of `H5DataModule`.
        module: the same, opened.
        notes: what is to be said of it.
    """

    settings: dict[str, Any]
    module: H5DataModule
    notes: tuple[str, ...]

    def clips(self, num_frames: int, num_clips: int) -> Clips:
        """Clips of the test part; `source` says what nobody can vouch for.

        Raises:
            DataError: no clip of that length was held out.
        """
        from tinyworlds.data.held_out import held_out_clips

        clips = held_out_clips(self.module, num_frames, num_clips)
        notes = self.notes or ("no stage was trained on them",)
        return replace(clips, source="; ".join([clips.source, *notes]))


def open_held_out(
    world: WorldCore,
    path: Path,
    data: str | list[str] | None = None,
    data_settings: dict[str, Any] | None = None,
    frame_size: int | None = None,
) -> HeldOut:
    """Open what no network of a world was trained on; where nobody knows, its notes say so.

    Args:
        world: whose data are wanted.
        path: where it lies.
        data: as for `evaluate`, like `data_settings`.
        data_settings: what is known better than from `path`.
        frame_size: side of the frames, px; default the world's.

    Raises:
        MissingFileError: nothing leads to gameplay files.
        DataError: all that was held out was trained on by a stage.
    """
    from tinyworlds.data import H5DataModule
    from tinyworlds.data.gameplay import check_followed
    from tinyworlds.data.held_out import keep_untrained, networks_trained_on

    settings = dict(data_settings or data_settings_of(path, world.info.provenance))
    if data is not None:
        settings["files"] = data
    elif data_settings is None:
        check_followed(settings, path)
    if not settings.get("files") and not settings.get("game"):
        raise MissingFileError(
            f"{path} does not say which data it was trained on; name them with --data FILE."
        )
    settings["frame_size"] = frame_size or world.frame_size
    settings = {"fps": world.fps, **settings, "num_workers": 0}
    module = H5DataModule(**settings)
    if world.info.actions in ("anchored", "labels"):
        module.number_actions(world.action_names)
    if world.info.actions == "labels":
        module.check_labels(world.num_actions)
    alone = world.info.actions == "anchored" and module.has_some_actions
    if alone:  # what is pressed is known there
        settings["files"] = [str(file.info.path) for file in module.frame_files if file.actions is not None]
        module = H5DataModule(**settings)
    notes = keep_untrained(module, networks_trained_on(world.info.provenance))
    if alone:
        notes.append("the files without recorded keys are left out: nobody knows what was pressed there")
    for note in notes:
        log.warning("%s: %s", path, note)
    if module.has_actions and world.info.actions != "none":
        module.warn_of_changing_actions()
    return HeldOut(settings, module, tuple(notes))


def write_report(
    folder: Path,
    evaluation: Evaluation,
    world: WorldCore,
    bars: dict[str, Bar] | None = None,
    play: Shown | None = None,
    source: Path | None = None,
) -> None:
    """Draw every picture of an evaluation, then write ``metrics.json`` and the report beside them.

    The report is ``report.md`` and, with everything inside, ``report.html``.

    Args:
        folder: where to.
        evaluation: what was measured.
        world: what it was measured on.
        bars: what the figures must reach, beside listening to their actions.
        play: frames of a play test.
        source: where the world lies, for what to do next.
    """
    from tinyworlds.evaluation import pictures as draw
    from tinyworlds.evaluation.next_steps import next_steps
    from tinyworlds.evaluation.page import write_report_page
    from tinyworlds.evaluation.play_test import pictures as play_pictures

    report, clips = evaluation.report, evaluation.clips
    frames, _ = clips.batch(0, len(clips))
    shown, many = draw.typical(frames, 6), draw.typical(frames, 8)
    rebuilt = evaluation.reconstruction[many, -1]
    draw.tokenizer_picture(
        folder / "tokenizer.png",
        frames[many, evaluation.reconstruction.shape[1] - 1],
        rebuilt,
        f"Tokenizer on held-out frames: {report.value('tokenizer_psnr'):.1f} dB PSNR",
    )
    gain = report.value(f"rollout_gain_pooled_{report.headline}")
    kind = "free rollouts" if report.headline == "none" else f"free rollouts, {report.headline} actions"
    title = f"Held-out clips, {kind}: {gain:+.1f} dB above repeating the last given frame"
    draw.open_loop_picture(folder / "open_loop.png", evaluation.rollout, shown[::2], title)
    draw.open_loop_video(folder / "open_loop.mp4", evaluation.rollout, shown, clips.fps)
    draw.action_sheet(folder / "action_sheet.png", world, frames[shown[0]], report.action_shares)
    draw.horizon_plot(folder / "horizon.png", report)
    if report.action_shares:
        draw.actions_plot(folder / "actions.png", report)
    if report.play is not None and play is not None:
        play_pictures.draw(folder, report.play, play)
    captions = {**play_pictures.PICTURES, **PICTURES}
    written = {name: caption for name, caption in captions.items() if (folder / name).exists()}
    bars = {**report.listening_bars, **(bars or {})}
    report.write(folder, bars, written)
    write_report_page(folder, report, bars, written, next_steps(report, source) if source else ())


def default_folder(path: Path) -> Path:
    """``evaluation`` in a run folder; ``NAME_evaluation`` beside a world file."""
    path = written_beside(path)
    return path / "evaluation" if path.is_dir() else path.with_name(f"{path.stem}_evaluation")
