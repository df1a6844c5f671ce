"""Measuring a world on its held-out clips; report, plots and clips go into a folder."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyworlds.checkpoints.search import data_settings_of
from tinyworlds.errors import MissingFileError

if TYPE_CHECKING:
    from tinyworlds.data.held_out import Clips
    from tinyworlds.evaluation.evaluate import Evaluation
    from tinyworlds.evaluation.report import Report
    from tinyworlds.evaluation.rows import Bar
    from tinyworlds.world.core import WorldCore

log = logging.getLogger(__name__)

PICTURES = {
    "open_loop.png": "Given frames, then truth, prediction and error of free rollouts",
    "open_loop.mp4": "The same as a clip",
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
    clips = clips_to_measure(world, path, data, world.context_frames + horizon, num_clips, data_settings)
    with progress_bar("evaluate", 100, enabled=sys.stderr.isatty()) as advance:
        done = 0.0

        def progress(share: float) -> None:
            nonlocal done
            advance(round(100 * (share - done)))
            done = share

        evaluation = evaluate_world(
            world, clips, horizon=horizon, num_steps=num_steps, seed=seed, progress=progress
        )
    folder = Path(out) if out is not None else default_folder(path)
    write_report(folder, evaluation, world, bars)
    return evaluation.report


def clips_to_measure(
    world: WorldCore,
    path: Path,
    data: str | list[str] | None,
    num_frames: int,
    num_clips: int,
    data_settings: dict[str, Any] | None = None,
) -> Clips:
    """Return clips that no network of a world was trained on; where nobody knows, their `source` says so.

    Args:
        world: whose context they are for.
        path: where it lies.
        data: as for `evaluate`, like `data_settings`.
        num_frames: frames of each clip.
        num_clips: how many, at most.
        data_settings: what is known better than from `path`.

    Raises:
        MissingFileError: nothing leads to gameplay files.
        DataError: no clip of that length was held out, or all were trained on by a stage.
    """
    from tinyworlds.data import H5DataModule
    from tinyworlds.data.gameplay import check_followed
    from tinyworlds.data.held_out import held_out_clips, keep_untrained, networks_trained_on

    settings = dict(data_settings or data_settings_of(path, world.info.provenance))
    if data is not None:
        settings["files"] = data
    elif data_settings is None:
        check_followed(settings, path)
    if not settings.get("files") and not settings.get("game"):
        raise MissingFileError(
            f"{path} does not say which data it was trained on; name them with --data FILE."
        )
    settings["frame_size"] = world.frame_size
    module = H5DataModule(**{"fps": world.fps, **settings, "num_workers": 0})
    if world.info.actions == "labels":
        module.number_actions(world.action_names)
        module.check_labels(world.num_actions)
    notes = keep_untrained(module, networks_trained_on(world.info.provenance))
    for note in notes:
        log.warning("%s: %s", path, note)
    clips = held_out_clips(module, num_frames, num_clips)
    if clips.actions is not None and world.info.actions != "none":
        module.warn_of_changing_actions()
    return replace(clips, source="; ".join([clips.source, *(notes or ["no stage was trained on them"])]))


def write_report(
    folder: Path, evaluation: Evaluation, world: WorldCore, bars: dict[str, Bar] | None = None
) -> None:
    """Draw every picture of an evaluation, then write ``metrics.json`` and ``report.md`` beside them."""
    from tinyworlds.evaluation import pictures as draw

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
    written = {name: caption for name, caption in PICTURES.items() if (folder / name).exists()}
    report.write(folder, {**report.listening_bars, **(bars or {})}, written)


def default_folder(path: Path) -> Path:
    """``evaluation`` in a run folder; ``NAME_evaluation`` beside a world file."""
    return path / "evaluation" if path.is_dir() else path.with_name(f"{path.stem}_evaluation")
