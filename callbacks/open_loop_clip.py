"""Shows what the world dreams while its dynamics train."""

from __future__ import annotations

import logging
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from callbacks.publishing import harmless, pictures_folder, publish
from tinyworlds.data.held_out import Clips, held_out_clips
from tinyworlds.errors import DataError
from tinyworlds.evaluation.pictures import open_loop_picture, open_loop_video
from tinyworlds.metrics import frames as metrics
from tinyworlds.training.trainer_parts import parts_of
from tinyworlds.world.action_source import told_source
from tinyworlds.world.rollout import RolloutOptions, RolloutResult, open_loop

log = logging.getLogger(__name__)


class OpenLoopClip(Callback):
    """Rolls the same validation clips out at each validation: a PNG strip and an H.264 clip.

    Three rows or panels: truth, prediction, error. Logs ``val/rollout_psnr`` and ``val/rollout_gain`` (above
    repeating the last given frame) of the clips shown, means over frames. The actions are those that are
    inferred from the frames that are predicted, or the recorded ones; `tinyworlds evaluate` tells what
    pressed keys give.

    Args:
        num_clips: Clips, always the same.
        horizon: Frames to generate after the context.
        num_steps: Decoding steps a frame.
    """

    def __init__(self, num_clips: int = 3, horizon: int = 8, num_steps: int = 4) -> None:
        self.num_clips, self.horizon, self.num_steps = num_clips, horizon, num_steps
        self._clips: Clips | None = None
        self._given_up = False

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Roll out, draw and log."""
        if trainer.sanity_checking or self._given_up or not trainer.is_global_zero:
            return
        clips = self._validation_clips(trainer, pl_module)
        if clips is None:
            return
        result = self._roll_out(pl_module, clips)
        gain = metrics.psnr(result.counted, result.truth) - metrics.psnr(result.repeated, result.truth)
        values = {
            "val/rollout_psnr": metrics.psnr(result.counted, result.truth).mean(),
            "val/rollout_gain": gain.mean(),
        }
        # nothing is exchanged, this process is alone here; without the last word Lightning would recommend it
        pl_module.log_dict(values, rank_zero_only=True, batch_size=1, sync_dist=True)
        with harmless():
            labels = getattr(pl_module, "actions", None) == "labels"
            source = told_source(self._options(pl_module).actions, labels)
            self._draw(trainer, result, clips.fps, f"actions {source}: {float(gain.mean()):+.2f} dB")

    def _validation_clips(self, trainer: Trainer, stage: Any) -> Clips | None:
        """The clips, read once; None where the data have none that long."""
        if self._clips is None:
            num_frames = self._options(stage).num_frames(stage.network)
            try:
                self._clips = held_out_clips(parts_of(trainer).datamodule, num_frames, self.num_clips, "val")
            except DataError as error:
                log.warning("No open-loop clips in this run: %s", error)
                self._given_up = True
        return self._clips

    def _roll_out(self, stage: Any, clips: Clips) -> RolloutResult:
        frames, labels = clips.batch(0, self.num_clips, stage.device)
        with torch.autocast(stage.device.type, enabled=False):
            return open_loop(
                stage.tokenizer,
                stage.action_model,
                stage.network,
                frames,
                self._options(stage),
                labels if stage.actions == "labels" else None,
            )

    def _options(self, stage: Any) -> RolloutOptions:
        actions = "none" if stage.actions == "none" else "inferred"
        return RolloutOptions(actions, self.horizon, num_steps=self.num_steps)

    def _draw(self, trainer: Trainer, result: RolloutResult, fps: float, told: str) -> None:
        folder = pictures_folder(trainer)
        step = trainer.global_step
        clips = list(range(len(result.prediction)))
        title = f"Step {step}: free rollouts, {told} above repeating the last given frame"
        path = open_loop_picture(folder / f"open_loop_step_{step}.png", result, clips, title)
        publish(trainer, "open_loop", path)
        open_loop_video(folder / f"open_loop_step_{step}.mp4", result, clips, fps)
