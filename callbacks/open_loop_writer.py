"""Writes what ``tinyworlds predict`` generated: pictures, a clip, and the figures."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from tinyworlds.evaluation.pictures import open_loop_picture, open_loop_video
from tinyworlds.metrics import frames as metrics
from tinyworlds.nn.motion import motion_mask
from tinyworlds.system.files import write_text
from tinyworlds.training.run_logger import version_folder
from tinyworlds.training.trainer_parts import parts_of
from tinyworlds.world.action_source import told_source
from tinyworlds.world.rollout import RolloutOptions, RolloutResult, join_results


class OpenLoopWriter(Callback):
    """Collects the rollouts of ``predict``; writes ``open_loop.png``, ``open_loop.mp4``, ``metrics.json``.

    Only as many batches run as `options.num_clips` needs.

    Args:
        options: What to generate, and the folder to write to (default: ``predict`` in the version folder);
            None takes those of the stage.
    """

    def __init__(self, options: RolloutOptions | None = None) -> None:
        self._given = options
        self.options = options or RolloutOptions()
        self.folder: Path | None = None
        self._results: list[RolloutResult] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Run no more batches than there are clips to show."""
        self.options = self._given or getattr(pl_module, "rollout_options", None) or self.options
        if stage == "predict" and trainer.limit_predict_batches == 1.0:
            batch_size = getattr(parts_of(trainer).datamodule, "batch_size", 1)
            trainer.limit_predict_batches = math.ceil(self.options.num_clips / batch_size)

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep the rollouts of one batch."""
        if isinstance(outputs, RolloutResult):
            self._results.append(outputs.to("cpu"))

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write everything; a failing video codec never costs the picture."""
        if not self._results or not trainer.is_global_zero:
            return
        result = join_results(self._results).first(self.options.num_clips)
        self._results = []
        default = version_folder(trainer) / "predict"
        self.folder = Path(self.options.out) if self.options.out else default
        fps = float(getattr(parts_of(trainer).datamodule, "fps", None) or 15.0)
        labels = getattr(pl_module, "actions", None) == "labels"
        figures = write_rollouts(self.folder, result, self.options, fps, labels)
        source = told_source(self.options.actions, labels)
        print(f"actions {source}: {_summary(figures)}; pictures, clip and metrics.json in {self.folder}")


def write_rollouts(
    folder: Path, result: RolloutResult, options: RolloutOptions, fps: float, labels: bool = False
) -> dict[str, Any]:
    """Write the pictures, the clip and ``metrics.json`` of some rollouts; returns the figures.

    `labels`: whether the world was trained on recorded actions, so that none are inferred.
    """
    clips = list(range(min(options.num_clips, len(result.prediction))))
    figures = rollout_figures(result, options)
    figures["action_source"] = told_source(options.actions, labels)
    kind = "teacher-forced" if options.teacher_forced else "free"
    title = f"Actions {figures['action_source']}, {kind}: {_summary(figures)}"
    open_loop_picture(folder / "open_loop.png", result, clips, title)
    written = open_loop_video(folder / "open_loop.mp4", result, clips, fps)
    figures["files"] = ["open_loop.png"] + ([written.name] if written is not None else [])
    write_text(folder / "metrics.json", json.dumps(figures, indent=2, allow_nan=False) + "\n")
    return figures


def rollout_figures(result: RolloutResult, options: RolloutOptions) -> dict[str, Any]:
    """What ``metrics.json`` holds: only generated frames count, never the given ones.

    PSNR and SSIM are means over frames, errors are in units of [0, 1], and those of what moves are averaged
    before PSNR is taken.
    """
    figures: dict[str, Any] = {
        "schema_version": 2,
        "options": asdict(options),
        "num_clips": len(result.prediction),
        "context_frames": result.context.shape[1],
        "actions": None if result.action_ids is None else result.action_ids.tolist(),
        "raw_range_by_step": result.raw_range.tolist(),
        "clamped_range_by_step": result.clamped_range.tolist(),
    }
    if not result.truth.shape[1]:
        return figures
    prediction, truth = result.counted, result.truth
    error = metrics.mse(prediction, truth).mean(0)
    mask = motion_mask(torch.cat([result.context, truth], dim=1))[:, -truth.shape[1] :]
    by_step = {
        "psnr_by_step": metrics.psnr(prediction, truth).mean(0),
        "repeat_psnr_by_step": metrics.psnr(result.repeated, truth).mean(0),
        "ssim_by_step": metrics.ssim(prediction, truth).mean(0),
        "mse_by_step": error,
    }
    moving, repeated = (
        metrics.motion_errors(frames, truth, mask).sum(0) for frames in (prediction, result.repeated)
    )
    return {
        **figures,
        "psnr": _number(by_step["psnr_by_step"].mean()),
        "repeat_psnr": _number(by_step["repeat_psnr_by_step"].mean()),
        "ssim": _number(by_step["ssim_by_step"].mean()),
        "mse": _number(error.mean()),
        "motion_psnr": _moving_psnr(moving),
        "repeat_motion_psnr": _moving_psnr(repeated),
        **{name: [_number(value) for value in values] for name, values in by_step.items()},
    }


def _moving_psnr(summed: Tensor) -> float | None:
    """PSNR of the mean error of the pixels that move; None where none does."""
    return _number(metrics.mse_to_psnr(summed[0] / summed[1])) if summed[1] else None


def _number(value: Tensor | float) -> float | None:
    value = float(value)
    return value if math.isfinite(value) else None


def _summary(figures: dict[str, Any]) -> str:
    raw = figures["raw_range_by_step"]
    low, high = min(step[0] for step in raw), max(step[1] for step in raw)
    told = f"raw output {low:.2f} to {high:.2f}, clamped to [-1, 1]"
    if "psnr" not in figures:
        return told
    beside = f"repeating the last given frame {figures['repeat_psnr']:.2f} dB"
    return f"PSNR {figures['psnr']:.2f} dB, {beside}, {told}"
